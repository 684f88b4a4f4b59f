package cache_test

import (
	"testing"
	"time"

	"github.com/latchkey-go/latchkey/cache"
	"github.com/latchkey-go/latchkey/store"
)

// Recall is judged by the simulation too, in which every other key is read as package store reads.
func TestRecall(t *testing.T) {
	o := cache.Options{L1TTL: 10 * time.Second}
	prepare := func(t *testing.T, rows *spy) *store.Record {
		t.Helper()
		r := someRecord(nil)
		insert(t, rows, r)
		time.Sleep(time.Second) // the feed has been polled
		return r
	}
	recalls := func(t *testing.T, what string, c *cache.Cache, r *store.Record, titled string) {
		t.Helper()
		began := time.Now()
		got, at := c.Recall(r.Key.LookupID)
		if !at.Equal(began) { // no time passes in between
			t.Errorf("%s: at %v, called at %v", what, at, began)
		}
		switch {
		case titled == "" && got != nil:
			t.Errorf("%s: got %q, want nothing", what, got.Key.Title)
		case titled != "" && (got == nil || got.Key.LookupID != r.Key.LookupID || got.Key.Title != titled):
			t.Errorf("%s: got %+v, want %q", what, got, titled)
		}
	}
	t.Run("what has been looked up, until it changes", func(t *testing.T) {
		inBubble(t, o, func(t *testing.T, rows *spy, c *cache.Cache) {
			r := prepare(t, rows)
			recalls(t, "before a lookup", c, r, "")
			title(t, c, r)
			hits := c.Stats().Hits
			recalls(t, "after it", c, r, "test")
			want(t, "hits", c.Stats().Hits, hits+1)
			want(t, "statements", rows.lookups.Load(), int64(1))
			retitle(t, c, r, "new")
			recalls(t, "after a change", c, r, "")
			title(t, c, r)
			recalls(t, "after another lookup", c, r, "new")
			recalls(t, "another key", c, someRecord(nil), "")
		})
	})
	t.Run("not after L1TTL", func(t *testing.T) {
		inBubble(t, o, func(t *testing.T, rows *spy, c *cache.Cache) {
			r := prepare(t, rows)
			title(t, c, r)
			time.Sleep(9 * time.Second)
			recalls(t, "within", c, r, "test")
			time.Sleep(1500 * time.Millisecond)
			recalls(t, "after", c, r, "")
		})
	})
	t.Run("not when the feed has not been heard for a lease", func(t *testing.T) {
		inBubble(t, o, func(t *testing.T, rows *spy, c *cache.Cache) {
			r := prepare(t, rows)
			title(t, c, r)
			recalls(t, "fresh", c, r, "test")
			rows.feedDown.Store(true)
			time.Sleep(1100 * time.Millisecond)
			recalls(t, "stale", c, r, "")
		})
	})
	t.Run("nothing with ChangesOnly", func(t *testing.T) {
		inBubble(t, cache.Options{ChangesOnly: true}, func(t *testing.T, rows *spy, c *cache.Cache) {
			r := prepare(t, rows)
			title(t, c, r)
			recalls(t, "after a lookup", c, r, "")
		})
	})
}
