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

// Strict, as Options.MaxStale, makes Redis unusable as soon as the process's memory is: when the store has not been heard for one
// lease, every lookup needs the store or fails. Then no combination of faults at all brings an outdated answer.
const Strict time.Duration = -1

// Bounds of Options.Lease. Below, polls would be too many; above, changes too slow.
const (
	minLease = 40 * time.Millisecond
	maxLease = time.Minute
)

// Options are the settings of a Cache. The zero value is ready to use.
type Options struct {
	// Sealer checks the proof of every record that is loaded, before it is kept, and protects the records in Redis. Give it the
	// one that store.Options has. Optional; without it, whoever can write to Redis can forge keys.
	Sealer *store.Sealer
	// Lease is how long records in memory may be used after the change feed was last read; it is read four times per lease. A change
	// that cannot reach every process at once waits for a little more than the longest lease among them. Default 1 s; 40 ms to 1 min.
	Lease time.Duration
	// MaxStale is how long records in Redis may be used after the change feed was last read: the time that known keys keep working
	// while the database is down. With two faults at once (the feed out of reach here, and Redis has lost a change), an answer can
	// be outdated by at most this much. Default 5 min; Strict: no longer than the lease.
	MaxStale time.Duration
	// RedisTimeout is the most that a lookup waits for Redis before the store is asked. Default 50 ms.
	RedisTimeout time.Duration
	// StoreTimeout is the most that a lookup waits for the store. Default 1 s.
	StoreTimeout time.Duration
	// L1TTL is how long a record stays in memory unread by anybody else. It has nothing to do with correctness. Default 1 min.
	L1TTL time.Duration
	// L2TTL is how long a record stays in Redis, and how long a copy of it could be put back there by somebody who can write to
	// Redis. Default 24 h.
	L2TTL time.Duration
	// MaxKeys bounds the records in memory, of about 600 bytes each. Default 100 000.
	MaxKeys int
	// MaxUnknown bounds the unknown tokens that are remembered, for 10 s, apart from the keys. Default 50 000, about 10 MB.
	MaxUnknown int
	// KeyPrefix is what all names in Redis start with. Printable ASCII without braces, at most 64 bytes. Default "latchkey".
	KeyPrefix string
	// DisableRedisRecords keeps records out of Redis: none is read from it and none written. Changes still tell it, because
	// other processes may be using it.
	DisableRedisRecords bool
	// ChangesOnly is for programs that change keys and answer nobody, command-line tools for example: no lookup is answered from a
	// cache, and changes of other processes do not wait for this one.
	ChangesOnly bool
	// ChangeWithoutRedis lets a process without a Redis client change keys although others that use the store answer from Redis. Such
	// a change takes WAIT, and a process that has lost the store may answer from before it for up to its MaxStale. By default
	// it is refused with ErrNeedsRedis.
	ChangeWithoutRedis bool
	// Observer is told of calls of Redis. Optional. Default: none. Those of the store are told by store.Observed.
	Observer store.Observer
	// Logger hears of faults: the feed out of reach, Redis failing, forged entries. Default slog.Default().
	Logger *slog.Logger
}

// New returns a cache in front of rows, with the default Options. rdb may be nil (or a nil pointer): then there is no Redis. It panics
// when rows is nil.
func New(rows store.Store, rdb redis.UniversalClient) *Cache {
	c, err := Options{}.New(rows, rdb)
	if err != nil {
		panic(err)
	}
	return c
}

// New returns a cache in front of rows, or an error that matches store.ErrInvalid. rdb may be nil (or a nil pointer): then there
// is no Redis. Neither rows nor rdb has to be reachable. The client stays the caller's; Close does not close it.
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

// complete puts in the defaults and checks the rest.
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
			return store.Errorf(store.ErrInvalid, "cache: %s is %v; the least is %v", d.name, *d.value, d.least)
		}
	}
	if o.Lease > maxLease {
		return store.Errorf(store.ErrInvalid, "cache: Lease is %v; the most is %v", o.Lease, maxLease)
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
	if len(o.KeyPrefix) > 64 || strings.ContainsFunc(o.KeyPrefix, func(c rune) bool { return c <= ' ' || c > '~' || c == '{' || c == '}' }) {
		return store.Errorf(store.ErrInvalid, "cache: KeyPrefix %q must be printable ASCII without spaces and braces, at most 64 bytes", o.KeyPrefix)
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	return nil
}

// The constants of protocol 0, as parts of the lease: with 1 s they are P = 250 ms, DPOLL = 300 ms,
// WAIT = 1.05 s and REG = 30 s.
func (o *Options) pollEvery() time.Duration { return o.Lease / 4 }
func (o *Options) pollLimit() time.Duration { return o.Lease * 3 / 10 }
func (o *Options) wait() time.Duration      { return waitFor(o.Lease) }

// membership is REG. Half of it must be more than WAIT and a forward step of the database's clock.
func (o *Options) membership() time.Duration { return max(30*time.Second, 4*o.wait()) }

// waitFor is WAIT for a lease: a little more, because clocks do not run at quite the same rate.
func waitFor(lease time.Duration) time.Duration { return lease * 21 / 20 }

// publishLimit is how long after its commit a change gives up to write to a Redis that works, for want of the store or because
// others keep being faster.
func (o *Options) publishLimit() time.Duration { return o.wait() + o.StoreTimeout }

const (
	replayLimit    = 1000                 // NREPLAY: more events than this are not replayed
	pollGap        = 5 * time.Millisecond // from one poll to the next, however often it is asked for
	unknownTTL     = 10 * time.Second     // how long an unknown token is remembered
	readsWhenStale = 32                   // K: reads of the store at once while the feed is out of reach
)

// newCache puts a Cache together. Nothing runs before start.
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
