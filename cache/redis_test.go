package cache

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/latchkey-go/latchkey/store"
	"github.com/latchkey-go/latchkey/store/storetest/servers"
)

// T17 of protocol 12: the scripts on a real server, alone and as a cluster.
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
	fresh := func(t *testing.T) (*redisL2, string) { // a feed that no other test has
		return newRedisL2(rdb, "test"), newGeneration()
	}
	at := func(id int64) position { return position{id, store.Tag(id * 0x1234567)} }
	wm := func(generation string, id int64) string { return watermark{generation, at(id)}.String() }
	set := func(t *testing.T, m *redisL2, feed, wm string) {
		t.Helper()
		check(t, rdb.Set(ctx, m.watermarkKey(feed), wm, 0).Err())
	}

	t.Run("advance without a watermark writes nothing", func(t *testing.T) {
		m, feed := fresh(t)
		wantValue(t, "")(m.advance(ctx, feed, []store.LookupID{id}, at(0), at(1)))
		wantValue(t, "")(m.watermark(ctx, feed))
	})
	t.Run("advance from prev drops the entries named and no others", func(t *testing.T) {
		m, feed := fresh(t)
		set(t, m, feed, wm("g", 4))
		wantValue(t, true)(m.fill(ctx, feed, id, watermark{"g", at(4)}, time.Hour, "g|a"))
		wantValue(t, true)(m.fill(ctx, feed, other, watermark{"g", at(4)}, time.Hour, "g|b"))
		wantValue(t, wm("g", 6))(m.advance(ctx, feed, []store.LookupID{id}, at(4), at(6)))
		wantValue(t, readResult{wm("g", 6), ""})(pairOf(ctx, m, feed, id))
		wantValue(t, readResult{wm("g", 6), "g|b"})(pairOf(ctx, m, feed, other))
	})
	t.Run("a watermark of level 1 that falls behind is dropped, and ours does not count while it is behind that", func(t *testing.T) {
		m, feed := fresh(t)
		older := func(want string) {
			t.Helper()
			got, err := rdb.Get(ctx, m.olderKey(feed)).Result()
			if err != nil && !errors.Is(err, redis.Nil) || got != want {
				t.Errorf("the watermark of level 1 is %q, %v, want %q", got, err, want)
			}
		}
		set(t, m, feed, wm("g", 4))
		check(t, rdb.Set(ctx, m.olderKey(feed), "old:6", 0).Err())
		wantValue(t, readResult{})(pairOf(ctx, m, feed, id))
		wantValue(t, wm("g", 6))(m.advance(ctx, feed, []store.LookupID{id}, at(4), at(6)))
		older("old:6")
		wantValue(t, readResult{wm("g", 6), ""})(pairOf(ctx, m, feed, id))
		wantValue(t, wm("g", 7))(m.advance(ctx, feed, []store.LookupID{id}, at(6), at(7)))
		older("")
		check(t, rdb.Set(ctx, m.olderKey(feed), "old:9", 0).Err())
		wantValue(t, true)(m.reset(ctx, feed, wm("g", 7), watermark{"h", at(8)}))
		older("")
	})
	t.Run("advance from anywhere else, or to what has been, changes nothing", func(t *testing.T) {
		m, feed := fresh(t)
		set(t, m, feed, wm("g", 4))
		wantValue(t, true)(m.fill(ctx, feed, id, watermark{"g", at(4)}, time.Hour, "g|a"))
		wantValue(t, wm("g", 4))(m.advance(ctx, feed, []store.LookupID{id}, at(5), at(6)))
		wantValue(t, wm("g", 4))(m.advance(ctx, feed, []store.LookupID{id}, at(3), at(6)))
		wantValue(t, wm("g", 4))(m.advance(ctx, feed, []store.LookupID{id}, at(3), at(4)))
		wantValue(t, wm("g", 4))(m.advance(ctx, feed, []store.LookupID{id}, at(1), at(2)))
		wantValue(t, wm("g", 4))(m.advance(ctx, feed, []store.LookupID{id}, position{4, 1}, at(6)))
		wantValue(t, readResult{wm("g", 4), "g|a"})(pairOf(ctx, m, feed, id))
	})
	t.Run("fill needs the whole watermark", func(t *testing.T) {
		m, feed := fresh(t)
		wantValue(t, false)(m.fill(ctx, feed, id, watermark{"g", at(9)}, time.Hour, "g|a"))
		set(t, m, feed, wm("g", 5))
		wantValue(t, false)(m.fill(ctx, feed, id, watermark{"g", at(4)}, time.Hour, "g|a"))
		wantValue(t, false)(m.fill(ctx, feed, id, watermark{"h", at(5)}, time.Hour, "h|a"))
		wantValue(t, false)(m.fill(ctx, feed, id, watermark{"g", at(6)}, time.Hour, "g|a"))
		wantValue(t, false)(m.fill(ctx, feed, id, watermark{"g", position{5, 1}}, time.Hour, "g|a"))
		wantValue(t, readResult{wm("g", 5), ""})(pairOf(ctx, m, feed, id))
		wantValue(t, true)(m.fill(ctx, feed, id, watermark{"g", at(5)}, time.Hour, "g|a"))
		wantValue(t, readResult{wm("g", 5), "g|a"})(pairOf(ctx, m, feed, id))
		if ttl := rdb.PTTL(ctx, m.entryKey(feed, id)).Val(); ttl <= 0 || ttl > time.Hour {
			t.Errorf("TTL of the entry: %v", ttl)
		}
		if ttl := rdb.PTTL(ctx, m.watermarkKey(feed)).Val(); ttl != -1 {
			t.Errorf("TTL of the watermark: %v", ttl)
		}
	})
	t.Run("reset needs what is expected", func(t *testing.T) {
		m, feed := fresh(t)
		wantValue(t, false)(m.reset(ctx, feed, wm("g", 1), watermark{"h", at(2)}))
		wantValue(t, true)(m.reset(ctx, feed, "", watermark{"h", at(2)}))
		wantValue(t, false)(m.reset(ctx, feed, "", watermark{"i", at(3)}))
		wantValue(t, true)(m.reset(ctx, feed, wm("h", 2), watermark{"i", at(1)}))
		wantValue(t, wm("i", 1))(m.watermark(ctx, feed))
	})
	t.Run("a watermark that is none counts as absent and can be replaced", func(t *testing.T) {
		for _, junk := range []string{"junk", "g:", ":5:00", "g:-5:00", "g:5:00 ", "g:5"} {
			m, feed := fresh(t)
			set(t, m, feed, junk)
			wantValue(t, junk)(m.advance(ctx, feed, []store.LookupID{id}, at(0), at(1)))
			wantValue(t, false)(m.fill(ctx, feed, id, watermark{"g", at(9)}, time.Hour, "g|a"))
			wantValue(t, true)(m.reset(ctx, feed, junk, watermark{"h", at(2)}))
		}
	})
	t.Run("numbers beyond 2^31 and 10^15, and tags of 64 bits, stay exact", func(t *testing.T) {
		for _, n := range []int64{1<<31 - 1, 1 << 32, 1e15, maxEventID - 1} {
			m, feed := fresh(t)
			set(t, m, feed, wm("g", n))
			wantValue(t, false)(m.fill(ctx, feed, id, watermark{"g", at(n - 1)}, time.Hour, "g|a"))
			wantValue(t, true)(m.fill(ctx, feed, id, watermark{"g", at(n)}, time.Hour, "g|a"))
			wantValue(t, wm("g", n))(m.advance(ctx, feed, nil, at(n-1), at(n)))
			wantValue(t, wm("g", n+1))(m.advance(ctx, feed, []store.LookupID{id}, at(n), at(n+1)))
			wantValue(t, readResult{wm("g", n+1), ""})(pairOf(ctx, m, feed, id))
		}
		m, feed := fresh(t)
		set(t, m, feed, wm("g", 10))
		wantValue(t, wm("g", 10))(m.advance(ctx, feed, nil, at(8), at(9)))
		wantValue(t, false)(m.fill(ctx, feed, id, watermark{"g", at(9)}, time.Hour, "g|a"))
	})
	t.Run("redelivered, each does nothing more", func(t *testing.T) {
		m, feed := fresh(t)
		set(t, m, feed, wm("g", 1))
		for range 2 {
			wantValue(t, wm("g", 2))(m.advance(ctx, feed, []store.LookupID{id}, at(1), at(2)))
		}
		for range 2 {
			wantValue(t, true)(m.fill(ctx, feed, id, watermark{"g", at(2)}, time.Hour, "g|a"))
		}
		wantValue(t, wm("g", 2))(m.advance(ctx, feed, []store.LookupID{id}, at(1), at(2)))
		wantValue(t, readResult{wm("g", 2), "g|a"})(pairOf(ctx, m, feed, id))
		wantValue(t, true)(m.reset(ctx, feed, wm("g", 2), watermark{"h", at(2)}))
		wantValue(t, false)(m.reset(ctx, feed, wm("g", 2), watermark{"h", at(2)}))
	})
	t.Run("of many that advance from one place, the ends form one chain", func(t *testing.T) {
		m, feed := fresh(t)
		set(t, m, feed, wm("g", 0))
		var all sync.WaitGroup
		for n := range int64(50) {
			all.Go(func() {
				for {
					raw, err := m.advance(ctx, feed, []store.LookupID{id}, at(n), at(n+1))
					if err != nil {
						t.Error(err)
						return
					}
					if wm, _ := parseWatermark(raw); wm.id > n {
						return
					}
				}
			})
		}
		all.Wait()
		wantValue(t, wm("g", 50))(m.watermark(ctx, feed))
	})
	t.Run("a thousand entries go at once", func(t *testing.T) {
		m, feed := fresh(t)
		set(t, m, feed, wm("g", 0))
		var ids []store.LookupID
		for n := range replayLimit {
			ids = append(ids, store.LookupID{1, byte(n >> 8), byte(n)})
		}
		wantValue(t, wm("g", replayLimit))(m.advance(ctx, feed, ids, at(0), at(replayLimit)))
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

func pairOf(ctx context.Context, m l2Store, feed string, id store.LookupID) (readResult, error) {
	mark, entries, err := m.entries(ctx, feed, []store.LookupID{id})
	if err != nil {
		return readResult{}, err
	}
	return readResult{mark, entries[0]}, nil
}
