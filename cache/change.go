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

// ErrNeedsRedis is matched when a process without Redis tries to change keys that others answer
// from Redis. Nothing has been changed then.
var ErrNeedsRedis = errors.New("other processes answer from Redis, and this process has no connection to it")

// Change implements store.Store. When it returns success, every answer of every process that uses
// the store reflects the change. That takes milliseconds when all processes are healthy, and a
// little more than the longest of their leases when one does not acknowledge the change.
//
// The error matches store.ErrUnavailable when the store has committed the change and a process may
// still answer with stale data, or when ctx ends first. Repeat the change then; this is safe. A
// change that finds nothing to do waits as well (see noopChange). For ErrNeedsRedis see
// Options.ChangeWithoutRedis.
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
		c.markDiverged(before.history) // other events have had these numbers
	}
	if err := c.propagate(ctx, p); err != nil {
		return store.Change{}, err
	}
	c.count.changes.Add(1)
	return change, nil
}

// mayChange returns ErrNeedsRedis when this process has no Redis and others answer from it
// (protocol 14).
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
			c.o.Logger.Warn("latchkey: cache: a change is made without Redis; "+
				"a process that has lost the database may give stale answers until its MaxStale is over",
				"member", m.ID, "default", DefaultMaxStale)
			return nil
		default:
			// A member whose row has lapsed counts: it may have lost the database and answer from
			// Redis until its MaxStale is over.
			return fmt.Errorf("cache: change: %w (member %s, lapsed: %t): use their Redis, or set ChangeWithoutRedis",
				ErrNeedsRedis, m.ID, m.Lapsed)
		}
	}
	return nil
}

// awaitReady waits up to half a lease for a process that has just started to read the feed and to
// subscribe. Otherwise its first changes would wait for WAIT, because it could not receive
// acknowledgements.
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

// signalReady is called when the feed was read and when the subscription was opened.
func (c *Cache) signalReady() {
	if c.epoch.Load() != nil && (c.l2 == nil || c.listening.Load()) {
		c.readyOnce.Do(func() { close(c.ready) })
	}
}

// noopChange returns what to propagate for a change that found nothing to do: everything up to the
// head.
//
// The state it found may come from an earlier attempt whose caller got no success, because the
// process died or lost its connection. This change may be the repetition, so its success must
// promise the same (protocol 4.1). A key that is gone has no lookup id to announce, so no message
// can invalidate it: members acknowledge in their rows, or the change waits for WAIT.
func (c *Cache) noopChange(ctx context.Context) (store.Change, error) {
	feed, err := c.rows.Feed(ctx, maxEventID, 1)
	if err != nil {
		return store.Change{}, fmt.Errorf("cache: change: read the feed: %w", err)
	}
	return store.Change{FeedID: feed.ID, First: feed.Head + 1, Last: feed.Head, Before: feed.Tag}, nil
}

// invalidatesAll reports whether processes must drop all entries to apply a change.
func invalidatesAll(change store.Change) bool {
	return len(change.Events) > replayLimit || int64(len(change.Events)) != change.Last-change.First+1 ||
		affectsAll(change.Events)
}

// propagation is the state of a committed change on its way to the other processes.
type propagation struct {
	change    store.Change
	committed instant
	noEvents  bool // the change has no events; messages cannot acknowledge it

	// Only the goroutine of propagate uses these.
	inRedis      bool           // `applied` in protocol 4.4: Redis has the change
	membersKnown bool           // members and wait are set
	members      []store.Member // who must acknowledge the change
	redisInUse   bool           // a member may answer from Redis, also one whose row has lapsed
	wait         time.Duration  // WAIT
	acks         *pendingAcks
	ownDone      bool // this process has handled the change

	redisFails atomic.Bool // the last call of Redis failed or timed out

	// Results of the background work.
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

// startPropagation starts protocol 4.3 in the background: it reads the members until settled is
// closed, and publishes the change. Both go on when the caller has gone. The caller has begun a
// task of c.background; it ends when both have ended.
func (c *Cache) startPropagation(ctx context.Context, p *propagation, message announcement, settled <-chan struct{}) {
	level := int(c.level.Load())
	p.readings = make(chan []store.Member, 1)
	reading := context.WithoutCancel(ctx) // no limit: the longest lease is not known yet
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
			err := p.unconfirmed("the caller left before every process acknowledged it")
			return fmt.Errorf("%w: %w", err, ctx.Err())
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

// setMembers takes the members as read after the commit. A member that joined after the first
// reading, left or lapsed need not acknowledge the change (protocol 8).
func (p *propagation) setMembers(rows []store.Member) {
	var live []store.Member
	p.redisInUse = false
	for _, m := range rows {
		p.redisInUse = p.redisInUse || m.Redis
		new := p.membersKnown &&
			!slices.ContainsFunc(p.members, func(before store.Member) bool { return before.ID == m.ID })
		if m.Lapsed || m.Lease == 0 || new {
			continue
		}
		live = append(live, m)
		p.wait = max(p.wait, waitFor(m.Lease))
	}
	p.members, p.membersKnown = live, true
}

// unacknowledged returns the members that have acknowledged the change neither by a message nor in
// their row.
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

// logSlowChange logs which members did not acknowledge the change, at most once a second.
func (c *Cache) logSlowChange(p *propagation, missing []string) {
	if p.noEvents {
		return
	}
	c.count.missingAcks.Add(uint64(len(missing)))
	if len(missing) == 0 && c.faults != nil && !c.faults.of(opWrite).Closed() {
		return // Redis is the only reason, and that has been logged
	}
	if c.oncePerSecond(&c.lastSlow) {
		c.o.Logger.Warn("latchkey: cache: a change had to wait for a lease", "change", p.change.Last, "waited", p.wait,
			"unacknowledged_by", missing, "redis_has_it", c.redisIsCurrent(p))
	}
}

// pollMembers is protocol 4.3b: it reads the members, and what they acknowledge in their rows,
// until the change is settled. The change was announced for members of a level. When one has a
// lower level, the change is announced again, so that it can acknowledge it.
func (c *Cache) pollMembers(ctx context.Context, p *propagation, message announcement, level int,
	settled <-chan struct{},
) {
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
				again := c.messages.encodeAnnouncement(p.change.FeedID, message, level)
				_ = c.l2.publish(ctx, p.change.FeedID, "", again)
			}
			if !woken && slices.ContainsFunc(rows, func(m store.Member) bool {
				return m.ID != c.id && !m.Lapsed && m.Acked < p.change.Last && (c.l2 == nil || !m.Redis)
			}) {
				woken = true
				_ = c.Announce(ctx) // only saves time
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

// updateLevel stores the lowest level of the members and returns it.
func (c *Cache) updateLevel(rows []store.Member) int {
	lowest := store.Level
	for _, m := range rows { // lapsed ones too: they may still answer from Redis
		lowest = min(lowest, m.Level)
	}
	c.level.Store(int32(lowest))
	return lowest
}

// publishUntil is protocol 4.3a and 4.3c: it tries to bring the change to Redis and reports whether
// Redis has it before ctx ends. It announces the change after the first attempt, so that a process
// that loads the key afterwards finds the new record.
func (c *Cache) publishUntil(ctx context.Context, p *propagation, message announcement, level int) bool {
	change := p.change
	h := newHistory(change.FeedID, endOf(change))
	for announced := p.noEvents; ; {
		if e := c.epoch.Load(); e != nil && e.feed == change.FeedID {
			h = e.history // a new history when the feed went back
		}
		done, err := c.advanceOrRepair(ctx, change, h)
		if !announced {
			announced = true
			text := c.messages.encodeAnnouncement(change.FeedID, message, level)
			if err := c.l2.publish(ctx, change.FeedID, "", text); err != nil {
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
			// No new information.
		default:
			p.redisFails.Store(false)
		}
		pause := c.o.RedisTimeout
		if err == nil || errors.Is(err, errMoved) {
			pause = time.Millisecond // repaired, or another process was faster
		}
		if !sleepContext(ctx, pause) {
			return false
		}
	}
}

// advanceOrRepair tries once to bring the change to Redis. It repairs Redis when the watermark is
// not where the change began.
func (c *Cache) advanceOrRepair(ctx context.Context, change store.Change, h *history) (bool, error) {
	var raw string
	var err error
	last := endOf(change)
	if invalidatesAll(change) {
		raw, err = c.startGeneration(ctx, change)
	} else {
		prev := position{change.First - 1, change.Before}
		raw, err = c.l2.advance(ctx, c.l2.changeSlots, change.FeedID, lookupIDs(change.Events), prev, last)
	}
	if err != nil {
		return false, err
	}
	current, ok := parseWatermark(raw)
	reached := ok && current.id >= last.id
	if reached && current.position != last {
		// The watermark is beyond this change: another change was faster, or the watermark belongs
		// to an earlier history (protocol 14). A repair replaces it in the second case.
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

// startsAt reports whether a feed that was read from a position on has that position first.
func startsAt(feed store.Feed, at position) bool {
	return at == position{} || len(feed.Events) > 0 && position{feed.Events[0].ID, feed.Events[0].Tag} == at
}

// startGeneration brings a change to Redis that invalidates all entries. An advance would keep
// entries that the change affects and break the invariant of the watermark; a new generation has no
// entries. It returns the new watermark, the current one when it includes the change, or "" when
// there is none or it has moved.
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
		return raw, nil // the process that moved it has dropped all entries too
	}
	to := watermark{newGeneration(), endOf(change)}
	done, err := c.l2.reset(ctx, c.l2.changeSlots, change.FeedID, raw, to)
	if err != nil || !done {
		return "", err
	}
	c.count.resets.Add(1)
	return to.String(), nil
}
