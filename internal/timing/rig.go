package main

import (
	"context"
	"database/sql"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/redis/go-redis/v9"

	"github.com/latchkey-go/latchkey/cache"
	keyauth "github.com/latchkey-go/latchkey/middleware"
	echoauth "github.com/latchkey-go/latchkey/middleware/echov4"
	"github.com/latchkey-go/latchkey/store"
	"github.com/latchkey-go/latchkey/store/dburl"
)

// rig is a guard in Echo over a cache over a database, and somebody who asks it.
type rig struct {
	options
	db       *sql.DB
	rdb      redis.UniversalClient
	rows     dburl.Store
	cached   *cache.Cache
	keys     *store.Keys
	strange  *store.Keys      // makes tokens that keys does not know
	server   *httptest.Server // nil: the handler is called
	askers   []asker
	forwards atomic.Int64 // by how much the clock of keys is ahead
}

// pepper is any: what matters is that records are sealed and checked, as in production.
const pepper = "timing: 9f2K7qLw3Rt8Yx1Vb6Nm4Zc5"

func newRig(ctx context.Context, o options) (r *rig, err error) {
	r = &rig{options: o, strange: store.New(store.NewMemory())}
	defer func() {
		if err != nil {
			r.close()
		}
	}()
	quiet := slog.New(slog.NewTextHandler(io.Discard, nil)) // lines are made, as in production, and go nowhere
	database, err := dburl.Parse(o.database)
	if err != nil {
		return r, fmt.Errorf("-database %w", err)
	}
	if r.db, err = database.Connect(); err != nil {
		return r, err
	}
	if r.rows, err = database.Open(r.db, quiet); err != nil {
		return r, err
	}
	if err := r.rows.Ready(ctx); err != nil {
		return r, err
	}
	if o.redis != "" {
		ro, err := cache.ParseRedisURL(o.redis)
		if err != nil {
			return r, fmt.Errorf("-redis %w", err)
		}
		cache.RecommendedRedisOptions(ro)
		r.rdb = redis.NewUniversalClient(ro)
	}
	sealer, err := store.NewSealer([]string{pepper})
	if err != nil {
		return r, err
	}
	if r.cached, err = (cache.Options{Sealer: sealer, Logger: quiet}).New(r.rows, r.rdb); err != nil {
		return r, err
	}
	now := func() time.Time { return time.Now().Add(time.Duration(r.forwards.Load())) }
	if r.keys, err = (store.Options{Sealer: sealer, Logger: quiet, FlushInterval: -1, Now: now}).New(r.cached); err != nil {
		return r, err
	}
	guard := echoauth.WithConfig(keyauth.Config{Keys: r.keys, Logger: quiet, RefusalTime: o.refusalTime})
	e := echo.New()
	e.GET("/", func(c echo.Context) error { return c.NoContent(http.StatusNoContent) }, guard)
	if o.at == "wire" {
		r.server = httptest.NewServer(e)
	}
	for range o.connections {
		if r.server == nil {
			r.askers = append(r.askers, &direct{handler: e})
			continue
		}
		w, err := newWire(r.server.Listener.Addr().String())
		if err != nil {
			return r, err
		}
		r.askers = append(r.askers, w)
	}
	return r, nil
}

func (r *rig) close() {
	for _, a := range r.askers {
		a.close()
	}
	if r.server != nil {
		r.server.Close()
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	_ = r.strange.Close(ctx)
	switch {
	case r.keys != nil:
		_ = r.keys.Close(ctx)
	case r.cached != nil:
		_ = r.cached.Close(ctx)
	case r.rows != nil:
		_ = r.rows.Close(ctx)
	}
	if r.rdb != nil {
		_ = r.rdb.Close()
	}
	if r.db != nil {
		_ = r.db.Close()
	}
}

// tokens returns n tokens of a kind that this process has never seen.
func (r *rig) tokens(ctx context.Context, k kind, n int) ([]string, error) {
	keys := r.keys
	if k == unknown || k == unknownAgain || k == malformed {
		keys = r.strange
	}
	var tokens []string
	for len(tokens) < n {
		in := make([]store.NewKey, min(n-len(tokens), 1000))
		for i := range in {
			in[i] = store.NewKey{Type: store.Secret, Title: k.String()}
			if k == expired {
				in[i].ExpiresAt = time.Now().Add(time.Duration(r.forwards.Load()) + lifetime)
			}
		}
		made, err := keys.CreateMany(ctx, in)
		if err != nil {
			return nil, err
		}
		var ids []string
		for _, m := range made {
			token := m.Token.Reveal()
			if k == malformed { // the checksum is wrong
				token = token[:len(token)-1] + string("01"[token[len(token)-1]&1^1])
			}
			tokens, ids = append(tokens, token), append(ids, m.Key.ID)
		}
		switch k {
		case revoked:
			if _, err := r.keys.RevokeAll(ctx, store.Filter{IDs: ids}, time.Time{}); err != nil {
				return nil, err
			}
		case expired:
			r.forwards.Add(int64(lifetime))
		}
	}
	return tokens, nil
}

// lifetime is that of keys that are made to be expired: the clock is moved on instead of waiting.
const lifetime = time.Minute

// caughtUp waits until the cache knows all changes, so that none of them falls into what is
// measured.
func (r *rig) caughtUp(ctx context.Context) error {
	feed, err := r.rows.Feed(ctx, 0, 1)
	if err != nil {
		return err
	}
	polls := r.cached.Stats().Polls + 2
	for {
		if s := r.cached.Stats(); s.Fresh && s.Head >= feed.Head && s.Polls >= polls && (!s.Redis || s.RedisReady) {
			return nil
		}
		select {
		case <-time.After(10 * time.Millisecond):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
