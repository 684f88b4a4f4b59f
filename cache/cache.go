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

// Cache is a store.Store in front of another. Its methods may be called from many goroutines at once. Make it with New, end it with
// Close.
type Cache struct {
	o     Options
	rows  store.Store
	clock clock

	id       string // of this process start, among the members
	codec    entryCodec
	messages messageCodec
	l2       *boundedClient // nil: no Redis
	faults   *faults        // nil: no Redis

	// epoch is what lookups answer from; nil before the first completed poll and after Close.
	epoch      atomic.Pointer[epoch]
	publishing sync.Mutex // held to replace epoch
	coarse     coarseClock

	staleReads  chan struct{} // semaphore
	repairing   chan struct{} // semaphore: one repair at a time
	pollKicks   chan struct{}
	repairKicks chan struct{}
	resubscribe chan struct{} // the feed is known, or another

	// These belong to the goroutine that polls.
	polled   bool    // ever
	last     int64   // highest event polled
	joined   bool    // this process has a membership row
	joinedAt instant // from before it was written
	acked    int64   // the event that the row acknowledges; -1: none since it was written
	polling  health
	// repaired belongs to the goroutine that repairs in the background.
	repaired health

	started    instant
	ready      chan struct{} // closed once the feed has been read and others can be heard
	readyOnce  sync.Once
	listening  atomic.Bool
	level      atomic.Int32 // the lowest of the members last read; 0: not known, and so the lowest there is
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

// start begins the background work.
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

// Info describes the cache. Its name is "cache over " and the name of what is below.
func (c *Cache) Info() store.Info {
	return store.Info{
		Name:        "cache over " + c.rows.Info().Name,
		SharedCache: c.recordsInRedis(),
		Joined:      true, // a tool of changes only is short-lived
		Sealer:      c.o.Sealer,
	}
}

// recordsInRedis reports whether records are read from and written to Redis.
func (c *Cache) recordsInRedis() bool { return c.l2 != nil && !c.o.DisableRedisRecords }

// Close stops answering from the cache, waits for the changes in progress, ends the background work and closes the store
// below. It waits until ctx is done, and then returns its error. The Redis client stays open. A closed cache answers store.ErrClosed.
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
		c.leaveMembers(ctx) // after the last poll: only now nothing is answered from memory for sure
	}
	if last != nil {
		last.retire()
	}
	rows := c.rows.Close(ctx)
	if err := errors.Join(changes, background); err != nil {
		return errors.Join(fmt.Errorf("cache: close: work is still under way: %w", err), rows)
	}
	return rows
}

// kick asks a loop to run now; once is enough.
func kick(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// health logs when something stops working and when it works again, and nothing in between. The
// first refusal of a server that did not answer before is logged too: it names the cause.
type health struct{ failing, refused bool }

func (h *health) note(log *slog.Logger, what string, err error) {
	refused := redisfault.Refused(err)
	switch {
	case err != nil && (!h.failing || refused && !h.refused):
		log.Warn("latchkey: cache: "+what+" fails; trying on", "error", err)
	case err == nil && h.failing:
		log.Info("latchkey: cache: " + what + " works again")
	}
	h.failing, h.refused = err != nil, err != nil && (h.refused || refused)
}

// logForged logs an entry of Redis that cannot be ours, at most once a second.
func (c *Cache) logForged(id store.LookupID, err error) {
	if c.oncePerSecond(&c.lastForged) {
		c.o.Logger.Error("latchkey: cache: an entry in Redis was forged or altered, or its pepper is gone; ignored", "fingerprint", id.String(), "error", err)
	}
}

// oncePerSecond reports whether a second has begun since it last said so for last.
func (c *Cache) oncePerSecond(last *atomic.Int64) bool {
	second := int64(c.clock.now().mono/time.Second) + 1
	before := last.Load()
	return before != second && last.CompareAndSwap(before, second)
}

// otterLog passes on what otter has to say: panics of its own callbacks, of which there are none.
type otterLog struct{ log *slog.Logger }

func (l otterLog) Warn(ctx context.Context, msg string, err error) {
	l.log.WarnContext(ctx, "latchkey: cache: "+msg, "error", err)
}

func (l otterLog) Error(ctx context.Context, msg string, err error) {
	l.log.ErrorContext(ctx, "latchkey: cache: "+msg, "error", err)
}
