package cache_test

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/latchkey-go/latchkey/cache"
	"github.com/latchkey-go/latchkey/store"
	"github.com/latchkey-go/latchkey/store/storetest/servers"
)

// BenchmarkLookup is a hit in the memory of the process, and what it cannot do without in
// BenchmarkWarm of package middleware.
func BenchmarkLookup(b *testing.B) {
	ctx := context.Background()
	c := open(b, cache.Options{Lease: time.Minute}, &crowd{Store: store.NewMemory()}, nil)
	ready(b, c)
	lookup := func(b *testing.B, n uint64) {
		if found, err := c.Lookup(ctx, crowdID(int(n%1000)), ""); err != nil || found.Record == nil {
			b.Error(found, err)
		}
	}
	for n := range uint64(1000) {
		lookup(b, n)
	}
	b.Run("callers=1", func(b *testing.B) {
		b.ReportAllocs()
		for n := uint64(0); b.Loop(); n++ {
			lookup(b, n)
		}
	})
	b.Run("callers=64", func(b *testing.B) {
		b.ReportAllocs()
		b.SetParallelism(64 / runtime.GOMAXPROCS(0))
		var n atomic.Uint64
		b.RunParallel(func(pb *testing.PB) {
			for i := n.Add(997); pb.Next(); i += 7 {
				lookup(b, i)
			}
		})
	})
}

// BenchmarkRedisHit compares a lookup of a key that Redis has and the process has not with one raw
// GET of the same entry through a client with the same options, in turns. Every lookup is the first
// of its key in a cache that is new in each round, with the default bound on its size: so it
// includes the single flight, the command for watermark and entry, checking MAC and proof,
// decoding, and keeping the record; and nothing has to make room. One iteration is twenty rounds;
// "ratio" is the median of their ratios of time, "speedup" of throughput.
func BenchmarkRedisHit(b *testing.B) {
	const rounds, entries = 20, 2048
	ctx := context.Background()
	sealer, err := store.NewSealer([]string{"0123456789abcdefghijklmnopqrstuvwxyz"})
	if err != nil {
		b.Fatal(err)
	}
	server := servers.Redis(b)
	rdb := plainClient(b, server.Addr())
	rows := &crowd{Store: store.NewMemory(), sealer: sealer}
	o := cache.Options{Lease: quiet, Sealer: sealer, RedisTimeout: time.Second}
	filler := open(b, o, rows, rdb)
	ready(b, filler)
	for n := range entries {
		if _, err := filler.Lookup(ctx, crowdID(n), ""); err != nil {
			b.Fatal(err)
		}
	}
	eventually(b, "Redis has all", func() bool { return filler.Stats().Fills == entries })
	names := make([]string, entries)
	feed, err := rows.Feed(ctx, 0, 1)
	if err != nil {
		b.Fatal(err)
	}
	for n := range names {
		names[n] = fmt.Sprintf("%s:{%s}:2:e:%s", cache.DefaultKeyPrefix, feed.ID, inName(crowdID(n)))
	}
	raw := plainClient(b, server.Addr())

	for _, callers := range []int{1, 64} {
		b.Run(fmt.Sprintf("callers=%d", callers), func(b *testing.B) {
			get := func(n int) error { return raw.Get(ctx, names[n]).Err() }
			inTurns(b, callers, entries, get) // opens the connections
			for b.Loop() {
				var ours, theirs, ratios []float64
				for range rounds {
					c, err := o.New(unclosed{rows}, rdb)
					if err != nil {
						b.Fatal(err)
					}
					ready(b, c)
					lookup := inTurns(b, callers, entries, func(n int) error {
						found, err := c.Lookup(ctx, crowdID(n), "")
						if err == nil && found.Record == nil {
							err = store.ErrUnknownToken
						}
						return err
					})
					if s := c.Stats(); s.RedisHits != entries {
						b.Errorf("only %d of %d were hits in Redis: %+v", s.RedisHits, entries, s)
					}
					if err := c.Close(ctx); err != nil {
						b.Error(err)
					}
					bare := inTurns(b, callers, entries, get)
					ours, theirs, ratios = append(ours, lookup), append(theirs, bare), append(ratios, lookup/bare)
				}
				b.ReportMetric(median(ours), "ns/lookup")
				b.ReportMetric(median(theirs), "ns/GET")
				b.ReportMetric(median(ratios), "ratio")
				b.ReportMetric(1/median(ratios), "speedup")
			}
		})
	}
}

// inTurns has so many callers run one for each number below n, and returns the nanoseconds that it
// took, divided by n.
func inTurns(b *testing.B, callers, n int, one func(int) error) float64 {
	b.Helper()
	var next atomic.Int64
	var all sync.WaitGroup
	began := time.Now()
	for range callers {
		all.Go(func() {
			for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
				if err := one(i); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	all.Wait()
	return float64(time.Since(began)) / float64(n)
}

func median(all []float64) float64 {
	slices.Sort(all)
	return (all[len(all)/2] + all[(len(all)-1)/2]) / 2
}

// plainClient is a client as users should build it, without the hooks of client.
func plainClient(b *testing.B, addr string) *redis.Client {
	b.Helper()
	o := &redis.UniversalOptions{Addrs: []string{addr}}
	cache.RecommendedRedisOptions(o)
	o.ReadTimeout, o.WriteTimeout, o.PoolTimeout = time.Second, time.Second, time.Second // a busy machine
	rdb := redis.NewClient(o.Simple())
	b.Cleanup(func() { _ = rdb.Close() })
	return rdb
}
