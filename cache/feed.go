package cache

import (
	"context"
	"errors"
	"time"

	"github.com/latchkey-go/latchkey/store"
)

// pollLoop reads the feed every P, from start to start, and on demand (COHERENCE 3). It never waits for Redis.
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
		c.count.polls.Add(1)
		if err != nil {
			c.count.pollErrors.Add(1)
		}
		c.polling.note(c.o.Logger, "reading the change feed", err)
		if c.shared != nil && c.faults.wantProbe() {
			kick(c.repairKicks)
		}
	}
}

// poll is 3.1 to 3.7. The order of what it does at the end is the protocol's.
func (c *Cache) poll(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, c.o.pollLimit())
	defer cancel()
	if err := c.joinMembers(ctx); err != nil { // 3.1
		return err
	}
	began := c.clock.now() // 3.2
	var known bounds
	if e := c.epoch.Load(); e != nil {
		known = bounds{heard: e.need.Load(), sure: e.sure.Load()}
	}
	after, limit := int64(maxEventID), 1 // 3.6: the first poll needs the head only
	if c.polled {
		after, limit = c.last, replayLimit
	}
	feed, err := c.rows.Feed(ctx, after, limit) // 3.3
	if err != nil {
		return err
	}
	if feed.ID == "" {
		return errors.New("the store's feed has no id")
	}
	e := c.apply(feed, began, known)
	if e == nil {
		return nil
	}
	if c.shared != nil && (!e.aligned.Load() || e.need.Load() > e.wm.Load()) {
		kick(c.repairKicks) // 3.7, and 14: the first poll of a process always repairs
	}
	c.acknowledge(ctx, feed.Head, known.heard) // 3.8
	return nil
}

// bounds are what was known when a poll began. The poll must bring at least what was sure; what was only heard may be wrong.
type bounds struct{ heard, sure int64 }

// apply is 3.4 to 3.6: it takes over what a poll has brought, and returns the epoch that holds then. The order is the protocol's.
func (c *Cache) apply(feed store.Feed, began instant, known bounds) *epoch {
	// Messages and changes of this process begin epochs too: an invalidation must not go to one that has been replaced.
	c.publishing.Lock()
	defer c.publishing.Unlock()
	e := c.epoch.Load()
	last := c.last
	switch {
	case c.closed.Load():
		return nil
	case !c.polled:
		c.polled, c.last = true, feed.Head
		c.replace(c.newEpoch(newHistory(feed.ID, feed.Head), &began))
		kick(c.relisten)
		c.noteUp()
	case feed.ID != e.feed || feed.Head < max(last, known.sure): // 3.6, and 14 for what messages with a MAC have told
		c.o.Logger.Warn("latchkey: cache: the store has been restored from a backup or replaced; everything is dropped",
			"head", feed.Head, "was", max(last, known.sure), "same_feed", feed.ID == e.feed)
		h := newHistory(feed.ID, feed.Head)
		if feed.ID == e.feed {
			h.former = max(last, e.sure.Load(), e.need.Load(), e.former)
		}
		h.distrusted.Store(true)
		c.last = feed.Head
		// The membership may be lost with the rest, and without it nobody waits for this process: it is not fresh before it has
		// joined again.
		c.joined = false
		c.replace(c.newEpoch(h, nil))
		kick(c.pollKicks)
		kick(c.relisten)
	case !follows(feed, last): // 3.5; what the missing events were is not known
		e.hear(feed.Head, feed.Head)             // 3.4 (1)
		c.last = feed.Head                       // (3)
		c.replace(c.newEpoch(e.history, &began)) // (2) and (4) at once
	case namesAll(feed.Events):
		e.hear(feed.Head, newestRevealing(feed.Events))
		c.last = feed.Head
		c.replace(c.newEpoch(e.history, &began))
	default:
		e.hear(feed.Head, newestRevealing(feed.Events)) // (1)
		for _, event := range feed.Events {
			e.keys.Invalidate(slotOf(event.LookupID)) // (2)
		}
		c.last = feed.Head      // (3)
		e.freshAt.Store(&began) // (4): the poll's start, never its end
	}
	e = c.epoch.Load()
	e.correct(known.heard, feed.Head)
	return e
}

// follows reports whether the events run from last+1 to the head without a gap.
func follows(feed store.Feed, last int64) bool {
	for i, event := range feed.Events {
		if event.ID != last+1+int64(i) {
			return false
		}
	}
	return last+int64(len(feed.Events)) == feed.Head
}

// namesAll reports whether one of the events concerns more than the key it names: a batch, or a key that nobody can name.
func namesAll(events []store.FeedEvent) bool {
	for _, event := range events {
		if event.LookupID.IsZero() {
			return true
		}
	}
	return false
}

func newestRevealing(events []store.FeedEvent) int64 {
	for i := len(events) - 1; i >= 0; i-- {
		if events[i].Kind.Reveals() {
			return events[i].ID
		}
	}
	return 0
}
