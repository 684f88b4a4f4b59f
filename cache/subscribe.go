package cache

import (
	"context"
	"errors"

	"github.com/latchkey-go/latchkey/store"
)

// subscribeLoop hears what other processes say through Redis. Whatever gets lost costs changes a lease, and nothing else: so there is nothing
// to do when the connection comes back (protocol 5.2).
func (c *Cache) subscribeLoop(ctx context.Context) {
	if c.l2 == nil {
		return
	}
	var state health
	for ctx.Err() == nil {
		e := c.epoch.Load()
		if e == nil { // the channels' names are not known yet
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
		// A lost connection is made again at once. When that fails, its error says why.
		if !was {
			state.note(c.o.Logger, "hearing of changes through Redis", err)
		}
		sleepContext(ctx, c.o.pollEvery())
	}
}

// subscribeTo listens until the connection is lost. It returns nil when the feed may have become another.
func (c *Cache) subscribeTo(ctx context.Context, feed string, state *health) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	ended := make(chan error, 1)
	go func() {
		ended <- c.l2.inner.subscribe(ctx, feed, c.id, subscriber{
			onOpen: func() {
				state.note(c.o.Logger, "hearing of changes through Redis", nil)
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

// onAnnouncement is 5.1: the order of need, invalidation and answer is the protocol's.
func (c *Cache) onAnnouncement(ctx context.Context, feed, message string) {
	a, err := c.messages.parseAnnouncement(feed, message)
	if err != nil {
		c.logBadMessage(err)
		return
	}
	if a.sender == c.id {
		return // done before it was sent
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

// applyAnnouncement makes sure that nothing from before a change is answered any more, and reports whether it
// could: not when the feed is not known yet, or is another, or has another event with that number
// and the message may be a forgery. What has been polled, and when, stays the poll's affair. A
// change is own when this process made it.
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
		// Nothing has been heard of the events in between, when their changer has died for example. What they did to unknown tokens is not
		// known, and this change may rest on it: the update of a key whose creation nobody has told of.
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
	return agrees || confirmed // when torn, nothing is answered from memory
}

// onAcknowledgement takes an acknowledgement to the change that waits for it.
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
		c.o.Logger.Error("latchkey: cache: a message in Redis was forged, its pepper is unknown here, or it is of another version; ignored", "error", err)
	}
}

// newAnnouncement makes the message about a change. One that touches too much is told by dropping everything.
func (c *Cache) newAnnouncement(change store.Change, serial uint64) announcement {
	a := announcement{sender: c.id, serial: serial, first: change.First, last: change.Last, tag: endOf(change).tag, lastActivation: newestActivation(change.Events), invalidateAll: invalidatesAll(change)}
	if a.invalidateAll {
		a.lastActivation = change.Last
		return a
	}
	a.ids = lookupIDs(change.Events)
	return a
}
