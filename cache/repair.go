package cache

import (
	"context"
	"errors"
	"fmt"

	"github.com/latchkey-go/latchkey/store"
)

// repairLoop repairs Redis when woken, at most once per P unless another process moved the
// watermark. These repairs also detect that Redis works again.
func (c *Cache) repairLoop(ctx context.Context) {
	if c.l2 == nil {
		return
	}
	for {
		select {
		case <-c.repairKicks:
		case <-ctx.Done():
			return
		}
		e := c.epoch.Load()
		if e == nil {
			continue
		}
		err := c.repair(ctx, e.history, c.l2.repairSlots)
		if ctx.Err() != nil {
			return
		}
		wait := c.o.pollEvery()
		if errors.Is(err, errMoved) {
			kick(c.repairKicks)
			wait, err = min(wait, c.o.RedisTimeout), nil
		}
		// A breaker that is open has logged the fault.
		if err == nil || c.faults.of(opRead).Closed() && c.faults.of(opWrite).Closed() {
			c.repairHealth.report(c.o.Logger, "bringing Redis up to date", err)
		}
		c.l2.probe(ctx, e.feed, c.id, c.messages.encodeAcknowledgement(e.feed, c.id, acknowledgement{member: c.id}))
		if !sleepContext(ctx, wait) {
			return
		}
	}
}

// errMoved: another process moved the watermark meanwhile.
var errMoved = errors.New("another process moved the watermark")

// repair brings Redis in line with the store's feed (protocol 6). One repair runs at a time. It is
// safe anywhere, at any time, with any delay.
func (c *Cache) repair(ctx context.Context, h *history, slots chan struct{}) error {
	select {
	case c.repairing <- struct{}{}:
		defer func() { <-c.repairing }()
	case <-ctx.Done():
		return ctx.Err()
	}
	c.count.repairs.Add(1)
	ctx, cancel := context.WithTimeout(ctx, c.o.StoreTimeout)
	defer cancel()
	err := c.repairOnce(ctx, h, slots)
	if err != nil {
		c.count.repairErrors.Add(1)
		return err
	}
	h.aligned.Store(true)
	return nil
}

func (c *Cache) repairOnce(ctx context.Context, h *history, slots chan struct{}) error {
	raw, err := c.l2.watermark(ctx, slots, h.feed) // 6.1
	if err != nil {
		return fmt.Errorf("read watermark: %w", err)
	}
	current, ok := parseWatermark(raw)
	after, limit := int64(maxEventID), 1
	if ok {
		after, limit = current.id-1, replayLimit+1 // the watermark's event again: it may be another one now
	}
	confirmed := h.confirmedHead.Load()
	feed, err := c.rows.Feed(ctx, after, limit)
	if err != nil {
		return fmt.Errorf("read feed: %w", err)
	}
	if feed.ID != h.feed {
		kick(c.pollKicks)
		return errors.New("the store has another feed now")
	}
	head := headOf(feed)
	if head.id < confirmed || !h.learn(head, true) {
		c.markDiverged(h)
		return errors.New("the feed went back")
	}
	same := h.isAt(current.position, feed) && cutFirst(&feed, current.id)
	if !ok || !same || !contiguous(feed, current.id) || affectsAll(feed.Events) { // 6.1, 6.2
		to := watermark{newGeneration(), head}
		done, err := c.l2.reset(ctx, slots, h.feed, raw, to)
		if err != nil {
			return fmt.Errorf("reset watermark: %w", err)
		}
		if !done {
			return errMoved
		}
		c.count.resets.Add(1)
		h.watermark.Store(to.id)
		return nil
	}
	if len(feed.Events) == 0 {
		h.watermark.Store(current.id)
		return nil
	}
	raw, err = c.l2.advance(ctx, slots, h.feed, lookupIDs(feed.Events), current.position, head) // 6.3
	if err != nil {
		return fmt.Errorf("advance watermark: %w", err)
	}
	if current, ok = parseWatermark(raw); !ok || current.position != head {
		return errMoved
	}
	h.watermark.Store(current.id)
	return nil
}

// lookupIDs returns the lookup ids of the events, each once.
func lookupIDs(events []store.FeedEvent) []store.LookupID {
	ids := make([]store.LookupID, 0, len(events))
	seen := make(map[store.LookupID]bool, len(events))
	for _, event := range events {
		if !seen[event.LookupID] {
			seen[event.LookupID] = true
			ids = append(ids, event.LookupID)
		}
	}
	return ids
}
