package cache

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/maypok86/otter/v2"

	"github.com/latchkey-go/latchkey/store"
)

// Lookup implements store.Store. The answer comes from the memory of the process, from Redis or
// from the store below. Head of an answer from memory is the event up to which it was current when
// loaded; later events have not changed it.
func (c *Cache) Lookup(ctx context.Context, id store.LookupID, redacted string) (store.Found, error) {
	k, e, fresh, _ := c.lookupL1(id)
	switch {
	case k != nil:
		return store.Found{Record: &k.record, FeedID: e.feed, Head: k.head}, nil
	case !fresh:
		return c.lookupStale(ctx, e, id, redacted) // 2.1
	}
	u, ok := e.unknown.GetIfPresent(id)
	if ok && u.asOf >= e.lastActivation.Load() && (redacted == "" || redacted == u.redacted) {
		c.count.unknownHits.Add(1)
		return store.Found{FeedID: e.feed, Head: u.asOf}, nil
	}
	return c.lookupMiss(ctx, e, id, redacted)
}

// Recall looks in the memory of the process only.
func (c *Cache) Recall(id store.LookupID) (r *store.Record, at time.Time) {
	k, _, _, at := c.lookupL1(id)
	if k == nil {
		return nil, at
	}
	return &k.record, at
}

// lookupL1 returns the entry in memory, nil when there is none, with the epoch, whether the epoch
// is fresh, and the time of the lookup.
func (c *Cache) lookupL1(id store.LookupID) (k *l1Entry, e *epoch, fresh bool, at time.Time) {
	// First the epoch, then the clock, then the entry: protocol 1.2.
	e = c.epoch.Load()
	now, at := c.clock.read()
	if e == nil || c.o.ChangesOnly || e.age(now) > c.o.Lease {
		return nil, e, false, at
	}
	k, ok := e.keys.GetIfPresent(l1KeyOf(id))
	switch {
	case !ok || !k.matches(id):
		return nil, e, true, at
	case k.expires <= c.coarse.Load():
		e.evict(l1KeyOf(id), k)
		return nil, e, true, at
	}
	c.hits.add(now)
	return k, e, true, at
}

// uncacheable is an answer that must not be stored. It is an error, so that otter stores nothing.
type uncacheable struct {
	found    store.Found
	id       store.LookupID // of the request that was answered
	redacted string
}

func (n *uncacheable) Error() string { return "latchkey: answer must not be cached" }

// Is makes otter treat the answer "unknown token" as such.
func (n *uncacheable) Is(target error) bool {
	return target == otter.ErrNotFound && n.found.Record == nil && len(n.found.Legacy) == 0
}

// lookupMiss is protocol 2.2 for a key that is not in memory. One load serves all callers.
func (c *Cache) lookupMiss(ctx context.Context, e *epoch, id store.LookupID, redacted string) (store.Found, error) {
	if err := ctx.Err(); err != nil {
		return store.Found{}, unavailable(err)
	}
	load := otter.LoaderFunc[l1Key, *l1Entry](func(ctx context.Context, _ l1Key) (*l1Entry, error) {
		ctx = context.WithoutCancel(ctx) // the calls below have their own limits
		return c.load(ctx, e, id, redacted)
	})
	k, err := c.loadShared(ctx, e, l1KeyOf(id), load)
	var n *uncacheable
	switch {
	case err == nil && k.matches(id):
		return store.Found{Record: &k.record, FeedID: e.feed, Head: k.head}, nil
	case err == nil:
		return c.lookupStore(ctx, id, redacted) // another key has the same place
	case !errors.As(err, &n):
		return store.Found{}, unavailable(err)
	case n.id != id, n.found.Record == nil && redacted != "" && redacted != n.redacted:
		return c.lookupStore(ctx, id, redacted) // joined a load for another token, or one without legacy candidates
	}
	return n.found, nil
}

// loadLimit is the longest time that a load takes.
func (c *Cache) loadLimit() time.Duration { return c.o.RedisTimeout + c.o.StoreTimeout }

// loadShared calls otter's Get. The first caller runs the load and others join it, so the load must
// go on when the first caller gives up. If its deadline may come first, the load runs on its own
// goroutine.
func (c *Cache) loadShared(ctx context.Context, e *epoch, s l1Key,
	load otter.LoaderFunc[l1Key, *l1Entry],
) (*l1Entry, error) {
	deadline, ok := ctx.Deadline()
	if !ok || time.Until(deadline) > c.loadLimit() {
		return e.keys.Get(ctx, s, load)
	}
	if !c.background.begin() {
		return nil, store.ErrClosed
	}
	answers := make(chan result[*l1Entry], 1)
	go func() {
		defer c.background.end()
		k, err := e.keys.Get(ctx, s, load)
		answers <- result[*l1Entry]{k, err}
	}()
	select {
	case a := <-answers:
		return a.value, a.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// load is the loader of protocol 2.2, a to d.
func (c *Cache) load(ctx context.Context, e *epoch, id store.LookupID, redacted string) (*l1Entry, error) {
	required := e.requiredHead.Load() // a: here, not before the Get
	k := &l1Entry{}
	head, generation, ok := c.readL2(ctx, e, id, required, false, &k.record)
	if ok {
		return k, c.initL1Entry(k, &k.record, head) // b
	}
	answer, err := c.lookupStore(ctx, id, redacted) // c
	if err != nil {
		return nil, err
	}
	at := position{answer.Head, answer.Tag}
	switch {
	case answer.FeedID == e.feed && !e.learn(at, true):
		c.markDiverged(e.history) // the answer is correct, but what else is known may not be
	case answer.FeedID != e.feed, answer.Head < required:
		// Another store, or one restored from a backup: the next poll finds out.
		kick(c.pollKicks)
	case answer.Record == nil && len(answer.Legacy) == 0:
		e.unknown.Set(id, unknown{asOf: answer.Head, redacted: redacted})
	case answer.Record == nil:
		// Legacy candidates: only the token decides which of them it is, if any.
	case answer.Record.Key.LookupID != id:
		// Not the key that was requested; package store refuses it.
	default:
		if c.initL1Entry(k, answer.Record, answer.Head) != nil {
			break // package store refuses it too and logs it
		}
		if generation != "" {
			c.fillL2(ctx, e.feed, watermark{generation, at}, answer.Record) // d
		}
		return k, nil
	}
	return nil, &uncacheable{found: answer, id: id, redacted: redacted}
}

// lookupStale is protocol 2.4, for a process that is not fresh: it does not read memory and does
// not join other loads.
func (c *Cache) lookupStale(ctx context.Context, e *epoch, id store.LookupID, redacted string) (store.Found, error) {
	if c.closed.Load() {
		return store.Found{}, store.ErrClosed
	}
	c.count.staleLookups.Add(1)
	if e != nil && !c.o.ChangesOnly && e.age(c.clock.now()) <= c.o.MaxStale {
		r := &store.Record{}
		if head, _, ok := c.readL2(ctx, e, id, e.requiredHead.Load(), true, r); ok {
			return store.Found{Record: r, FeedID: e.feed, Head: head}, nil
		}
	}
	ctx, cancel := context.WithTimeout(ctx, c.o.StoreTimeout)
	defer cancel()
	select {
	case c.staleReads <- struct{}{}:
		defer func() { <-c.staleReads }()
	case <-ctx.Done():
		c.count.storeErrors.Add(1)
		err := fmt.Errorf("%d lookups are waiting for the store: %w", readsWhenStale, ctx.Err())
		return store.Found{}, unavailable(err)
	}
	return c.lookupStore(ctx, id, redacted)
}

// lookupStore reads the store below.
func (c *Cache) lookupStore(ctx context.Context, id store.LookupID, redacted string) (store.Found, error) {
	ctx, cancel := context.WithTimeout(ctx, c.o.StoreTimeout)
	defer cancel()
	c.count.storeLookups.Add(1)
	found, err := c.rows.Lookup(ctx, id, redacted)
	if err != nil {
		c.count.storeErrors.Add(1)
		return store.Found{}, unavailable(err)
	}
	return found, nil
}

// unavailable makes err match store.ErrUnavailable, so that no failure is taken for an answer about
// a key.
func unavailable(err error) error {
	if errors.Is(err, store.ErrUnavailable) {
		return fmt.Errorf("cache: lookup: %w", err)
	}
	return fmt.Errorf("cache: lookup: %w: %w", store.ErrUnavailable, err)
}

// readL2 is protocol 2.2b: one command. When it returns ok, *r, a new record, holds the record and
// head is the event up to which it is current. Otherwise *r must not be used.
//
// It also returns the generation of the watermark, "" when that is not known. The watermark must be
// at an event that this process knows. When stale, it cannot read the store and accepts a watermark
// at an event that it does not know.
func (c *Cache) readL2(ctx context.Context, e *epoch, id store.LookupID, required int64, stale bool,
	r *store.Record,
) (head int64, generation string, ok bool) {
	if !c.recordsInRedis() || !e.aligned.Load() {
		return 0, "", false
	}
	p, err := c.l2.batcher.read(ctx, e.feed, id)
	if err != nil {
		c.count.redisErrors.Add(1)
		return 0, "", false
	}
	current, ok := parseWatermark(p.watermark)
	if ok {
		e.watermark.Store(current.id)
	}
	if !ok || current.id < required || !e.knows(current.position, stale) {
		c.count.redisMisses.Add(1)
		kick(c.repairKicks)
		return 0, current.generation, false
	}
	if p.entry == "" {
		c.count.redisMisses.Add(1)
		return 0, current.generation, false
	}
	_, err = c.codec.decode(r, p.entry, e.feed, id, current.generation, c.clock.now())
	if err != nil {
		c.count.redisMisses.Add(1)
		if errors.Is(err, errForgedEntry) || errors.Is(err, store.ErrForged) {
			c.count.redisForged.Add(1)
			c.logForged(id, err)
		}
		return 0, current.generation, false
	}
	c.count.redisHits.Add(1)
	return current.id, current.generation, true
}

// fillL2 writes a record to Redis, in the background and only if a slot is free: this only saves
// other processes a query.
func (c *Cache) fillL2(ctx context.Context, feed string, at watermark, r *store.Record) {
	deadline := c.clock.now().wall + c.o.L2TTL
	begun := c.l2.write(ctx, func(ctx context.Context) error {
		entry := c.codec.encode(feed, at.generation, at.id, deadline, r)
		done, err := c.l2.inner.fill(ctx, feed, r.Key.LookupID, at, c.o.L2TTL, entry)
		if done {
			c.count.fills.Add(1)
		} else {
			c.count.fillsLost.Add(1)
		}
		return err
	})
	if !begun {
		c.count.fillsLost.Add(1)
	}
}
