package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/latchkey-go/latchkey/cache"
	"github.com/latchkey-go/latchkey/store"
	"github.com/latchkey-go/latchkey/store/dburl"
)

const (
	// connectTimeout bounds the wait for the database. Another program may be migrating it.
	connectTimeout = 5 * time.Second
	// pingTimeout bounds the check of Redis.
	pingTimeout = time.Second
	// closeTimeout bounds the wait for background work at the end.
	closeTimeout = 10 * time.Second
)

// session is an open database of keys.
type session struct {
	keys   *store.Keys
	sealer *store.Sealer
	close  func()
}

// open connects to the database and returns the keys, and a context with the actor of changes. With
// samePeppers it refuses peppers that are not those of the existing keys. The caller must close the
// session.
func (a *dbFlags) open(ctx context.Context, samePeppers bool) (*session, context.Context, error) {
	s, err := a.settings()
	if err != nil {
		return nil, nil, err
	}
	log := slog.New(slog.NewTextHandler(a.stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	db, err := s.database.Connect()
	if err != nil {
		return nil, nil, fmt.Errorf("database: %w", err)
	}
	undo := []func(context.Context) error{func(context.Context) error { return db.Close() }}
	closeAll := func() {
		end, cancel := context.WithTimeout(context.Background(), closeTimeout)
		defer cancel()
		for i := len(undo) - 1; i >= 0; i-- {
			if err := undo[i](end); err != nil {
				log.Warn("closing", "error", err)
			}
		}
	}
	fail := func(err error) (*session, context.Context, error) {
		closeAll()
		return nil, nil, err
	}
	rows, err := s.database.Open(db, slog.New(slog.DiscardHandler)) // waitReady reports what it would log
	if err != nil {
		return fail(fmt.Errorf("database: %w", err))
	}
	if err := waitReady(ctx, rows, a.changes); err != nil {
		undo = append(undo, rows.Close)
		return fail(err)
	}
	var keys store.Store = rows
	if a.changes {
		var rdb redis.UniversalClient
		if s.redis != nil {
			redis.SetLogger(redisLog{log})
			rdb = redis.NewUniversalClient(s.redis)
			undo = append(undo, func(context.Context) error { return rdb.Close() })
			a.warnIfRedisFails(ctx, rdb)
		}
		if a.withoutRedis {
			fmt.Fprintln(a.stderr, withoutRedisNote)
		}
		o := cache.Options{
			Sealer: s.sealer, KeyPrefix: a.prefix, Logger: log,
			ChangesOnly: true, ChangeWithoutRedis: a.withoutRedis,
		}
		if keys, err = o.New(rows, rdb); err != nil {
			undo = append(undo, rows.Close)
			return fail(usageError{err})
		}
	}
	opened, err := store.Options{
		Sealer: s.sealer, Namespace: a.namespace, FlushInterval: -1, ShortLived: true, Logger: log,
	}.New(keys)
	if err != nil {
		undo = append(undo, keys.Close)
		return fail(err)
	}
	undo = append(undo, opened.Close)
	if samePeppers {
		if err := checkPeppers(ctx, rows, s.sealer); err != nil {
			return fail(err)
		}
	}
	return &session{keys: opened, sealer: s.sealer, close: closeAll}, store.WithActor(ctx, s.actor), nil
}

// waitReady waits until the store is ready. Commands that only read accept a read-only database.
func waitReady(ctx context.Context, rows dburl.Store, changes bool) error {
	ctx, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	for {
		err := rows.Ready(ctx)
		switch {
		case err == nil, !changes && errors.Is(err, store.ErrReadOnly):
			return nil
		case errors.Is(err, store.ErrReadOnly):
			return fmt.Errorf("database: %w", err)
		case rows.Err() != nil:
			return fmt.Errorf("database: %w", rows.Err())
		}
		select {
		case <-time.After(50 * time.Millisecond):
		case <-ctx.Done():
			return fmt.Errorf("database: %w", err)
		}
	}
}

// withoutRedisNote says what -without-redis gives up (docs/consistency.md, "two at once").
const withoutRedisNote = "without Redis: when this command succeeds, every instance that reaches the database has " +
	"the change. An instance that has lost the database and reads from Redis may serve stale data until it reaches " +
	"the database or another instance has updated Redis, at most for its MaxStale (5 minutes by default; no limit " +
	"with cache.Strict)."

// warnIfRedisFails warns when Redis does not answer or refuses. The change is made nevertheless, as
// in an instance whose Redis is down. It reads a key, as instances do: a Redis that cannot save to
// disk refuses PING but not reads.
func (a *dbFlags) warnIfRedisFails(ctx context.Context, rdb redis.UniversalClient) {
	ctx, cancel := context.WithTimeout(ctx, pingTimeout)
	defer cancel()
	err := rdb.MGet(ctx, cmp.Or(a.prefix, cache.DefaultKeyPrefix)+":ready").Err()
	if err == nil {
		return
	}
	does, wrong := "does not answer", "its address is"
	if refused := redis.Error(nil); errors.As(err, &refused) {
		does, wrong = "refuses", "its address, user or password is"
	}
	fmt.Fprintf(a.stderr, "warning: Redis %s (%s). If the instances can use it, %s wrong here. Then:\n%s\n",
		does, oneLine(err), wrong, withoutRedisNote)
}

// redisLog logs what go-redis reports at debug level: the cache logs it in one line.
type redisLog struct{ log *slog.Logger }

func (l redisLog) Printf(ctx context.Context, format string, args ...any) {
	l.log.DebugContext(ctx, "redis: "+fmt.Sprintf(format, args...))
}

// checkPeppers returns an error when the peppers are not those of the existing keys: no instance
// would accept keys that this program changes. It checks the oldest and the newest keys. One that
// verifies is enough, so that a planted key cannot block the command.
func checkPeppers(ctx context.Context, rows store.Store, sealer *store.Sealer) error {
	const sample = 20
	sealed, verified := 0, 0
	for _, newest := range []bool{false, true} {
		page, err := rows.List(ctx, store.Query{Order: store.Order{Desc: newest}, Limit: sample})
		if err != nil {
			return fmt.Errorf("database: %w", err)
		}
		for _, r := range page {
			if r.Evidence.Value().PepperID == "" {
				continue
			}
			sealed++
			if sealer != nil && sealer.Verify(r) == nil {
				verified++
			}
		}
	}
	if sealed > 0 && verified == 0 {
		return usagef("existing keys use a pepper that is not in LATCHKEY_PEPPERS; use the same value as your servers")
	}
	return nil
}
