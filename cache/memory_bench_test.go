package cache_test

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/latchkey-go/latchkey/cache"
	"github.com/latchkey-go/latchkey/store"
	"github.com/latchkey-go/latchkey/store/storetest/servers"
)

// crowd is a store that has as many keys as anybody asks for and keeps none of them in memory, so that what grows is the cache. Its
// records are those of ordinary secret keys, and as the SQL stores make them: every text by itself.
type crowd struct {
	store.Store
	sealer *store.Sealer
	asked  atomic.Int64
}

// crowdID is the lookup id of the key with that number.
func crowdID(n int) (id store.LookupID) {
	id = sha256.Sum256(strconv.AppendInt(nil, int64(n), 10))
	binary.BigEndian.PutUint64(id[:], uint64(n))
	return id
}

func (s *crowd) Lookup(ctx context.Context, id store.LookupID, redacted string) (store.Found, error) {
	s.asked.Add(1)
	found, err := s.Store.Lookup(ctx, id, redacted)
	n := binary.BigEndian.Uint64(id[:])
	if id != crowdID(int(n)) {
		return found, err // nobody
	}
	at := time.UnixMilli(1_700_000_000_000 + int64(n)).UTC()
	found.Record = &store.Record{Key: store.Key{
		ID: fmt.Sprintf("apk_%026d", n), Type: store.Type(strings.Clone("secret")), Title: fmt.Sprintf("Customer %d", n), Redacted: fmt.Sprintf("sk_%03d***%03d", n%1000, n%997),
		LookupID: id, Scopes: []string{strings.Clone("orders:write")}, CreatedBy: fmt.Sprintf("apk_%026d", n/1000), CreatedAt: at, UpdatedAt: at, Version: 1,
	}}
	s.sealer.Seal(found.Record)
	found.Record = found.Record.Clone() // as read: not yet verified
	return found, err
}

const crowdSize = 100_000

// BenchmarkMemory is what keys and unknown tokens cost in memory. The numbers that count are bytes/key and resident-MB; the time is that
// of loading them all.
func BenchmarkMemory(b *testing.B) {
	ctx := context.Background()
	sealer, err := store.NewSealer([]string{"0123456789abcdefghijklmnopqrstuvwxyz"})
	if err != nil {
		b.Fatal(err)
	}
	o := cache.Options{Lease: quiet, Sealer: sealer, RedisTimeout: time.Second, L1TTL: time.Hour, MaxKeys: 2 * crowdSize, MaxUnknown: 2 * crowdSize}
	rows := &crowd{Store: store.NewMemory(), sealer: sealer}
	each := func(b *testing.B, one func(n int) error) {
		b.Helper()
		var next atomic.Int64
		var all sync.WaitGroup
		for range 16 {
			all.Go(func() {
				for n := int(next.Add(1)); n <= crowdSize; n = int(next.Add(1)) {
					if err := one(n); err != nil {
						b.Error(err)
						return
					}
				}
			})
		}
		all.Wait()
	}
	load := func(b *testing.B, c *cache.Cache) {
		b.Helper()
		each(b, func(n int) error {
			found, err := c.Lookup(ctx, crowdID(n), "")
			if err == nil && found.Record == nil {
				err = fmt.Errorf("key %d is unknown", n)
			}
			return err
		})
	}
	inProcess := func(b *testing.B, c *cache.Cache) {
		before := heap()
		load(b, c)
		grown := heap() - before
		if s := c.Stats(); s.Keys != crowdSize {
			b.Errorf("%d keys in the process", s.Keys)
		}
		b.ReportMetric(float64(grown)/crowdSize, "bytes/key")
	}

	b.Run("Process/from=store", func(b *testing.B) {
		for b.Loop() {
			c := open(b, o, rows, nil)
			ready(b, c)
			inProcess(b, c)
		}
	})
	b.Run("Redis", func(b *testing.B) {
		for b.Loop() {
			server := servers.Redis(b)
			rdb, _ := client(b, server.Addr())
			used := func() int64 {
				info, err := rdb.Info(ctx, "memory").Result()
				if err != nil {
					b.Fatal(err)
				}
				_, rest, _ := strings.Cut(info, "used_memory_dataset:")
				number, _, _ := strings.Cut(rest, "\r")
				n, err := strconv.ParseInt(number, 10, 64)
				if err != nil {
					b.Fatal(err)
				}
				return n
			}
			c := open(b, o, rows, rdb)
			for i:=0;i<100;i++ { time.Sleep(100*time.Millisecond); s:=c.Stats(); if s.Fresh&&s.RedisReady&&s.Listening {break}; if i%10==9 {b.Logf("%+v",s)} }
			ready(b, c)
			empty, before := rdb.DBSize(ctx).Val(), used()
			load(b, c)
			b.Logf("%+v", c.Stats())
			eventually(b, "filled", func() bool { s := c.Stats(); return s.Fills >= crowdSize*9/10 })
			entries := rdb.DBSize(ctx).Val() - empty
			b.ReportMetric(float64(used()-before)/float64(entries), "bytes/key")
			k := rdb.Keys(ctx, "*:e:*000001*").Val()
			if len(k) > 0 {
				b.Log(len(k), k[0], rdb.MemoryUsage(ctx, k[0]).Val(), len(rdb.Get(ctx, k[0]).Val()), entries, c.Stats().FillsLost)
			}
			second := open(b, o, rows, rdb)
			ready(b, second)
			inProcess(b, second)
		}
	})
}

// heap returns what is in use on the heap after a collection.
func heap() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// resident returns the resident memory of this process: what Linux says, and elsewhere what the Go runtime holds.
func resident() int64 {
	debug.FreeOSMemory()
	if status, err := os.ReadFile("/proc/self/statm"); err == nil {
		fields := strings.Fields(string(status))
		if pages, err := strconv.ParseInt(fields[1], 10, 64); err == nil {
			return pages * int64(os.Getpagesize())
		}
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.Sys - m.HeapReleased)
}
