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

	"github.com/redis/go-redis/v9"

	"github.com/latchkey-go/latchkey/cache"
	"github.com/latchkey-go/latchkey/store"
	"github.com/latchkey-go/latchkey/store/storetest/servers"
)

// crowdSize is how many keys, and how many unknown tokens, are weighed.
const crowdSize = 100_000

// BenchmarkMemory weighs what a cache holds: the bytes of a key in the process, as loaded from the
// store and as loaded from Redis, and in Redis; and by how much a flood of unknown tokens moves
// resident memory. The time is that of loading them all.
func BenchmarkMemory(b *testing.B) {
	ctx := context.Background()
	sealer, err := store.NewSealer([]string{"0123456789abcdefghijklmnopqrstuvwxyz"})
	if err != nil {
		b.Fatal(err)
	}
	o := cache.Options{Lease: quiet, Sealer: sealer, RedisTimeout: time.Second, L1TTL: time.Hour, MaxKeys: 2 * crowdSize}
	begin := func(b *testing.B, rdb redis.UniversalClient) *cache.Cache {
		b.Helper()
		c := open(b, o, &crowd{Store: store.NewMemory(), sealer: sealer}, rdb)
		ready(b, c)
		return c
	}
	load := func(b *testing.B, c *cache.Cache) {
		b.Helper()
		before := heap()
		many(b, func(n int) error {
			found, err := c.Lookup(ctx, crowdID(n), "")
			if err == nil && found.Record == nil {
				err = fmt.Errorf("key %d is unknown", n)
			}
			return err
		})
		grown := heap() - before
		if s := c.Stats(); s.Keys != crowdSize {
			b.Errorf("%d keys in the process", s.Keys)
		}
		b.ReportMetric(float64(grown)/crowdSize, "process-bytes/key")
	}
	b.Run("from=store", func(b *testing.B) {
		for b.Loop() {
			load(b, begin(b, nil))
		}
	})
	b.Run("from=Redis", func(b *testing.B) {
		for b.Loop() {
			server := servers.Redis(b)
			rdb, _ := client(b, server.Addr())
			rows := &crowd{Store: store.NewMemory(), sealer: sealer}
			first, second := open(b, o, rows, rdb), open(b, o, unclosed{rows}, rdb)
			ready(b, first, second)
			names, used := rdb.DBSize(ctx).Val(), usedMemory(b, rdb)
			load(b, first)
			eventually(b, "Redis has nearly all", func() bool { return first.Stats().Fills >= crowdSize*9/10 })
			names = rdb.DBSize(ctx).Val() - names
			b.ReportMetric(float64(usedMemory(b, rdb)-used)/float64(names), "used-bytes/key")
			entry := rdb.RandomKey(ctx).Val()
			for !strings.Contains(entry, ":e:") { // the watermark
				entry = rdb.RandomKey(ctx).Val()
			}
			b.ReportMetric(float64(rdb.MemoryUsage(ctx, entry).Val()), "redis-bytes/key")
			load(b, second)
			if s := second.Stats(); s.RedisHits < crowdSize*9/10 {
				b.Errorf("only %d of the keys came from Redis", s.RedisHits)
			}
		}
	})
	b.Run("unknown", func(b *testing.B) {
		for b.Loop() {
			o := cache.Options{Lease: quiet, Sealer: sealer, L1TTL: time.Hour} // the bounds are the default ones
			rows := &crowd{Store: store.NewMemory(), sealer: sealer}
			c := open(b, o, rows, nil)
			ready(b, c)
			valid := func() {
				for n := range 1000 {
					if found, err := c.Lookup(ctx, crowdID(n), ""); err != nil || found.Record == nil {
						b.Fatal(found, err)
					}
				}
			}
			valid()
			debug.FreeOSMemory()
			before := resident(b)
			many(b, func(n int) error {
				_, err := c.Lookup(ctx, stranger(n), "")
				return err
			})
			b.ReportMetric(float64(resident(b)-before)/(1<<20), "resident-MB") // garbage included
			asked := rows.asked.Load()
			valid()
			b.ReportMetric(float64(rows.asked.Load()-asked), "keys-lost")
		}
	})
}

// crowd is a store that has every key and stores none, so that only the cache grows. Its records
// are those of ordinary secret keys, sealed, with every text allocated separately, as the SQL
// stores return them.
type crowd struct {
	store.Store
	sealer *store.Sealer
	asked  atomic.Int64
}

// crowdID is the lookup id of the key with that number, and stranger one that no key has.
func crowdID(n int) store.LookupID  { return numbered(n, 0) }
func stranger(n int) store.LookupID { return numbered(n, 1) }

func numbered(n int, sort byte) store.LookupID {
	id := sha256.Sum256([]byte{byte(n), byte(n >> 8), byte(n >> 16), sort})
	binary.BigEndian.PutUint32(id[:], uint32(n))
	return id
}

func (s *crowd) Lookup(ctx context.Context, id store.LookupID, redacted string) (store.Found, error) {
	s.asked.Add(1)
	found, err := s.Store.Lookup(ctx, id, redacted)
	n := int(binary.BigEndian.Uint32(id[:]))
	if err != nil || id != crowdID(n) {
		return found, err
	}
	at := store.TimeOf(time.UnixMilli(1_700_000_000_000 + int64(n)))
	r := &store.Record{Key: store.Key{
		ID: fmt.Sprintf("apk_%026d", n), Type: store.Type(strings.Clone("secret")), Title: fmt.Sprintf("Customer %06d", n),
		Redacted: fmt.Sprintf("sk_%03d***%03d", n%1000, n%997), LookupID: id, Scopes: []string{strings.Clone("orders:write")},
		CreatedBy: fmt.Sprintf("apk_%026d", n/1000), CreatedAt: at, UpdatedAt: at, Version: 1,
	}}
	s.sealer.Seal(r)
	r.Evidence.PepperID = strings.Clone(r.Evidence.PepperID)
	found.Record = r.Clone() // as it is read: not yet verified
	return found, nil
}

// unclosed is a store that the test closes itself.
type unclosed struct{ store.Store }

func (unclosed) Close(context.Context) error { return nil }

// many runs one for each number up to crowdSize, 16 at a time.
func many(b *testing.B, one func(n int) error) {
	b.Helper()
	var next atomic.Int64
	var all sync.WaitGroup
	for range 16 {
		all.Go(func() {
			for n := next.Add(1); n <= crowdSize; n = next.Add(1) {
				if err := one(int(n)); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	all.Wait()
}

// heap returns what is in use on the heap after a collection. The second one frees what pools held.
func heap() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// resident returns the resident memory of this process in bytes. Linux only.
func resident(b *testing.B) int64 {
	b.Helper()
	statm, err := os.ReadFile("/proc/self/statm") // in pages: size, resident …
	if err != nil {
		b.Skipf("resident memory is not known: %v", err)
	}
	pages, err := strconv.ParseInt(strings.Fields(string(statm))[1], 10, 64)
	if err != nil {
		b.Fatal(err)
	}
	return pages * int64(os.Getpagesize())
}

// usedMemory returns what Redis holds in bytes, TTLs and the tables that lead to names and entries
// included, without the buffers of connections.
func usedMemory(b *testing.B, rdb *redis.Client) int64 {
	b.Helper()
	info, err := rdb.Info(context.Background(), "memory").Result()
	if err != nil {
		b.Fatal(err)
	}
	number := func(name string) int64 {
		_, rest, _ := strings.Cut(info, "\r\n"+name+":")
		text, _, _ := strings.Cut(rest, "\r")
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			b.Fatalf("%s: %v", name, err)
		}
		return n
	}
	return number("used_memory") - number("mem_clients_normal")
}
