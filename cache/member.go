package cache

import (
	"context"
	"fmt"

	"github.com/latchkey-go/latchkey/store"
)

// joinMembers is protocol 3.1: it renews this process's row in the member table when half of its
// lifetime has passed. Changes wait for processes that have a row. The lifetime counts from before
// the row was written, so that this process never overestimates it.
func (c *Cache) joinMembers(ctx context.Context) error {
	if c.o.ChangesOnly {
		return nil
	}
	now := c.clock.now()
	if c.joined && now.elapsed(c.joinedAt) <= c.o.membership()/2 {
		return nil
	}
	row := store.Member{
		ID: c.id, Level: store.Level, Redis: c.recordsInRedis(), Lease: c.o.Lease, TTL: c.o.membership(),
	}
	if row.Redis {
		row.MaxStale = c.o.MaxStale
	}
	c.acked = -1 // also when Join fails
	if err := c.rows.Join(ctx, row); err != nil {
		return fmt.Errorf("join the members: %w", err)
	}
	c.joined, c.joinedAt = true, now
	return nil
}

// acknowledge is protocol 3.8: after a poll has been applied (3.4), the row says which events this
// process has handled. Changers read it when a message does not reach them. A member that can
// receive and answer messages, and knew the newest event before the poll, writes nothing. A write
// that fails is retried after the next poll.
func (c *Cache) acknowledge(ctx context.Context, head position, required int64) {
	reached := c.listening.Load() && c.faults.of(opPublish).Closed() && required >= head.id
	if c.o.ChangesOnly || !c.joined || reached || head.id == c.acked || head.id == 0 {
		return
	}
	if err := c.rows.Acknowledge(ctx, c.id, head.id, head.tag); err == nil {
		c.acked = head.id
	}
}

// leaveMembers removes the row. When that fails, changes take WAIT until the row lapses.
func (c *Cache) leaveMembers(ctx context.Context) {
	if c.o.ChangesOnly {
		return
	}
	if err := c.rows.Leave(ctx, c.id); err != nil {
		c.o.Logger.Warn("latchkey: cache: the row of this member was not removed; "+
			"changes elsewhere wait for this process until the row lapses",
			"member", c.id, "lapses_within", c.o.membership(), "error", err)
	}
}
