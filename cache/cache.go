package cache

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/latchkey-go/latchkey/internal/redisfault"
	"github.com/latchkey-go/latchkey/store"
)

// Cache is a store.Store in front of another. It is safe for concurrent use. Make it with New and
// end it with Close.
type Cache struct {
	o     Options
	rows  store.Store
	clock clock

	id       string // the member id of this process, random for each start
	codec    entryCodec
	messages messageCodec
	l2       *boundedClient // nil: no Redis
	faults   *faults        // nil: no Redis

	// epoch holds what lookups are answered from. It is nil before the first completed poll and
	// after Close.
	epoch      atomic.Pointer[epoch]
	publishing sync.Mutex // held to replace epoch
	coarse     coarseClock

	staleReads  chan struct{} // semaphore
	repairing   chan struct{} // semaphore: one repair at a time
	pollKicks   chan struct{}
	repairKicks chan struct{}
	resubscribe chan struct{} // the feed is known, or was replaced

	// Only the goroutine that polls uses these.
	polled     bool    // at least once
	last       int64   // the highest event polled; `last` in the protocol
	joined     bool    // this process has a row in the member table
	joinedAt   instant // read before the row was written
	acked      int64   // the event that the row acknowledges; -1: none yet
	pollHealth health
	// Only the goroutine that repairs in the background uses repairHealth.
	repairHealth health

	started    instant
	ready      chan struct{} // closed when the feed was read and the subscription is open
	readyOnce  sync.Once
	listening  atomic.Bool
	level      atomic.Int32 // the lowest level of the members as last read; 0: not known, treated as the lowest
	acks       acks
	changes    tasks // in progress
	background tasks
	closed     atomic.Bool
	stop       context.CancelFunc
	closeOnce  sync.Once
	closeErr   error

	hits                                 shardedCounter
	count                                counters
	lastForged, lastBadMessage, lastSlow atomic.Int64
}

var _ store.Store = (*Cache)(nil)

// start starts the background work.
func (c *Cache) start() {
	ctx, cancel := context.WithCancel(context.Background())
	c.stop = cancel
	loops := []func(context.Context){c.pollLoop, c.repairLoop, c.subscribeLoop, c.watchLoop, c.sweepLoop}
	if c.l2 != nil {
		loops = append(loops, c.l2.batcher.loops()...)
	}
	for _, loop := range loops {
		c.background.begin()
		go func() {
			defer c.background.end()
			loop(ctx)
		}()
	}
}

// Info describes the cache. Its name is "cache over " and the name of the store below.
func (c *Cache) Info() store.Info {
	return store.Info{
		Name:        "cache over " + c.rows.Info().Name,
		SharedCache: c.recordsInRedis(),
		Joined:      true, // also with ChangesOnly: such a process does not run for long
		Sealer:      c.o.Sealer,
	}
}

// recordsInRedis reports whether records are read from and written to Redis.
func (c *Cache) recordsInRedis() bool { return c.l2 != nil && !c.o.DisableRedisRecords }

// Close stops answering from the cache, waits for the changes in progress, ends the background work
// and closes the store below. When ctx ends first, it returns the error of ctx. It does not close
// the Redis client. A closed cache returns store.ErrClosed.
func (c *Cache) Close(ctx context.Context) error {
	c.closeOnce.Do(func() { c.closeErr = c.close(ctx) })
	return c.closeErr
}

func (c *Cache) close(ctx context.Context) error {
	c.publishing.Lock()
	c.closed.Store(true)
	last := c.epoch.Swap(nil)
	c.publishing.Unlock()

	changes := c.changes.close(ctx)
	c.stop()
	background := c.background.close(ctx)
	if background == nil {
		c.leaveMembers(ctx) // after the last poll: from now on nothing is answered from memory
	}
	if last != nil {
		last.retire()
	}
	rows := c.rows.Close(ctx)
	if err := errors.Join(changes, background); err != nil {
		return errors.Join(fmt.Errorf("cache: close: work is still running: %w", err), rows)
	}
	return rows
}

// kick wakes a loop. Further kicks before the loop runs have no effect.
func kick(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// health logs when something starts to fail and when it works again, once each. The first refusal
// of a server that did not answer before is logged too, because it names the cause.
type health struct{ failing, refused bool }

func (h *health) report(log *slog.Logger, what string, err error) {
	refused := redisfault.Refused(err)
	switch {
	case err != nil && (!h.failing || refused && !h.refused):
		log.Warn("latchkey: cache: "+what+" fails; retrying", "error", err)
	case err == nil && h.failing:
		log.Info("latchkey: cache: " + what + " works again")
	}
	h.failing, h.refused = err != nil, err != nil && (h.refused || refused)
}

// logForged logs an entry in Redis that this system did not write, at most once a second.
func (c *Cache) logForged(id store.LookupID, err error) {
	if c.oncePerSecond(&c.lastForged) {
		c.o.Logger.Error("latchkey: cache: an entry in Redis was forged or altered, or its pepper is unknown; ignored",
			"fingerprint", id.String(), "error", err)
	}
}

// oncePerSecond reports true at most once a second for each last.
func (c *Cache) oncePerSecond(last *atomic.Int64) bool {
	second := int64(c.clock.now().mono/time.Second) + 1
	before := last.Load()
	return before != second && last.CompareAndSwap(before, second)
}

// otterLog logs what otter reports: panics in callbacks, of which this package has none.
type otterLog struct{ log *slog.Logger }

func (l otterLog) Warn(ctx context.Context, msg string, err error) {
	l.log.WarnContext(ctx, "latchkey: cache: "+msg, "error", err)
}

func (l otterLog) Error(ctx context.Context, msg string, err error) {
	l.log.ErrorContext(ctx, "latchkey: cache: "+msg, "error", err)
}
