package cache_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/latchkey-go/latchkey/cache"
	"github.com/latchkey-go/latchkey/store"
	"github.com/latchkey-go/latchkey/store/storetest/servers"
)

func TestClose(t *testing.T) {
	ctx := context.Background()
	t.Run("a closed cache says so, whatever it is asked, and the client stays open", func(t *testing.T) {
		rdb, _ := client(t, servers.Redis(t).Addr())
		memory := store.NewMemory()
		c := cache.New(memory, rdb)
		r := someRecord(nil)
		insert(t, memory, r)
		ready(t, c)
		want(t, "title", title(t, c, r), "test")
		for range 2 {
			want(t, "close", c.Close(ctx), error(nil))
		}
		for name, err := range map[string]error{
			"Lookup":      second(c.Lookup(ctx, r.Key.LookupID, "")),
			"Change":      second(c.Change(ctx, store.Actor{}, func(store.Tx) error { return nil })),
			"Get":         second(c.Get(ctx, r.Key.ID)),
			"List":        second(c.List(ctx, store.Query{})),
			"Count":       second(c.Count(ctx, store.Filter{})),
			"Touch":       c.Touch(ctx, nil),
			"Events":      second(c.Events(ctx, store.EventQuery{})),
			"PruneEvents": second(c.PruneEvents(ctx, time.Now())),
			"Feed":        second(c.Feed(ctx, 0, 1)),
			"Join":        c.Join(ctx, store.Member{}),
			"Leave":       c.Leave(ctx, ""),
			"Members":     second(c.Members(ctx)),
			"below":       second(memory.Count(ctx, store.Filter{})),
		} {
			if !errors.Is(err, store.ErrClosed) {
				t.Errorf("%s: got %v", name, err)
			}
		}
		want(t, "ping", rdb.Ping(ctx).Err(), error(nil))
		want(t, "fresh", c.Stats().Fresh, false)
	})
	t.Run("a change in progress is waited for", func(t *testing.T) {
		c, err := cache.Options{Lease: brisk, Logger: silent}.New(store.NewMemory(), nil)
		if err != nil {
			t.Fatal(err)
		}
		inside, proceed, changed := make(chan struct{}), make(chan struct{}), make(chan error)
		go func() {
			_, err := c.Change(ctx, store.Actor{}, func(tx store.Tx) error {
				close(inside)
				<-proceed
				return tx.Append(ctx, nil, store.Event{Kind: store.Updated, At: time.Now()})
			})
			changed <- err
		}()
		<-inside
		closed := make(chan error)
		go func() { closed <- c.Close(ctx) }()
		eventually(t, "closing", func() bool { return errors.Is(c.Touch(ctx, nil), store.ErrClosed) })
		close(proceed)
		want(t, "change", <-changed, error(nil))
		want(t, "close", <-closed, error(nil))
	})
	t.Run("it does not wait beyond its context, and says so", func(t *testing.T) {
		server := servers.NewRedis(t)
		rdb := redis.NewClient(&redis.Options{Addr: server.Addr(), ReadTimeout: -1, MaxRetries: -1})
		defer rdb.Close()
		memory := store.NewMemory()
		c, err := cache.Options{Lease: quiet, Logger: silent}.New(memory, rdb)
		if err != nil {
			t.Fatal(err)
		}
		ready(t, c)
		r := someRecord(nil)
		insert(t, memory, r)
		server.Pause()
		want(t, "title", title(t, c, r), "test") // leaves a command behind
		brief, cancel := context.WithTimeout(ctx, 20*time.Millisecond)
		defer cancel()
		if err := c.Close(brief); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
		if _, err := memory.Count(ctx, store.Filter{}); !errors.Is(err, store.ErrClosed) {
			t.Errorf("below: got %v", err)
		}
		server.Resume()
	})
	t.Run("before anything was reached", func(t *testing.T) {
		rows := &spy{Store: store.NewMemory()}
		rows.down.Store(true)
		c, err := cache.Options{Logger: silent}.New(rows, nil)
		if err != nil {
			t.Fatal(err)
		}
		want(t, "close", c.Close(ctx), error(nil))
	})
}

func second[T any](_ T, err error) error { return err }
