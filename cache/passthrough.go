package cache

import (
	"context"
	"errors"
	"time"

	"github.com/latchkey-go/latchkey/store"
)

// The other methods of store.Store call the store below: what admin pages read is never cached.

// open returns store.ErrClosed after Close.
func (c *Cache) open() error {
	if c.closed.Load() {
		return store.ErrClosed
	}
	return nil
}

// Get implements store.Store.
func (c *Cache) Get(ctx context.Context, id string) (*store.Record, error) {
	if err := c.open(); err != nil {
		return nil, err
	}
	return c.rows.Get(ctx, id)
}

// List implements store.Store.
func (c *Cache) List(ctx context.Context, q store.Query) ([]*store.Record, error) {
	if err := c.open(); err != nil {
		return nil, err
	}
	return c.rows.List(ctx, q)
}

// Count implements store.Store.
func (c *Cache) Count(ctx context.Context, f store.Filter) (int, error) {
	if err := c.open(); err != nil {
		return 0, err
	}
	return c.rows.Count(ctx, f)
}

// Touch implements store.Store.
func (c *Cache) Touch(ctx context.Context, uses []store.Use) error {
	if err := c.open(); err != nil {
		return err
	}
	return c.rows.Touch(ctx, uses)
}

// Events implements store.Store.
func (c *Cache) Events(ctx context.Context, q store.EventQuery) ([]store.Event, error) {
	if err := c.open(); err != nil {
		return nil, err
	}
	return c.rows.Events(ctx, q)
}

// PruneEvents implements store.Store.
func (c *Cache) PruneEvents(ctx context.Context, before time.Time) (int, error) {
	if err := c.open(); err != nil {
		return 0, err
	}
	return c.rows.PruneEvents(ctx, before)
}

// Feed implements store.Store.
func (c *Cache) Feed(ctx context.Context, after int64, limit int) (store.Feed, error) {
	if err := c.open(); err != nil {
		return store.Feed{}, err
	}
	return c.rows.Feed(ctx, after, limit)
}

// Join implements store.Store.
func (c *Cache) Join(ctx context.Context, m store.Member) error {
	if err := c.open(); err != nil {
		return err
	}
	return c.rows.Join(ctx, m)
}

// Acknowledge implements store.Store.
func (c *Cache) Acknowledge(ctx context.Context, member string, head int64, tag store.Tag) error {
	if err := c.open(); err != nil {
		return err
	}
	return c.rows.Acknowledge(ctx, member, head, tag)
}

// Watch implements store.Watcher, if the store below does.
func (c *Cache) Watch(ctx context.Context, changed func(head int64)) error {
	if w, ok := c.rows.(store.Watcher); ok && !c.closed.Load() {
		return w.Watch(ctx, changed)
	}
	return errors.ErrUnsupported
}

// Announce implements store.Watcher.
func (c *Cache) Announce(ctx context.Context) error {
	if w, ok := c.rows.(store.Watcher); ok && !c.closed.Load() {
		return w.Announce(ctx)
	}
	return nil
}

// Leave implements store.Store.
func (c *Cache) Leave(ctx context.Context, id string) error {
	if err := c.open(); err != nil {
		return err
	}
	return c.rows.Leave(ctx, id)
}

// Members implements store.Store.
func (c *Cache) Members(ctx context.Context) ([]store.Member, error) {
	if err := c.open(); err != nil {
		return nil, err
	}
	return c.rows.Members(ctx)
}
