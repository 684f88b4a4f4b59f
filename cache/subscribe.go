package cache

import (
	"context"
	"errors"

	"github.com/latchkey-go/latchkey/store"
)

// subscribeLoop receives the messages of other processes through Redis. A lost message makes a
// change wait for a lease and has no other effect, so a reconnect needs no action (protocol 5.2).
func (c *Cache) subscribeLoop(ctx context.Context) {
	if c.l2 == nil {
		return
	}
	var state health
	for ctx.Err() == nil {
		e := c.epoch.Load()
		if e == nil { // the channels are named after the feed
			select {
			case <-c.resubscribe:
			case <-ctx.Done():
			}
			continue
		}
		err := c.subscribeTo(ctx, e.feed, &state)
		was := c.listening.Swap(false)
		if ctx.Err() != nil {
			return
		}
		if err == nil {
			continue
		}
		c.faults.noteSubscribe(err)
		// A lost connection is retried at once. When that fails, its error names the cause.
		if !was {
			state.report(c.o.Logger, "receiving changes through Redis", err)
		}
		sleepContext(ctx, c.o.pollEvery())
	}
}

// subscribeTo subscribes until the connection is lost. It returns nil when the feed was replaced.
func (c *Cache) subscribeTo(ctx context.Context, feed string, state *health) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	ended := make(chan error, 1)
	go func() {
		ended <- c.l2.inner.subscribe(ctx, feed, c.id, subscriber{
			onOpen: func() {
				state.report(c.o.Logger, "receiving changes through Redis", nil)
				c.faults.noteSubscribe(nil)
				c.listening.Store(true)
				c.signalReady()
			},
			onMessage: func(toMe bool, message string) {
				if toMe {
					c.onAcknowledgement(feed, message)
				} else {
					c.onAnnouncement(ctx, feed, message)
				}
			},
		})
	}()
	for {
		select {
		case err := <-ended:
			return err
		case <-c.resubscribe:
			if e := c.epoch.Load(); e == nil || e.feed == feed {
				continue
			}
			cancel()
			<-ended
			return nil
		}
	}
}

// onAnnouncement is protocol 5.1. The order of raising, invalidation and acknowledgement matters.
func (c *Cache) onAnnouncement(ctx context.Context, feed, message string) {
	a, err := c.messages.parseAnnouncement(feed, message)
	if err != nil {
		c.logBadMessage(err)
		return
	}
	if a.sender == c.id {
		return // applied before it was sent
	}
	c.count.messages.Add(1)
	if !c.applyAnnouncement(feed, a, false) || c.o.ChangesOnly {
		return
	}
	answer := c.messages.encodeAcknowledgement(feed, a.sender, acknowledgement{member: c.id, serial: a.serial})
	if err := c.l2.publish(ctx, feed, a.sender, answer); err != nil {
		c.count.redisErrors.Add(1)
	}
}

// applyAnnouncement makes sure that every later answer from memory reflects a change, and reports
// whether the change may be acknowledged. It may not when the feed is not known yet or is another,
// or when this process knows another event with that number and the message may be forged. Only
// polls change `last` and `freshAt`. own says that this process made the change.
func (c *Cache) applyAnnouncement(feed string, a announcement, own bool) bool {
	c.publishing.Lock()
	defer c.publishing.Unlock()
	e := c.epoch.Load()
	switch {
	case c.closed.Load():
		return true // nothing is answered from here any more
	case e == nil, e.feed != feed:
		return false
	}
	if e.requiredHead.Load() < a.first-1 {
		// The events in between have not been announced, for example because their changer died.
		// They may have created keys, and this change may depend on them: it may update a key whose
		// creation was never announced.
		a.lastActivation = a.last
	}
	e.raiseHeads(a.last, a.lastActivation)
	at, confirmed := position{a.last, a.tag}, own || c.o.Sealer != nil
	agrees := own && e.learn(at, true) || !own && e.learnAnnounced(at, confirmed)
	switch {
	case agrees:
	case confirmed:
		c.markDivergedLocked(e.history)
	default:
		kick(c.pollKicks)
	}
	if a.invalidateAll {
		c.replace(c.newEpoch(e.history, e.freshAt.Load()))
	}
	for _, id := range a.ids {
		e.keys.Invalidate(l1KeyOf(id))
	}
	return agrees || confirmed // after a divergence nothing is answered from memory
}

// onAcknowledgement passes an acknowledgement to the change that waits for it.
func (c *Cache) onAcknowledgement(feed, message string) {
	a, err := c.messages.parseAcknowledgement(feed, c.id, message)
	if err != nil {
		c.logBadMessage(err)
		return
	}
	c.acks.add(a.serial, a.member)
}

// logBadMessage logs a message that cannot be used, at most once a second.
func (c *Cache) logBadMessage(err error) {
	if errors.Is(err, errForgedMessage) {
		c.count.forged.Add(1)
	}
	if c.oncePerSecond(&c.lastBadMessage) {
		c.o.Logger.Error("latchkey: cache: a message in Redis was forged, or its pepper or version is unknown; ignored",
			"error", err)
	}
}

// newAnnouncement returns the message about a change. When the change affects too much, processes
// drop all entries.
func (c *Cache) newAnnouncement(change store.Change, serial uint64) announcement {
	a := announcement{
		sender: c.id, serial: serial, first: change.First, last: change.Last, tag: endOf(change).tag,
		lastActivation: newestActivation(change.Events), invalidateAll: invalidatesAll(change),
	}
	if a.invalidateAll {
		a.lastActivation = change.Last
		return a
	}
	a.ids = lookupIDs(change.Events)
	return a
}
