package cache

import (
	"context"
	"fmt"

	"github.com/latchkey-go/latchkey/store"
)

// joinMembers is 3.1: it renews the row that makes changes wait for this process, when half of its life is over. That is counted from
// before the row was written last, so that it is never thought to live longer than it does.
func (c *Cache) joinMembers(ctx context.Context) error {
	if c.o.ChangesOnly {
		return nil
	}
	now := c.clock.now()
	if c.joined && now.elapsed(c.joinedAt) <= c.o.membership()/2 {
		return nil
	}
	row := store.Member{ID: c.id, Level: store.Level, Redis: c.recordsInRedis(), Lease: c.o.Lease, TTL: c.o.membership()}
	if row.Redis {
		row.MaxStale = c.o.MaxStale
	}
	c.acked = -1 // whatever becomes of what follows
	if err := c.rows.Join(ctx, row); err != nil {
		return fmt.Errorf("join the members: %w", err)
	}
	c.joined, c.joinedAt = true, now
	return nil
}

// acknowledge is 3.8: after a poll, and what follows from it (3.4), the row says that its events
// have been handled. It is for changers whose messages do not come through Redis, so a member that
// hears those, answers them, and knew the newest event before the poll, writes nothing.
// What fails is tried again after the next poll.
func (c *Cache) acknowledge(ctx context.Context, head position, required int64) {
	reached := c.listening.Load() && c.faults.of(opPublish).Closed() && required >= head.id
	if c.o.ChangesOnly || !c.joined || reached || head.id == c.acked || head.id == 0 {
		return
	}
	if err := c.rows.Acknowledge(ctx, c.id, head.id, head.tag); err == nil {
		c.acked = head.id
	}
}

// leaveMembers removes the row. When that fails, changes take WAIT until it lapses.
func (c *Cache) leaveMembers(ctx context.Context) {
	if c.o.ChangesOnly {
		return
	}
	if err := c.rows.Leave(ctx, c.id); err != nil {
		c.o.Logger.Warn("latchkey: cache: closing without leaving the members; changes elsewhere wait for this process until its row lapses",
			"member", c.id, "lapses_within", c.o.membership(), "error", err)
	}
}
