package cache_test

import (
	"context"
	"sync/atomic"
	"testing"

	"github.com/latchkey-go/latchkey/cache"
	"github.com/latchkey-go/latchkey/store"
)

// renamed is a store whose feed can get another id, and that counts who watches it.
type renamed struct {
	store.Store
	id      atomic.Pointer[string]
	watched atomic.Int64
}

func (r *renamed) Feed(ctx context.Context, after int64, limit int) (store.Feed, error) {
	feed, err := r.Store.Feed(ctx, after, limit)
	if id := r.id.Load(); id != nil {
		feed.ID = *id
	}
	return feed, err
}

func (r *renamed) Watch(ctx context.Context, _ func(head int64)) error {
	r.watched.Add(1)
	<-ctx.Done()
	return ctx.Err()
}

func (r *renamed) Announce(context.Context) error { return nil }

func TestAnotherFeedIsWatchedToo(t *testing.T) {
	rows := &renamed{Store: store.NewMemory()}
	c := open(t, cache.Options{Lease: brisk}, rows, nil)
	ready(t, c)
	eventually(t, "it watches", func() bool { return rows.watched.Load() > 0 })
	caughtUp(t, rows, c)
	before, id := rows.watched.Load(), "another"
	rows.id.Store(&id)
	eventually(t, "it watches anew", func() bool { return rows.watched.Load() > before })
}
