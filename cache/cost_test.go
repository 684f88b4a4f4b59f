package cache_test

import (
	"context"
	"sync"
	"testing"

	"github.com/latchkey-go/latchkey/cache"
	"github.com/latchkey-go/latchkey/store"
	"github.com/latchkey-go/latchkey/store/storetest/servers"
)

// What a lookup costs, in commands and statements.
func TestCost(t *testing.T) {
	server := servers.Redis(t)
	rows := &spy{Store: store.NewMemory()}
	warm, r := someRecord(nil), someRecord(nil)
	insert(t, rows, warm) // now: what the watermark has not got to is not filled
	insert(t, rows, r)
	rdb, sent := client(t, server.Addr())
	c := open(t, cache.Options{Lease: quiet}, rows, rdb)
	ready(t, c)
	other, otherSent := client(t, server.Addr())
	second := open(t, cache.Options{Lease: quiet}, rows, other)
	ready(t, second)

	// The first script of a server is sent twice (EVALSHA, then EVAL).
	want(t, "title", title(t, c, warm), "test")
	eventually(t, "filled", func() bool { return c.Stats().Fills == 1 })

	costs := func(fn func()) (commands, statements int) {
		commands, statements = -sent.total()-otherSent.total(), -int(rows.lookups.Load())
		fn()
		return commands + sent.total() + otherSent.total(), statements + int(rows.lookups.Load())
	}

	t.Run("a miss is one command, one statement and one fill", func(t *testing.T) {
		commands, statements := costs(func() {
			want(t, "title", title(t, c, r), "test")
			eventually(t, "filled", func() bool { return c.Stats().Fills == 2 })
		})
		want(t, "commands", commands, 2)
		want(t, "mget", sent.of("mget"), 2)
		want(t, "statements", statements, 1)
	})
	t.Run("a hit in the process is nothing at all", func(t *testing.T) {
		commands, statements := costs(func() {
			for range 100 {
				want(t, "title", title(t, c, r), "test")
			}
		})
		want(t, "commands", commands, 0)
		want(t, "statements", statements, 0)
		want(t, "hits", c.Stats().Hits, uint64(100))
	})
	t.Run("a hit in Redis is one command and no statement", func(t *testing.T) {
		commands, statements := costs(func() { want(t, "title", title(t, second, r), "test") })
		want(t, "commands", commands, 1)
		want(t, "statements", statements, 0)
		want(t, "hits", second.Stats().RedisHits, uint64(1))
	})
	t.Run("an unknown token is remembered in the process and not in Redis", func(t *testing.T) {
		stranger := someRecord(nil)
		commands, statements := costs(func() {
			for range 100 {
				want(t, "title", title(t, c, stranger), "")
			}
		})
		want(t, "commands", commands, 1)
		want(t, "statements", statements, 1)
		want(t, "hits", c.Stats().UnknownHits, uint64(99))
		for n, of := range []*store.Record{stranger, r} {
			if keys, err := rdb.Keys(context.Background(), "*"+inName(of.Key.LookupID)+"*").Result(); err != nil || len(keys) != n {
				t.Errorf("Redis has %v, %v", keys, err)
			}
		}
	})
	t.Run("a change is one statement more, one script, one message, and one answer from each other member", func(t *testing.T) {
		retitle(t, c, r, "new") // the cache has caught up with what was inserted past it
		scripts, messages, answers := sent.of("evalsha"), sent.of("publish"), otherSent.of("publish")
		changes, members := rows.changes.Load(), rows.members.Load()
		_, statements := costs(func() { retitle(t, c, r, "newer") })
		want(t, "scripts", sent.of("evalsha")-scripts, 1)
		want(t, "messages", sent.of("publish")-messages, 1)
		want(t, "answers", otherSent.of("publish")-answers, 1)
		want(t, "changes", rows.changes.Load()-changes, int64(1))
		want(t, "readings of the members", rows.members.Load()-members, int64(1))
		want(t, "lookups", statements, 0)
		want(t, "changes that had to wait", c.Stats().SlowChanges, uint64(0))
	})
	t.Run("10 000 requests for one cold key share one command and one statement", func(t *testing.T) {
		cold := someRecord(nil)
		insert(t, rows, cold)
		mgets := sent.of("mget")
		_, statements := costs(func() {
			start := make(chan struct{})
			var all sync.WaitGroup
			for range 10_000 {
				all.Go(func() {
					<-start
					want(t, "title", title(t, c, cold), "test")
				})
			}
			close(start)
			all.Wait()
		})
		want(t, "mget", sent.of("mget")-mgets, 1)
		want(t, "statements", statements, 1)
	})
	t.Run("a hit in the process allocates nothing", func(t *testing.T) {
		ctx := context.Background()
		stranger := someRecord(nil).Key.LookupID
		for _, id := range []store.LookupID{r.Key.LookupID, stranger} {
			if _, err := c.Lookup(ctx, id, ""); err != nil {
				t.Fatal(err)
			}
			allocs := testing.AllocsPerRun(1000, func() { _, _ = c.Lookup(ctx, id, "") })
			want(t, "allocations", allocs, 0.0)
		}
	})
}
