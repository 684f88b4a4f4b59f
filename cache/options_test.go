package cache_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/latchkey-go/latchkey/cache"
	"github.com/latchkey-go/latchkey/store"
	"github.com/latchkey-go/latchkey/store/storetest/servers"
)

func TestOptions(t *testing.T) {
	t.Run("what makes no sense is refused", func(t *testing.T) {
		for name, o := range map[string]cache.Options{
			"a lease that is too short":   {Lease: time.Millisecond},
			"a lease that is too long":    {Lease: time.Hour},
			"a negative lease":            {Lease: -time.Second},
			"MaxStale below the lease":    {MaxStale: time.Millisecond},
			"another negative MaxStale":   {MaxStale: -2},
			"a negative timeout":          {StoreTimeout: -1},
			"a negative number of keys":   {MaxKeys: -1},
			"a brace in the prefix":       {KeyPrefix: "a{b"},
			"a space in the prefix":       {KeyPrefix: "a b"},
			"a prefix that is too long":   {KeyPrefix: strings.Repeat("a", 65)},
			"a negative number of others": {MaxUnknown: -1},
		} {
			if _, err := o.New(store.NewMemory(), nil); !errors.Is(err, store.ErrInvalid) {
				t.Errorf("%s: got %v", name, err)
			}
		}
		if _, err := (cache.Options{}).New(nil, nil); !errors.Is(err, store.ErrInvalid) {
			t.Errorf("no store: got %v", err)
		}
	})
	t.Run("New panics without a store", func(t *testing.T) {
		defer func() {
			if recover() == nil {
				t.Error("it did not")
			}
		}()
		cache.New(nil, nil)
	})
	t.Run("a nil pointer is no Redis", func(t *testing.T) {
		var none *redis.Client
		for _, rdb := range []redis.UniversalClient{nil, none, (*redis.ClusterClient)(nil)} {
			c := open(t, cache.Options{Lease: quiet}, store.NewMemory(), rdb)
			ready(t, c)
			want(t, "Redis", c.Stats().Redis, false)
			want(t, "shared", c.Info().SharedCache, false)
			want(t, "title", title(t, c, someRecord(nil)), "")
		}
	})
	t.Run("the lease may be as long as it may be, with every default", func(t *testing.T) {
		open(t, cache.Options{Lease: time.Minute}, store.NewMemory(), nil)
	})
}

func TestInfo(t *testing.T) {
	sealer, err := store.NewSealer([]string{"0123456789abcdefghijklmnopqrstuvwxyz"})
	if err != nil {
		t.Fatal(err)
	}
	rdb, _ := client(t, addrOfNothing(t))
	want(t, "with Redis", open(t, cache.Options{Sealer: sealer}, store.NewMemory(), rdb).Info(),
		store.Info{Name: "cache over memory", SharedCache: true, Joined: true, Sealer: sealer})
	want(t, "without records in it", open(t, cache.Options{Sealer: sealer, DisableRedisRecords: true}, store.NewMemory(), rdb).Info(),
		store.Info{Name: "cache over memory", Joined: true, Sealer: sealer})
}

// With DisableRedisRecords no record is read or written, but changes are announced: other processes
// may use Redis.
func TestDisableRedisRecords(t *testing.T) {
	server := servers.NewRedis(t)
	memory := store.NewMemory()
	rdbA, sent := client(t, server.Addr())
	rdbB, _ := client(t, server.Addr())
	a := open(t, cache.Options{Lease: brisk, DisableRedisRecords: true}, memory, rdbA)
	b := open(t, cache.Options{Lease: brisk}, memory, rdbB)
	ready(t, a, b)
	r := someRecord(nil)
	change(t, a, func(tx store.Tx) error {
		return tx.Insert(context.Background(), r, store.Event{Kind: store.Created, At: time.Now()})
	})
	want(t, "title", title(t, a, r), "test")
	putInRedis(t, b, r)
	want(t, "MGET", sent.of("mget"), 0)
	want(t, "fills", a.Stats().Fills+a.Stats().FillsLost, uint64(0))
	entries := func() int { return len(copyOf(t, rdbB)) - 1 }
	want(t, "entries", entries(), 1)
	retitle(t, a, r, "new")
	want(t, "entries", entries(), 0)
	want(t, "B", title(t, b, r), "new")
}

func TestRecommendedRedisOptions(t *testing.T) {
	o := &redis.UniversalOptions{ReadTimeout: time.Second}
	cache.RecommendedRedisOptions(o)
	want(t, "what was set stays", o.ReadTimeout, time.Second)
	want(t, "WriteTimeout", o.WriteTimeout, 50*time.Millisecond)
	want(t, "MaxRetries", o.MaxRetries, -1)
}

// A record that goes through Redis comes out unchanged, nil and empty lists included.
func TestEveryFieldSurvivesRedis(t *testing.T) {
	server := servers.NewRedis(t)
	memory := store.NewMemory()
	records := []*store.Record{filled(t), someRecord(nil)}
	for _, r := range records {
		insert(t, memory, r)
	}
	rdbA, _ := client(t, server.Addr())
	rdbB, _ := client(t, server.Addr())
	a := open(t, cache.Options{Lease: quiet}, memory, rdbA)
	b := open(t, cache.Options{Lease: quiet}, memory, rdbB)
	ready(t, a, b)
	for _, r := range records {
		fills := a.Stats().Fills
		cold, err := a.Lookup(context.Background(), r.Key.LookupID, "")
		if err != nil {
			t.Fatal(err)
		}
		eventually(t, "filled", func() bool { return a.Stats().Fills == fills+1 })
		hits := b.Stats().RedisHits
		warm, err := b.Lookup(context.Background(), r.Key.LookupID, "")
		if err != nil {
			t.Fatal(err)
		}
		want(t, "from Redis", b.Stats().RedisHits, hits+1)
		sameRecord(t, warm.Record, cold.Record)
		want(t, "feed", warm.FeedID, cold.FeedID)
	}
}

// The memory for unknown tokens is bounded and apart: a flood of them pushes no key out.
func TestRequirement13FloodOfUnknownTokens(t *testing.T) {
	rows := &spy{Store: store.NewMemory()}
	c := open(t, cache.Options{Lease: quiet, MaxKeys: 100, MaxUnknown: 100}, rows, nil)
	var known []*store.Record
	for range 50 {
		known = append(known, someRecord(nil))
		insert(t, rows, known[len(known)-1])
	}
	ready(t, c)
	for range 2 {
		for _, r := range known {
			want(t, "title", title(t, c, r), "test")
		}
	}
	for range 5000 {
		want(t, "title", title(t, c, someRecord(nil)), "")
	}
	statements := rows.lookups.Load()
	for _, r := range known {
		want(t, "title", title(t, c, r), "test")
	}
	want(t, "statements", rows.lookups.Load(), statements)
	eventually(t, "the memory is bounded", func() bool { title(t, c, someRecord(nil)); return c.Stats().Unknown <= 110 })
}
