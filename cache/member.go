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
	row := store.Member{ID: c.id, Level: store.Level, Redis: c.recordsAreShared(), Lease: c.o.Lease, TTL: c.o.membership()}
	if err := c.rows.Join(ctx, row); err != nil {
		return fmt.Errorf("join the members: %w", err)
	}
	c.joined, c.joinedAt = true, now
	return nil
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
