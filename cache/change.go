package cache

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/latchkey-go/latchkey/store"
)

// ErrNeedsRedis is matched when a process without Redis is to change keys that others answer from Redis. Nothing has been changed then.
var ErrNeedsRedis = errors.New("running instances answer from Redis, and this process has no connection to it")

// Change implements store.Store. When it returns success, no process that uses the store answers from before the change. That takes
// milliseconds when all of them are well, and a little more than the longest of their leases when one does not acknowledge it. When the store
// has committed but the rest cannot be promised, or when ctx ends first, the error matches store.ErrUnavailable: repeating the
// change, which is safe, gives the promise. A change that finds nothing to do waits for a lease (see noopChange).
// ErrNeedsRedis: see Options.ChangeWithoutRedis.
func (c *Cache) Change(ctx context.Context, actor store.Actor, fn func(store.Tx) error) (store.Change, error) {
	if !c.changes.begin() {
		return store.Change{}, store.ErrClosed
	}
	defer c.changes.end()
	if err := c.mayChange(ctx); err != nil {
		return store.Change{}, err
	}
	before := c.epoch.Load()
	var confirmed int64
	if before != nil {
		confirmed = before.confirmedHead.Load()
	}
	change, err := c.rows.Change(ctx, actor, fn)
	if err != nil {
		if errors.Is(err, store.ErrUnavailable) {
			kick(c.pollKicks) // it may have been committed
		}
		return store.Change{}, err
	}
	p := &propagation{change: change, committed: c.clock.now(), wait: c.o.wait()} // 4.2
	if change.Last == 0 {
		if p.change, err = c.noopChange(ctx); err != nil {
			return store.Change{}, err
		}
		p.noEvents = true
	}
	if before != nil && before.feed == p.change.FeedID && p.change.First <= confirmed {
		c.markDiverged(before.history) // there have been events with these numbers
	}
	if err := c.propagate(ctx, p); err != nil {
		return store.Change{}, err
	}
	c.count.changes.Add(1)
	return change, nil
}

// mayChange refuses changes that Redis would not hear of although others answer from it (protocol
// 14).
func (c *Cache) mayChange(ctx context.Context) error {
	c.awaitReady(ctx)
	if c.l2 != nil {
		return nil
	}
	members, err := c.rows.Members(ctx)
	if err != nil {
		return fmt.Errorf("cache: change: read the members: %w", err)
	}
	for _, m := range members {
		switch {
		case !m.Redis:
		case c.o.ChangeWithoutRedis:
			c.o.Logger.Warn("latchkey: cache: a change is made without Redis; an instance that has lost the database may answer from before it until its MaxStale is over",
				"member", m.ID, "default", DefaultMaxStale)
			return nil
		default:
			// One that has lapsed may have lost the database, and answers from Redis until its
			// MaxStale is over.
			return fmt.Errorf("cache: change: %w (member %s, lapsed: %t): give it the Redis that they use, or set ChangeWithoutRedis",
				ErrNeedsRedis, m.ID, m.Lapsed)
		}
	}
	return nil
}

// awaitReady gives a process that has just started half a lease to read the feed and to subscribe, so that its first changes need not take a
// whole one for want of its own acknowledgement, or of those that it cannot hear.
func (c *Cache) awaitReady(ctx context.Context) {
	left := c.o.Lease/2 - (c.clock.now().mono - c.started.mono)
	if left <= 0 {
		return
	}
	timer := time.NewTimer(left)
	defer timer.Stop()
	select {
	case <-c.ready:
	case <-timer.C:
	case <-ctx.Done():
	}
}

// signalReady is called when the feed has been read and when others are heard.
func (c *Cache) signalReady() {
	if c.epoch.Load() != nil && (c.l2 == nil || c.listening.Load()) {
		c.readyOnce.Do(func() { close(c.ready) })
	}
}

// noopChange returns what to settle for a change that found nothing to do: all that has happened so
// far. What it found done may be the work of a change whose caller never heard of its success,
// because the process died or the connection did, and this is the repetition: its success promises
// just as much (protocol 4.1, which lets it append an event instead; but a key that is gone has no
// lookup id to tell). For the same reason nobody can be told what to forget, and the change waits
// for the lease.
func (c *Cache) noopChange(ctx context.Context) (store.Change, error) {
	feed, err := c.rows.Feed(ctx, maxEventID, 1)
	if err != nil {
		return store.Change{}, fmt.Errorf("cache: change nothing: %w", err)
	}
	return store.Change{FeedID: feed.ID, First: feed.Head + 1, Last: feed.Head, Before: feed.Tag}, nil
}

// invalidatesAll reports whether a change is told by dropping everything.
func invalidatesAll(change store.Change) bool {
	return len(change.Events) > replayLimit || int64(len(change.Events)) != change.Last-change.First+1 || affectsAll(change.Events)
}

// propagation is the state of a committed change on its way to the other processes.
type propagation struct {
	change    store.Change
	committed instant
	noEvents  bool // the change has no events, so no message can acknowledge it

	// Only the goroutine of propagate uses these.
	inRedis      bool           // `applied` in protocol 4.4: Redis has the change
	membersKnown bool           // members and wait are set
	members      []store.Member // the members that must acknowledge the change
	redisInUse   bool           // a member may answer from Redis; one whose row has lapsed counts
	wait         time.Duration  // WAIT
	acks         *pendingAcks
	ownDone      bool // this process has handled the change

	redisFails atomic.Bool // the last call of Redis failed or timed out

	// The results of the background work.
	readings  chan []store.Member
	published chan struct{} // closed when Redis has the change; nil without Redis
}

// propagate is protocol 4.3 and 4.4. It returns nil when Redis has the change and every member has
// acknowledged it, or when WAIT has passed since the commit and Redis has the change or does not
// work.
func (c *Cache) propagate(ctx context.Context, p *propagation) error {
	if !c.background.begin() {
		return p.unconfirmed("the cache was closed before every process acknowledged it")
	}
	p.acks = c.acks.await()
	defer c.acks.end(p.acks)
	message := c.newAnnouncement(p.change, p.acks.serial)
	p.ownDone = c.applyAnnouncement(p.change.FeedID, message, true) && !p.noEvents // 4.5
	if !p.ownDone {
		kick(c.pollKicks) // the poll acknowledges in the row of this process
	}
	settled := make(chan struct{})
	defer close(settled)
	c.startPropagation(ctx, p, message, settled)
	return c.awaitPropagation(ctx, p)
}

// startPropagation starts protocol 4.3 in the background: reading the members until settled is
// closed, and publishing the change. Both go on when the caller has gone. The caller has begun a
// task of c.background, which ends with them.
func (c *Cache) startPropagation(ctx context.Context, p *propagation, message announcement, settled <-chan struct{}) {
	level := int(c.level.Load())
	p.readings = make(chan []store.Member, 1)
	reading := context.WithoutCancel(ctx) // without a limit: the longest lease is not known yet
	publishing, cancel := context.WithTimeout(reading, c.o.publishLimit())
	var parts sync.WaitGroup
	parts.Go(func() { c.pollMembers(reading, p, message, level, settled) }) // 4.3b: after the commit
	if c.l2 != nil {
		published := make(chan struct{})
		p.published = published
		parts.Go(func() {
			if c.publishUntil(publishing, p, message, level) { // 4.3a, and 4.3c after it
				close(published)
			}
		})
	}
	go func() {
		defer c.background.end()
		defer cancel()
		parts.Wait()
	}()
}

// awaitPropagation is protocol 4.4. It waits by the monotonic clock: a wall clock that is set
// forward must not shorten the wait.
func (c *Cache) awaitPropagation(ctx context.Context, p *propagation) error {
	timer := time.NewTimer(p.wait)
	defer timer.Stop()
	for {
		waited := c.clock.now().mono - p.committed.mono
		missing := p.unacknowledged(c.id)
		switch {
		case p.acknowledged(missing) && c.redisIsCurrent(p):
			return nil
		case c.waitIsOver(p, waited):
			c.count.slowChanges.Add(1)
			c.logSlowChange(p, missing)
			return nil
		case waited >= p.wait+c.o.StoreTimeout:
			return p.unconfirmed("some processes may not have applied it")
		}
		timer.Reset(p.nextCheck(waited))
		select {
		case <-timer.C:
		case <-p.published:
			p.published, p.inRedis = nil, true
		case rows := <-p.readings:
			p.setMembers(rows)
		case <-p.acks.arrived:
		case <-ctx.Done():
			return fmt.Errorf("%w: %w", p.unconfirmed("the caller left before every process acknowledged it"), ctx.Err())
		}
	}
}

// acknowledged reports whether every member has acknowledged the change.
func (p *propagation) acknowledged(missing []string) bool {
	return p.membersKnown && len(missing) == 0
}

// redisIsCurrent reports whether Redis has the change, or no process answers from Redis.
func (c *Cache) redisIsCurrent(p *propagation) bool {
	return p.inRedis || c.l2 == nil && !p.redisInUse
}

// waitIsOver reports whether WAIT is over and the change may succeed without all acknowledgements:
// not while Redis works and does not have the change.
func (c *Cache) waitIsOver(p *propagation, waited time.Duration) bool {
	return p.membersKnown && waited >= p.wait && (c.l2 == nil || p.inRedis || p.redisFails.Load())
}

// nextCheck returns how long to sleep when nothing arrives.
func (p *propagation) nextCheck(waited time.Duration) time.Duration {
	if waited < p.wait {
		return p.wait - waited
	}
	return p.wait / 8 // Redis works and does not have the change yet
}

// unconfirmed returns the error for a change that is committed and must be repeated.
func (p *propagation) unconfirmed(reason string) error {
	return fmt.Errorf("cache: change %d is committed, but %s: %w", p.change.Last, reason, store.ErrUnavailable)
}

// setMembers takes over the members as they are at some moment after the commit. Who has joined since the
// first reading, and who has left or lapsed, need not acknowledge the change: protocol 8.
func (p *propagation) setMembers(rows []store.Member) {
	var live []store.Member
	p.redisInUse = false
	for _, m := range rows {
		p.redisInUse = p.redisInUse || m.Redis
		new := p.membersKnown && !slices.ContainsFunc(p.members, func(before store.Member) bool { return before.ID == m.ID })
		if m.Lapsed || m.Lease == 0 || new {
			continue
		}
		live = append(live, m)
		p.wait = max(p.wait, waitFor(m.Lease))
	}
	p.members, p.membersKnown = live, true
}

// unacknowledged returns the members that have acknowledged the change neither by a message nor in their
// row.
func (p *propagation) unacknowledged(self string) []string {
	var missing []string
	for _, m := range p.members {
		switch {
		case m.ID == self && p.ownDone:
		case m.ID != self && !p.noEvents && p.acks.has(m.ID):
		case m.Acked >= p.change.Last:
		default:
			missing = append(missing, m.ID)
		}
	}
	return missing
}

// logSlowChange says who has not answered: it is what makes changes slow. At most once a second.
func (c *Cache) logSlowChange(p *propagation, missing []string) {
	if p.noEvents {
		return
	}
	c.count.missingAcks.Add(uint64(len(missing)))
	if len(missing) == 0 && c.faults != nil && !c.faults.of(opWrite).Closed() {
		return // Redis alone is the reason, and that has been logged
	}
	if c.oncePerSecond(&c.lastSlow) {
		c.o.Logger.Warn("latchkey: cache: a change had to wait for a lease", "change", p.change.Last, "waited", p.wait,
			"unacknowledged_by", missing, "redis_has_it", c.redisIsCurrent(p))
	}
}

// pollMembers is 4.3b: it reads the members again and again, for what they acknowledge in their
// rows, until the change is settled. The change is announced for readers of a level; to members of
// a lower one it is announced again, so that they need not be waited for.
func (c *Cache) pollMembers(ctx context.Context, p *propagation, message announcement, level int, settled <-chan struct{}) {
	pause, longest := 2*time.Millisecond, 16*time.Millisecond
	if c.l2 != nil { // messages are faster
		pause, longest = 16*time.Millisecond, 64*time.Millisecond
	}
	for woken := false; ; {
		next := pause
		rows, err := c.rows.Members(ctx)
		if err != nil {
			next = c.o.RedisTimeout
		} else {
			select {
			case <-settled:
				return
			default:
			}
			select {
			case p.readings <- rows:
			case <-settled:
				return
			}
			lowest := c.updateLevel(rows)
			if c.l2 != nil && !p.noEvents && level >= levelWithTag && lowest < levelWithTag {
				level = lowest
				_ = c.l2.publish(ctx, p.change.FeedID, "", c.messages.encodeAnnouncement(p.change.FeedID, message, level))
			}
			if !woken && slices.ContainsFunc(rows, func(m store.Member) bool {
				return m.ID != c.id && !m.Lapsed && m.Acked < p.change.Last && (c.l2 == nil || !m.Redis)
			}) {
				woken = true
				_ = c.Announce(ctx) // saves time, no more
			}
			pause = min(2*pause, longest)
		}
		select {
		case <-time.After(next):
		case <-settled:
			return
		}
	}
}

// updateLevel remembers the lowest level of the members, and returns it.
func (c *Cache) updateLevel(rows []store.Member) int {
	lowest := store.Level
	for _, m := range rows { // those that have lapsed too: they may still answer from Redis
		lowest = min(lowest, m.Level)
	}
	c.level.Store(int32(lowest))
	return lowest
}

// publishUntil is 4.3a and c: it tries until the shared memory has the change or ctx ends, and reports which. The others are told
// after the first try, so that what they load then is from after the change.
func (c *Cache) publishUntil(ctx context.Context, p *propagation, message announcement, level int) bool {
	change := p.change
	h := newHistory(change.FeedID, endOf(change))
	for announced := p.noEvents; ; {
		if e := c.epoch.Load(); e != nil && e.feed == change.FeedID {
			h = e.history // another, when the feed went back
		}
		done, err := c.advanceOrRepair(ctx, change, h)
		if !announced {
			announced = true
			if err := c.l2.publish(ctx, change.FeedID, "", c.messages.encodeAnnouncement(change.FeedID, message, level)); err != nil {
				c.count.redisErrors.Add(1)
			}
		}
		switch {
		case done:
			return true
		case errors.Is(err, errRedis):
			p.redisFails.Store(true)
			c.count.redisErrors.Add(1)
		case errors.Is(err, errNotCalled):
			// Says nothing new.
		default:
			p.redisFails.Store(false)
		}
		pause := c.o.RedisTimeout
		if err == nil || errors.Is(err, errMoved) {
			pause = time.Millisecond // repaired, or somebody else was faster
		}
		if !sleepContext(ctx, pause) {
			return false
		}
	}
}

// advanceOrRepair tries once, and repairs when the watermark is not where it should be.
func (c *Cache) advanceOrRepair(ctx context.Context, change store.Change, h *history) (bool, error) {
	var raw string
	var err error
	last := endOf(change)
	if invalidatesAll(change) {
		raw, err = c.startGeneration(ctx, change)
	} else {
		raw, err = c.l2.advance(ctx, c.l2.changeSlots, change.FeedID, lookupIDs(change.Events), position{change.First - 1, change.Before}, last)
	}
	if err != nil {
		return false, err
	}
	current, ok := parseWatermark(raw)
	reached := ok && current.id >= last.id
	if reached && current.position != last {
		// Beyond our event: another change was faster, or the watermark is of a history that is
		// over (protocol 14). Then a repair replaces it.
		feed, err := c.rows.Feed(ctx, current.id-1, 1)
		if err != nil {
			return false, err
		}
		reached = feed.ID != change.FeedID || h.isAt(current.position, feed)
	}
	if reached {
		h.watermark.Store(current.id)
		return true, nil
	}
	return false, c.repair(ctx, h, c.l2.changeSlots)
}

// startsAt reports whether an event is the first of a feed that was read from there on.
func startsAt(feed store.Feed, at position) bool {
	return at == position{} || len(feed.Events) > 0 && position{feed.Events[0].ID, feed.Events[0].Tag} == at
}

// startGeneration spreads a change that drops everything. An advance would keep entries that the
// change is about, and break the invariant of the watermark; with a new generation no entry is
// left, so that it holds whatever the id. It returns the watermark that there is then, or "" when
// it is absent or has moved meanwhile.
func (c *Cache) startGeneration(ctx context.Context, change store.Change) (string, error) {
	raw, err := c.l2.watermark(ctx, c.l2.changeSlots, change.FeedID)
	if err != nil {
		return "", err
	}
	current, ok := parseWatermark(raw)
	switch {
	case !ok:
		return "", nil
	case current.id >= change.Last:
		return raw, nil // who moved it there has dropped everything too
	}
	to := watermark{newGeneration(), endOf(change)}
	done, err := c.l2.reset(ctx, c.l2.changeSlots, change.FeedID, raw, to)
	if err != nil || !done {
		return "", err
	}
	c.count.resets.Add(1)
	return to.String(), nil
}
