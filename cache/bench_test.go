package cache_test

import (
	"context"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/latchkey-go/latchkey/cache"
	"github.com/latchkey-go/latchkey/store"
	"github.com/latchkey-go/latchkey/store/storetest/servers"
)

// BenchmarkLookup: a hit in the process beside what it cannot do without, a hit in Redis beside the plain GET of the same bytes.
func BenchmarkLookup(b *testing.B) {
	ctx := context.Background()
	sealer, err := store.NewSealer([]string{"0123456789abcdefghijklmnopqrstuvwxyz"})
	if err != nil {
		b.Fatal(err)
	}
	server := servers.Redis(b)
	memory := store.NewMemory()
	rdb, _ := client(b, server.Addr())
	raw := redis.NewClient(&redis.Options{Addr: server.Addr()})
	b.Cleanup(func() { _ = raw.Close() })
	o := cache.Options{Lease: time.Minute, Sealer: sealer, RedisTimeout: time.Second}
	warm := open(b, o, memory, rdb)
	o.MaxKeys = 1 // so that next to every lookup goes to Redis
	cold := open(b, o, memory, rdb)
	records := make([]*store.Record, 1000)
	for i := range records {
		records[i] = someRecord(sealer)
		insert(b, memory, records[i])
	}
	ready(b, warm, cold)
	for _, r := range records {
		putInRedis(b, warm, r)
	}
	keys, err := rdb.Keys(ctx, "*:e:*").Result()
	if err != nil || len(keys) != len(records) {
		b.Fatal(len(keys), err)
	}

	lookup := func(b *testing.B, c *cache.Cache, i uint64) {
		if found, err := c.Lookup(ctx, records[i%1000].Key.LookupID, ""); err != nil || found.Record == nil {
			b.Error(found, err)
		}
	}
	get := func(b *testing.B, i uint64) {
		if err := raw.Get(ctx, keys[i%1000]).Err(); err != nil {
			b.Error(err)
		}
	}
	for _, bench := range []struct {
		name string
		one  func(*testing.B, uint64)
	}{
		{"InProcess", func(b *testing.B, i uint64) { lookup(b, warm, i) }},
		{"RedisHit", func(b *testing.B, i uint64) { lookup(b, cold, i) }},
		{"RawRedisGet", get},
	} {
		b.Run(bench.name+"/callers=1", func(b *testing.B) {
			b.ReportAllocs()
			for i := uint64(0); b.Loop(); i++ {
				bench.one(b, i)
			}
		})
		b.Run(bench.name+"/callers=64", func(b *testing.B) {
			b.ReportAllocs()
			b.SetParallelism(64 / runtime.GOMAXPROCS(0))
			var n atomic.Uint64
			b.RunParallel(func(pb *testing.PB) {
				for i := n.Add(997); pb.Next(); i += 7 {
					bench.one(b, i)
				}
			})
		})
	}
	if s := cold.Stats(); s.StoreLookups > 0 || s.RedisErrors > 0 {
		b.Logf("not all were hits in Redis: %+v", s)
	}
}
