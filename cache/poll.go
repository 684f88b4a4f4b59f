package cache

import (
	"context"
	"errors"
	"time"

	"github.com/latchkey-go/latchkey/store"
)

// pollLoop reads the feed every P, from start to start, and when woken (protocol 3). It never waits
// for Redis.
func (c *Cache) pollLoop(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for started := (instant{}); ; {
		select {
		case <-timer.C:
		case <-c.pollKicks:
			if early := pollGap - c.clock.now().elapsed(started); early > 0 {
				timer.Reset(early)
				continue
			}
		case <-ctx.Done():
			return
		}
		timer.Reset(c.o.pollEvery())
		started = c.clock.now()
		c.coarse.Store(int64(started.mono))
		err := c.poll(ctx)
		if ctx.Err() != nil {
			return
		}
		if errors.Is(err, store.ErrReplaced) || errors.Is(err, store.ErrSchemaTooNew) {
			c.abandon()
		}
		c.count.polls.Add(1)
		if err != nil {
			c.count.pollErrors.Add(1)
		}
		c.pollHealth.report(c.o.Logger, "reading the change feed", err)
		if c.l2 != nil && c.faults.probeDue() {
			kick(c.repairKicks)
		}
	}
}

// poll is protocol 3.1 to 3.8. The order of its last steps matters.
func (c *Cache) poll(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, c.o.pollLimit())
	defer cancel()
	if err := c.joinMembers(ctx); err != nil { // 3.1
		return err
	}
	began := c.clock.now() // 3.2
	var known knownHeads
	if e := c.epoch.Load(); e != nil {
		known = knownHeads{required: e.requiredHead.Load(), confirmed: e.confirmedHead.Load()}
	}
	after, limit := int64(maxEventID), 1 // 3.6: the first poll needs the head only
	if c.polled {
		after, limit = c.last-1, replayLimit+1 // the last event again: it may be another one now
	}
	feed, err := c.rows.Feed(ctx, after, limit) // 3.3
	if err != nil {
		return err
	}
	if feed.ID == "" {
		return errors.New("the store's feed has no id")
	}
	e := c.applyFeed(feed, began, known)
	if e == nil {
		return nil
	}
	if c.l2 != nil && (!e.aligned.Load() || e.requiredHead.Load() > e.watermark.Load()) {
		kick(c.repairKicks) // 3.7, and 14: the first poll always repairs
	}
	c.acknowledge(ctx, headOf(feed), known.required) // 3.8
	return nil
}

// knownHeads are the heads when a poll began. The poll must return at least the confirmed one. The
// required one may come from a forged message.
type knownHeads struct{ required, confirmed int64 }

// applyFeed is protocol 3.4 to 3.6: it applies what a poll has read and returns the current epoch.
// The order of its steps matters.
func (c *Cache) applyFeed(feed store.Feed, began instant, known knownHeads) *epoch {
	// Messages and changes begin epochs too, and an invalidation must not go to one that was
	// replaced.
	c.publishing.Lock()
	defer c.publishing.Unlock()
	e := c.epoch.Load()
	last := c.last
	tagsLost := e != nil && e.tagsLost.Swap(false)
	wentBack := e != nil && feed.ID == e.feed && (e.diverged || feed.Head < known.confirmed || !e.mergePoll(feed))
	lastFound := cutFirst(&feed, last)
	switch {
	case c.closed.Load():
		return nil
	case !c.polled:
		c.polled, c.last = true, feed.Head
		c.replace(c.newEpoch(newHistory(feed.ID, headOf(feed)), &began))
		kick(c.resubscribe)
		c.signalReady()
	case feed.ID != e.feed || !lastFound || wentBack: // 3.6
		c.logDropped(e, feed, known.confirmed, wentBack)
		h := newHistory(feed.ID, headOf(feed))
		if feed.ID == e.feed {
			h.previousHead = max(e.confirmedHead.Load(), e.requiredHead.Load(), e.previousHead)
		}
		c.last = feed.Head
		// The row in the member table may be lost as well, and without it changes do not wait for
		// this process. So it is not fresh before it has joined again.
		c.joined = false
		c.replace(c.newEpoch(h, nil))
		kick(c.pollKicks)
		kick(c.resubscribe)
	case !contiguous(feed, last), tagsLost: // 3.5; the missing events are not known
		e.raiseHeads(feed.Head, feed.Head)       // 3.4 (1)
		c.last = feed.Head                       // (3)
		c.replace(c.newEpoch(e.history, &began)) // (2) and (4) at once
	case affectsAll(feed.Events):
		e.raiseHeads(feed.Head, newestActivation(feed.Events))
		c.last = feed.Head
		c.replace(c.newEpoch(e.history, &began))
	default:
		e.raiseHeads(feed.Head, newestActivation(feed.Events)) // (1)
		for _, event := range feed.Events {
			e.keys.Invalidate(l1KeyOf(event.LookupID)) // (2)
		}
		c.last = feed.Head      // (3)
		e.freshAt.Store(&began) // (4): the poll's start, never its end
	}
	e = c.epoch.Load()
	e.retract(known.required, feed.Head)
	return e
}

// cutFirst removes the event last from the front of a feed that was read from it on, and reports
// whether it was there. Event 0 is there while event 1 is.
func cutFirst(feed *store.Feed, last int64) bool {
	if last == 0 {
		return feed.Head == 0 || len(feed.Events) > 0 && feed.Events[0].ID == 1
	}
	if len(feed.Events) == 0 || feed.Events[0].ID != last {
		return false
	}
	feed.Events = feed.Events[1:]
	return true
}

// logDropped logs why a poll drops all entries, and counts it when the feed went back.
func (c *Cache) logDropped(e *epoch, feed store.Feed, was int64, back bool) {
	switch {
	case feed.ID != e.feed:
		c.o.Logger.Warn("latchkey: cache: the store has been replaced by another; all entries are dropped",
			"head", feed.Head, "was", was)
	case back:
		c.count.wentBack.Add(1)
		c.o.Logger.Error("latchkey: cache: the feed went back: the store has been restored from a backup, "+
			"or has lost its last changes in a fail-over; all entries are dropped",
			"head", feed.Head, "was", was)
	default:
		c.o.Logger.Warn("latchkey: cache: events have been pruned before they were read; all entries are dropped",
			"head", feed.Head, "was", was)
	}
}

// markDiverged ends a history that an answer of the store, or a message with a MAC, contradicts:
// *doubt* in protocol 15. Until a poll has begun a new history, nothing is answered from memory or
// Redis.
func (c *Cache) markDiverged(h *history) {
	c.publishing.Lock()
	defer c.publishing.Unlock()
	c.markDivergedLocked(h)
}

// markDivergedLocked is markDiverged for callers that hold c.publishing.
func (c *Cache) markDivergedLocked(h *history) {
	if e := c.epoch.Load(); e != nil && e.history == h {
		e.diverge()
	}
	kick(c.pollKicks)
}

// abandon is called when this process can never read the feed again, because the store was replaced
// or belongs to newer programs. Nothing is answered from memory or Redis from then on (protocol
// 3.3).
func (c *Cache) abandon() {
	c.publishing.Lock()
	defer c.publishing.Unlock()
	if e := c.epoch.Load(); e != nil {
		e.diverge()
	}
}

func (e *epoch) diverge() {
	e.diverged = true
	e.freshAt.Store(nil)
}

// contiguous reports whether the events run from last+1 to the head without a gap.
func contiguous(feed store.Feed, last int64) bool {
	for i, event := range feed.Events {
		if event.ID != last+1+int64(i) {
			return false
		}
	}
	return last+int64(len(feed.Events)) == feed.Head
}

// affectsAll reports whether an event affects keys that it does not name.
func affectsAll(events []store.FeedEvent) bool {
	for _, event := range events {
		if event.LookupID.IsZero() {
			return true
		}
	}
	return false
}

func newestActivation(events []store.FeedEvent) int64 {
	for i := len(events) - 1; i >= 0; i-- {
		if events[i].Kind.Reveals() {
			return events[i].ID
		}
	}
	return 0
}
