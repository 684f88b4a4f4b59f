package cache

import (
	"crypto/rand"
	"log/slog"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/latchkey-go/latchkey/store"
)

// Defaults of Options.
const (
	DefaultLease        = time.Second
	DefaultMaxStale     = 5 * time.Minute
	DefaultRedisTimeout = 50 * time.Millisecond
	DefaultStoreTimeout = time.Second
	DefaultL1TTL        = time.Minute
	DefaultL2TTL        = 24 * time.Hour
	DefaultMaxKeys      = 100_000
	DefaultMaxUnknown   = 50_000
	DefaultKeyPrefix    = "latchkey"
)

// Strict, as Options.MaxStale, disables Redis as soon as the process is not fresh: when the feed
// was not read for one lease, every lookup reads the store or fails. Then no combination of faults
// leads to a stale answer.
const Strict time.Duration = -1

// Bounds of Options.Lease. A shorter lease means too many polls, a longer one means slow changes.
const (
	minLease = 40 * time.Millisecond
	maxLease = time.Minute
)

// Options are the settings of a Cache. The zero value is ready to use.
type Options struct {
	// Sealer verifies the proof of every record before it is stored in memory, and protects the
	// records in Redis. Set it to the Sealer of store.Options. Optional; without it, an attacker
	// who can write to Redis can forge keys.
	Sealer *store.Sealer
	// Lease is how long records in memory may be used after the change feed was last read. The feed
	// is read four times per lease. A change that not every process acknowledges waits a little
	// longer than the longest lease among them. Default 1 s; 40 ms to 1 min.
	Lease time.Duration
	// MaxStale is how long records in Redis may be used after the change feed was last read: the
	// time that known keys keep working while the database is down. With two faults at once (this
	// process cannot read the feed, and Redis has lost a change) an answer can be stale for at most
	// this long. Default 5 min; Strict: no longer than the lease.
	MaxStale time.Duration
	// RedisTimeout is how long a lookup waits for Redis before it reads the store. Default 50 ms.
	RedisTimeout time.Duration
	// StoreTimeout is how long a lookup waits for the store. Default 1 s.
	StoreTimeout time.Duration
	// L1TTL is how long a record stays in memory. It does not affect correctness. Default 1 min.
	L1TTL time.Duration
	// L2TTL is how long a record stays in Redis, and how long an attacker with write access could
	// put a copy of it back. Default 24 h.
	L2TTL time.Duration
	// MaxKeys is the largest number of records in memory, of about 600 bytes each. Default 100 000.
	MaxKeys int
	// MaxUnknown is the largest number of unknown tokens in memory, for 10 s each, apart from the
	// keys. Default 50 000, about 10 MB.
	MaxUnknown int
	// KeyPrefix begins all names in Redis. Printable ASCII without braces, at most 64 bytes.
	// Default "latchkey".
	KeyPrefix string
	// DisableRedisRecords disables reading records from Redis and writing them there. Changes still
	// update Redis, because other processes may use it.
	DisableRedisRecords bool
	// ChangesOnly is for programs that change keys and serve no requests, for example command-line
	// tools. No lookup is answered from a cache, and changes of other processes do not wait for
	// this one.
	ChangesOnly bool
	// ChangeWithoutRedis lets a process without a Redis client change keys although others that use
	// the store answer from Redis. Such a change takes WAIT, and a process that has lost the store
	// may give stale answers for up to its MaxStale. By default it fails with ErrNeedsRedis.
	ChangeWithoutRedis bool
	// Observer observes the calls of Redis. Optional; default none. For those of the store see
	// telemetry.Observed.
	Observer store.Observer
	// Logger receives faults: an unreachable feed, failures of Redis, forged entries. Default
	// slog.Default().
	Logger *slog.Logger
}

// New returns a cache in front of rows, with the default Options. rdb may be nil, or a nil pointer:
// then there is no Redis. New panics when rows is nil.
func New(rows store.Store, rdb redis.UniversalClient) *Cache {
	c, err := Options{}.New(rows, rdb)
	if err != nil {
		panic(err)
	}
	return c
}

// New returns a cache in front of rows, or an error that matches store.ErrInvalid. rdb may be nil,
// or a nil pointer: then there is no Redis. Neither rows nor rdb has to be reachable. Close does
// not close rdb.
func (o Options) New(rows store.Store, rdb redis.UniversalClient) (*Cache, error) {
	if rows == nil {
		return nil, store.Errorf(store.ErrInvalid, "cache: New needs a Store, got nil")
	}
	if err := o.complete(); err != nil {
		return nil, err
	}
	var memory l2Store
	if !isNil(rdb) {
		memory = newRedisL2(rdb, o.KeyPrefix)
	}
	c := newCache(o, rows, memory, newSystemClock())
	c.start()
	return c, nil
}

// complete sets the defaults and validates the rest.
func (o *Options) complete() error {
	for _, d := range []struct {
		name  string
		value *time.Duration
		preset,
		least time.Duration
	}{
		{"Lease", &o.Lease, DefaultLease, minLease},
		{"RedisTimeout", &o.RedisTimeout, DefaultRedisTimeout, time.Millisecond},
		{"StoreTimeout", &o.StoreTimeout, DefaultStoreTimeout, time.Millisecond},
		{"L1TTL", &o.L1TTL, DefaultL1TTL, time.Second},
		{"L2TTL", &o.L2TTL, DefaultL2TTL, time.Second},
	} {
		if *d.value == 0 {
			*d.value = d.preset
		}
		if *d.value < d.least {
			return store.Errorf(store.ErrInvalid, "cache: %s is %v; use at least %v", d.name, *d.value, d.least)
		}
	}
	if o.Lease > maxLease {
		return store.Errorf(store.ErrInvalid, "cache: Lease is %v; use at most %v", o.Lease, maxLease)
	}
	switch {
	case o.MaxStale == 0:
		o.MaxStale = max(DefaultMaxStale, o.Lease)
	case o.MaxStale == Strict:
		o.MaxStale = o.Lease
	case o.MaxStale < o.Lease:
		return store.Errorf(store.ErrInvalid, "cache: MaxStale is %v, less than the lease; use Strict", o.MaxStale)
	}
	for _, n := range []struct {
		name   string
		value  *int
		preset int
	}{
		{"MaxKeys", &o.MaxKeys, DefaultMaxKeys},
		{"MaxUnknown", &o.MaxUnknown, DefaultMaxUnknown},
	} {
		if *n.value == 0 {
			*n.value = n.preset
		}
		if *n.value < 0 {
			return store.Errorf(store.ErrInvalid, "cache: %s is negative", n.name)
		}
	}
	if o.KeyPrefix == "" {
		o.KeyPrefix = DefaultKeyPrefix
	}
	refused := func(c rune) bool { return c <= ' ' || c > '~' || c == '{' || c == '}' }
	if len(o.KeyPrefix) > 64 || strings.ContainsFunc(o.KeyPrefix, refused) {
		return store.Errorf(store.ErrInvalid,
			"cache: KeyPrefix %q must be printable ASCII without spaces and braces, at most 64 bytes", o.KeyPrefix)
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	return nil
}

// The constants of protocol 0, as parts of the lease. With 1 s they are P = 250 ms, DPOLL = 300 ms,
// WAIT = 1.05 s and REG = 30 s.
func (o *Options) pollEvery() time.Duration { return o.Lease / 4 }
func (o *Options) pollLimit() time.Duration { return o.Lease * 3 / 10 }
func (o *Options) wait() time.Duration      { return waitFor(o.Lease) }

// membership is REG. Half of it must exceed WAIT and a forward step of the database's clock.
func (o *Options) membership() time.Duration { return max(30*time.Second, 4*o.wait()) }

// waitFor returns WAIT for a lease: a little more, because clocks do not run at the same rate.
func waitFor(lease time.Duration) time.Duration { return lease * 21 / 20 }

// publishLimit is how long after its commit a change tries to write to a Redis that works. It may
// fail that long because the store is down or other changes are faster.
func (o *Options) publishLimit() time.Duration { return o.wait() + o.StoreTimeout }

const (
	replayLimit    = 1000                 // NREPLAY: more events are not replayed
	pollGap        = 5 * time.Millisecond // the shortest time between two polls
	unknownTTL     = 10 * time.Second     // how long an unknown token is remembered
	readsWhenStale = 32                   // K: concurrent reads of the store while not fresh
)

// newCache returns a Cache that does nothing until start.
func newCache(o Options, rows store.Store, memory l2Store, clk clock) *Cache {
	c := &Cache{
		o: o, rows: rows, clock: clk, id: rand.Text(),
		codec:       entryCodec{prefix: o.KeyPrefix, sealer: o.Sealer},
		messages:    messageCodec{prefix: o.KeyPrefix, sealer: o.Sealer},
		ready:       make(chan struct{}),
		started:     clk.now(),
		resubscribe: make(chan struct{}, 1),
		staleReads:  make(chan struct{}, readsWhenStale),
		repairing:   make(chan struct{}, 1),
		pollKicks:   make(chan struct{}, 1),
		repairKicks: make(chan struct{}, 1),
	}
	c.coarse.Store(int64(clk.now().mono))
	if memory != nil {
		c.faults = newFaults(o.Logger, o.RedisTimeout)
		c.l2 = newBoundedClient(memory, o.RedisTimeout, c.faults, &c.background, o.Observer)
	}
	return c
}
