package cache

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/latchkey-go/latchkey/store"
	"github.com/latchkey-go/latchkey/store/storetest/servers"
)

// T17 of COHERENCE 12: the scripts on a real server, alone and as a cluster.
func TestScripts(t *testing.T) {
	t.Run("on a server", func(t *testing.T) {
		rdb := redis.NewClient(&redis.Options{Addr: servers.Redis(t).Addr()})
		t.Cleanup(func() { _ = rdb.Close() })
		testScripts(t, rdb)
	})
	t.Run("on a node of a cluster", func(t *testing.T) {
		server := servers.NewRedis(t, "--cluster-enabled", "yes")
		node := redis.NewClient(&redis.Options{Addr: server.Addr()})
		defer node.Close()
		ctx := context.Background()
		if err := node.ClusterAddSlotsRange(ctx, 0, 16383).Err(); err != nil {
			t.Fatal(err)
		}
		for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) {
			if err := node.Set(ctx, "probe", 1, 0).Err(); err == nil {
				break
			} else if time.Now().After(deadline) {
				t.Fatal(err)
			}
		}
		rdb := redis.NewClusterClient(&redis.ClusterOptions{Addrs: []string{server.Addr()}})
		t.Cleanup(func() { _ = rdb.Close() })
		testScripts(t, rdb)
	})
}

func testScripts(t *testing.T, rdb redis.UniversalClient) {
	ctx := context.Background()
	id, other := store.LookupID{1}, store.LookupID{2}
	fresh := func(t *testing.T) (*redisMemory, string) { // a feed that no other test has
		return newRedisMemory(rdb, "test"), newGeneration()
	}
	set := func(t *testing.T, m *redisMemory, feed, wm string) {
		t.Helper()
		check(t, rdb.Set(ctx, m.markKey(feed), wm, 0).Err())
	}

	t.Run("advance without a watermark is -1 and writes nothing", func(t *testing.T) {
		m, feed := fresh(t)
		wantValue(t, int64(-1))(m.advance(ctx, feed, []store.LookupID{id}, 0, 1))
		wantValue(t, "")(m.mark(ctx, feed))
	})
	t.Run("advance from prev drops the entries named and no others", func(t *testing.T) {
		m, feed := fresh(t)
		set(t, m, feed, "g:4")
		wantValue(t, true)(m.fill(ctx, feed, id, "g", 4, time.Hour, "g|a"))
		wantValue(t, true)(m.fill(ctx, feed, other, "g", 4, time.Hour, "g|b"))
		wantValue(t, int64(6))(m.advance(ctx, feed, []store.LookupID{id}, 4, 6))
		wantValue(t, pair{"g:6", ""})(pairOf(ctx, m, feed, id))
		wantValue(t, pair{"g:6", "g|b"})(pairOf(ctx, m, feed, other))
	})
	t.Run("advance from anywhere else, or to what has been, changes nothing", func(t *testing.T) {
		m, feed := fresh(t)
		set(t, m, feed, "g:4")
		wantValue(t, true)(m.fill(ctx, feed, id, "g", 4, time.Hour, "g|a"))
		wantValue(t, int64(4))(m.advance(ctx, feed, []store.LookupID{id}, 5, 6))
		wantValue(t, int64(4))(m.advance(ctx, feed, []store.LookupID{id}, 3, 6))
		wantValue(t, int64(4))(m.advance(ctx, feed, []store.LookupID{id}, 3, 4))
		wantValue(t, int64(4))(m.advance(ctx, feed, []store.LookupID{id}, 1, 2))
		wantValue(t, pair{"g:4", "g|a"})(pairOf(ctx, m, feed, id))
	})
	t.Run("fill needs the generation and a watermark not beyond as-of", func(t *testing.T) {
		m, feed := fresh(t)
		wantValue(t, false)(m.fill(ctx, feed, id, "g", 9, time.Hour, "g|a"))
		set(t, m, feed, "g:5")
		wantValue(t, false)(m.fill(ctx, feed, id, "g", 4, time.Hour, "g|a"))
		wantValue(t, false)(m.fill(ctx, feed, id, "h", 5, time.Hour, "h|a"))
		wantValue(t, pair{"g:5", ""})(pairOf(ctx, m, feed, id))
		wantValue(t, true)(m.fill(ctx, feed, id, "g", 5, time.Hour, "g|a"))
		wantValue(t, pair{"g:5", "g|a"})(pairOf(ctx, m, feed, id))
		if ttl := rdb.PTTL(ctx, m.entryKey(feed, id)).Val(); ttl <= 0 || ttl > time.Hour {
			t.Errorf("TTL of the entry: %v", ttl)
		}
		if ttl := rdb.PTTL(ctx, m.markKey(feed)).Val(); ttl != -1 {
			t.Errorf("TTL of the watermark: %v", ttl)
		}
	})
	t.Run("reset needs what is expected", func(t *testing.T) {
		m, feed := fresh(t)
		wantValue(t, false)(m.reset(ctx, feed, "g:1", mark{"h", 2}))
		wantValue(t, true)(m.reset(ctx, feed, "", mark{"h", 2}))
		wantValue(t, false)(m.reset(ctx, feed, "", mark{"i", 3}))
		wantValue(t, true)(m.reset(ctx, feed, "h:2", mark{"i", 1}))
		wantValue(t, "i:1")(m.mark(ctx, feed))
	})
	t.Run("a watermark that is none counts as absent and can be replaced", func(t *testing.T) {
		for _, junk := range []string{"junk", "g:", ":5", "g:-5", "g:5 "} {
			m, feed := fresh(t)
			set(t, m, feed, junk)
			wantValue(t, int64(-1))(m.advance(ctx, feed, []store.LookupID{id}, 0, 1))
			wantValue(t, false)(m.fill(ctx, feed, id, "g", 9, time.Hour, "g|a"))
			wantValue(t, true)(m.reset(ctx, feed, junk, mark{"h", 2}))
		}
	})
	t.Run("numbers beyond 2^31 and 10^15 stay exact", func(t *testing.T) {
		for _, n := range []int64{1<<31 - 1, 1 << 32, 1e15, maxEventID - 1} {
			m, feed := fresh(t)
			set(t, m, feed, fmt.Sprintf("g:%d", n))
			wantValue(t, false)(m.fill(ctx, feed, id, "g", n-1, time.Hour, "g|a"))
			wantValue(t, true)(m.fill(ctx, feed, id, "g", n, time.Hour, "g|a"))
			wantValue(t, n)(m.advance(ctx, feed, nil, n-1, n))
			wantValue(t, n+1)(m.advance(ctx, feed, []store.LookupID{id}, n, n+1))
			wantValue(t, pair{fmt.Sprintf("g:%d", n+1), ""})(pairOf(ctx, m, feed, id))
		}
		m, feed := fresh(t)
		set(t, m, feed, "g:10") // as text, "10" is less than "9"
		wantValue(t, int64(10))(m.advance(ctx, feed, nil, 8, 9))
		wantValue(t, false)(m.fill(ctx, feed, id, "g", 9, time.Hour, "g|a"))
	})
	t.Run("redelivered, each does nothing more", func(t *testing.T) {
		m, feed := fresh(t)
		set(t, m, feed, "g:1")
		for range 2 {
			wantValue(t, int64(2))(m.advance(ctx, feed, []store.LookupID{id}, 1, 2))
		}
		for range 2 {
			wantValue(t, true)(m.fill(ctx, feed, id, "g", 2, time.Hour, "g|a"))
		}
		wantValue(t, int64(2))(m.advance(ctx, feed, []store.LookupID{id}, 1, 2))
		wantValue(t, pair{"g:2", "g|a"})(pairOf(ctx, m, feed, id))
		wantValue(t, true)(m.reset(ctx, feed, "g:2", mark{"h", 2}))
		wantValue(t, false)(m.reset(ctx, feed, "g:2", mark{"h", 2}))
	})
	t.Run("of many that advance from one place, the ends form one chain", func(t *testing.T) {
		m, feed := fresh(t)
		set(t, m, feed, "g:0")
		var all sync.WaitGroup
		for n := range int64(50) {
			all.Go(func() {
				for {
					at, err := m.advance(ctx, feed, []store.LookupID{id}, n, n+1)
					if err != nil {
						t.Error(err)
						return
					}
					if at > n {
						return
					}
				}
			})
		}
		all.Wait()
		wantValue(t, "g:50")(m.mark(ctx, feed))
	})
	t.Run("a thousand entries go at once", func(t *testing.T) {
		m, feed := fresh(t)
		set(t, m, feed, "g:0")
		var ids []store.LookupID
		for n := range replayLimit {
			ids = append(ids, store.LookupID{1, byte(n >> 8), byte(n)})
		}
		wantValue(t, int64(replayLimit))(m.advance(ctx, feed, ids, 0, replayLimit))
	})
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func wantValue[T comparable](t *testing.T, want T) func(T, error) {
	return func(got T, err error) {
		t.Helper()
		if err != nil || got != want {
			t.Errorf("got %v, %v, want %v", got, err, want)
		}
	}
}

func pairOf(ctx context.Context, m shared, feed string, id store.LookupID) (pair, error) {
	mark, entries, err := m.entries(ctx, feed, []store.LookupID{id})
	if err != nil {
		return pair{}, err
	}
	return pair{mark, entries[0]}, nil
}
