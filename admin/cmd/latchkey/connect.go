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
	// reachTime is how long a command waits for the database, which another program may be migrating just then.
	reachTime = 5 * time.Second
	// pingTime is how long it waits to find out whether Redis answers.
	pingTime = time.Second
	// closeTime is how long it waits for its own background work at the end.
	closeTime = 10 * time.Second
)

// session is an open way to the keys.
type session struct {
	keys   *store.Keys
	sealer *store.Sealer
	close  func()
}

// open connects and returns the keys, with a context that carries who makes the changes. With fitting, it refuses peppers that are not those of
// the keys there. Whoever opens must close.
func (a *access) open(ctx context.Context, fitting bool) (*session, context.Context, error) {
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
		end, cancel := context.WithTimeout(context.Background(), closeTime)
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
	rows, err := s.database.Open(db, slog.New(slog.DiscardHandler)) // that it cannot be reached is said below, once
	if err != nil {
		return fail(fmt.Errorf("database: %w", err))
	}
	if err := reach(ctx, rows, a.changes); err != nil {
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
			a.warnWithout(ctx, rdb)
		}
		if a.withoutRedis {
			fmt.Fprintln(a.stderr, withoutRedisBound)
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
	opened, err := store.Options{Sealer: s.sealer, Namespace: a.namespace, FlushInterval: -1, ShortLived: true, Logger: log}.New(keys)
	if err != nil {
		undo = append(undo, keys.Close)
		return fail(err)
	}
	undo = append(undo, opened.Close)
	if fitting {
		if err := fits(ctx, rows, s.sealer); err != nil {
			return fail(err)
		}
	}
	return &session{keys: opened, sealer: s.sealer, close: closeAll}, store.WithActor(ctx, s.actor), nil
}

// reach waits until the store answers. What cannot be changed by this role can still be read.
func reach(ctx context.Context, rows dburl.Store, changes bool) error {
	ctx, cancel := context.WithTimeout(ctx, reachTime)
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

// withoutRedisBound is what -without-redis gives up (docs/consistency.md, "two at once").
const withoutRedisBound = "without Redis: when this command succeeds, every instance that reaches the database has the change. An instance that has lost the database, and " +
	"answers from Redis meanwhile, may answer from before it until it hears from the database or another instance has brought Redis up to date: at the " +
	"latest when its MaxStale is over (5 minutes by default; with cache.Strict there is no such time)."

// warnWithout says so when Redis does not answer, or refuses. The change goes through all the same,
// as it does in an instance whose Redis is down. It reads as instances do: a PING is refused by a
// Redis that cannot save to disk.
func (a *access) warnWithout(ctx context.Context, rdb redis.UniversalClient) {
	ctx, cancel := context.WithTimeout(ctx, pingTime)
	defer cancel()
	err := rdb.MGet(ctx, cmp.Or(a.prefix, cache.DefaultKeyPrefix)+":ready").Err()
	if err == nil {
		return
	}
	does, wrong := "does not answer", "its address is"
	if refused := redis.Error(nil); errors.As(err, &refused) {
		does, wrong = "refuses", "its address, user or password is"
	}
	fmt.Fprintf(a.stderr, "warning: Redis %s (%s). If the instances can use it, %s wrong here, and then this holds:\n%s\n",
		does, oneLine(err), wrong, withoutRedisBound)
}

// redisLog leaves out what go-redis has to say: the cache says it in one line.
type redisLog struct{ log *slog.Logger }

func (l redisLog) Printf(ctx context.Context, format string, args ...any) {
	l.log.DebugContext(ctx, "redis: "+fmt.Sprintf(format, args...))
}

// fits refuses to work without the peppers that the keys there are sealed with: no instance would accept what this program seals, and a
// revocation for later would end a key at once. It looks at the oldest and the newest, and one that somebody has planted among them stops
// nobody.
func fits(ctx context.Context, rows store.Store, sealer *store.Sealer) error {
	const sample = 20
	sealed, believed := 0, 0
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
				believed++
			}
		}
	}
	if sealed > 0 && believed == 0 {
		return usagef("the keys there are sealed with a pepper that LATCHKEY_PEPPERS does not hold: give the same as the instances have")
	}
	return nil
}
