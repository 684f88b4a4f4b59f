package cache

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/latchkey-go/latchkey/store"
)

// Change implements store.Store. When it returns success, no process that uses the store answers from before the change, which takes a
// little more than one Lease. When the store has committed but that cannot be promised, or when ctx ends first, the error matches
// store.ErrUnavailable: nothing is promised then, and repeating the change, which is safe, gives the promise. A change that finds nothing to do
// waits too (see nothing).
func (c *Cache) Change(ctx context.Context, actor store.Actor, fn func(store.Tx) error) (store.Change, error) {
	if !c.changes.begin() {
		return store.Change{}, store.ErrClosed
	}
	defer c.changes.end()
	change, err := c.rows.Change(ctx, actor, fn)
	if err != nil {
		if errors.Is(err, store.ErrUnavailable) {
			kick(c.pollKicks) // it may have been committed
		}
		return store.Change{}, err
	}
	committed := c.clock.now() // 4.2
	settled := change
	if change.Last == 0 {
		if settled, err = c.nothing(ctx); err != nil {
			return store.Change{}, err
		}
	}
	c.hear(settled)
	if err := c.settle(ctx, settled, committed); err != nil {
		return store.Change{}, err
	}
	return change, nil
}

// nothing returns what to settle for a change that found nothing to do: all that has happened so far. What it found done may be the work
// of a change whose caller never heard of its success, because the process died or the connection did, and this is the repetition: its
// success promises just as much (COHERENCE 4.1, which lets it append an event instead; but a key that is gone has no lookup id to tell).
func (c *Cache) nothing(ctx context.Context) (store.Change, error) {
	feed, err := c.rows.Feed(ctx, maxEventID, 1)
	if err != nil {
		return store.Change{}, fmt.Errorf("cache: change nothing: %w", err)
	}
	return store.Change{FeedID: feed.ID, First: feed.Head + 1, Last: feed.Head}, nil
}

// hear handles an event of this process like one of any other: COHERENCE 4.5, and 5.1 without the acknowledgement. What has been
// polled, and when, stays the poll's affair.
func (c *Cache) hear(change store.Change) {
	c.publishing.Lock()
	defer c.publishing.Unlock()
	e := c.epoch.Load()
	if e == nil || e.feed != change.FeedID {
		return
	}
	e.hear(change.Last, newestRevealing(change.Events))
	if wholesale(change) {
		c.replace(c.newEpoch(e.history, *e.freshAt.Load()))
		return
	}
	for _, event := range change.Events {
		e.keys.Invalidate(event.LookupID)
	}
}

// wholesale reports whether a change is told by dropping everything.
func wholesale(change store.Change) bool {
	return len(change.Events) > replayLimit || int64(len(change.Events)) != change.Last-change.First+1 || namesAll(change.Events)
}

// settle is 4.4 without acknowledgements: it returns nil when WAIT has passed since the commit and the shared memory has the
// change, or has been asked and does not work. It waits by the monotonic clock: a wall clock that is put forward must not shorten it.
func (c *Cache) settle(ctx context.Context, change store.Change, committed instant) error {
	var s spread
	var applied <-chan struct{}
	if c.shared != nil && c.background.begin() {
		done := make(chan struct{})
		applied = done
		// The watermark moves even when the client has gone.
		own, cancel := context.WithTimeout(context.WithoutCancel(ctx), c.o.giveUp())
		go func() {
			defer c.background.end()
			defer cancel()
			if c.spreadUntil(own, change, &s) {
				close(done)
			}
		}()
	}
	timer := time.NewTimer(c.o.wait())
	defer timer.Stop()
	for passed := false; ; {
		select {
		case <-timer.C:
		case <-applied:
			applied = nil
			s.applied = true
			if !passed {
				continue
			}
		case <-ctx.Done():
			return fmt.Errorf("cache: change %d is committed, but the caller left before every process had heard of it: %w: %w", change.Last, store.ErrUnavailable, ctx.Err())
		}
		waited := c.clock.now().mono - committed.mono
		if waited < c.o.wait() {
			timer.Reset(c.o.wait() - waited) // this clock is slow
			continue
		}
		switch {
		case c.shared == nil, s.applied, s.failing.Load():
			return nil
		case waited >= c.o.giveUp():
			return fmt.Errorf("cache: change %d is committed, but could not be written to Redis: %w", change.Last, store.ErrUnavailable)
		}
		passed = true
		timer.Reset(c.o.wait() / 8) // not applied, and not for want of a working Redis: it is still being tried
	}
}

// spread is how far the shared memory has heard of a change.
type spread struct {
	applied bool        // belongs to settle
	failing atomic.Bool // the shared memory was asked, and the last time it failed or did not answer in time
}

// spreadUntil is 4.3a: it tries until the shared memory has the change or ctx ends, and reports which.
func (c *Cache) spreadUntil(ctx context.Context, change store.Change, s *spread) bool {
	h := newHistory(change.FeedID, change.Last)
	if e := c.epoch.Load(); e != nil && e.feed == change.FeedID {
		h = e.history
	}
	for {
		done, err := c.spreadOnce(ctx, change, h)
		switch {
		case done:
			return true
		case errors.Is(err, errShared):
			s.failing.Store(true)
			c.count.redisErrors.Add(1)
		case errors.Is(err, errNotAsked):
			// Says nothing new.
		default:
			s.failing.Store(false)
		}
		pause := c.o.RedisTimeout
		if err == nil || errors.Is(err, errOvertaken) {
			pause = time.Millisecond // repaired, or somebody else was faster
		}
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return false
		}
	}
}

// spreadOnce tries once, and repairs when the watermark is not where it should be.
func (c *Cache) spreadOnce(ctx context.Context, change store.Change, h *history) (bool, error) {
	var at int64
	var err error
	if wholesale(change) {
		at, err = c.startGeneration(ctx, change)
	} else {
		at, err = c.shared.advance(ctx, c.shared.change, change.FeedID, lookupIDs(change.Events), change.First-1, change.Last)
	}
	if err != nil {
		return false, err
	}
	if at > change.Last && !h.distrusted.Load() {
		// Beyond our event: another change was faster, or the watermark is of a store before it was restored (COHERENCE 14).
		feed, err := c.rows.Feed(ctx, maxEventID, 1)
		if err != nil {
			return false, err
		}
		if feed.ID == change.FeedID && at > feed.Head {
			h.distrusted.Store(true)
		}
	}
	if at >= change.Last && !h.distrusted.Load() {
		h.wm.Store(at)
		return true, nil
	}
	return false, c.repair(ctx, h, c.shared.change)
}

// startGeneration spreads a change that drops everything. An advance would keep entries that the change is about, and break the
// invariant of the watermark; with a new generation no entry is left, so that it holds whatever the id. It returns where the
// watermark is then, or -1 when it is absent or has moved meanwhile.
func (c *Cache) startGeneration(ctx context.Context, change store.Change) (int64, error) {
	raw, err := c.shared.mark(ctx, c.shared.change, change.FeedID)
	if err != nil {
		return 0, err
	}
	wm, ok := parseMark(raw)
	switch {
	case !ok:
		return -1, nil
	case wm.id >= change.Last:
		return wm.id, nil // who moved it there has dropped everything too
	}
	done, err := c.shared.reset(ctx, c.shared.change, change.FeedID, raw, mark{generation: newGeneration(), id: change.Last})
	if err != nil || !done {
		return -1, err
	}
	c.count.resets.Add(1)
	return change.Last, nil
}
