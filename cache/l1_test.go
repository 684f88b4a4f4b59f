package cache_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/latchkey-go/latchkey/cache"
	"github.com/latchkey-go/latchkey/store"
)

// inBubble runs fn with a cache over a memory store in a synctest bubble, where time passes when
// everybody waits for it.
func inBubble(t *testing.T, o cache.Options, fn func(t *testing.T, rows *spy, c *cache.Cache)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		rows := &spy{Store: store.NewMemory()}
		c := open(t, o, rows, nil)
		ready(t, c)
		fn(t, rows, c)
	})
}

func TestWhatIsKeptRunsOut(t *testing.T) {
	o := cache.Options{L1TTL: 10 * time.Second}
	t.Run("after L1TTL a key is asked for again", func(t *testing.T) {
		inBubble(t, o, func(t *testing.T, rows *spy, c *cache.Cache) {
			r := someRecord(nil)
			insert(t, rows, r)
			time.Sleep(time.Second) // the feed has been polled
			for _, step := range []struct {
				after      time.Duration
				statements int64
			}{{0, 1}, {9 * time.Second, 1}, {1500 * time.Millisecond, 2}, {9 * time.Second, 2}} {
				time.Sleep(step.after)
				want(t, "title", title(t, c, r), "test")
				want(t, "statements", rows.lookups.Load(), step.statements)
			}
		})
	})
	t.Run("what nobody asks for any more is freed", func(t *testing.T) {
		inBubble(t, o, func(t *testing.T, rows *spy, c *cache.Cache) {
			const n = 100
			var all []*store.Record
			for range n {
				all = append(all, someRecord(nil))
				insert(t, rows, all[len(all)-1])
			}
			time.Sleep(time.Second) // the feed has been polled
			for _, r := range all {
				title(t, c, r)
			}
			time.Sleep(o.L1TTL / 2)
			want(t, "keys in memory", c.Stats().Keys, n)
			time.Sleep(2 * o.L1TTL)
			want(t, "keys in memory", c.Stats().Keys, 0)
		})
	})
}

// Two keys whose lookup ids begin alike have one place in memory.
func TestKeysThatShareAPlace(t *testing.T) {
	pair := func() (a, b *store.Record) {
		a, b = someRecord(nil), someRecord(nil)
		copy(b.Key.LookupID[:8], a.Key.LookupID[:8])
		b.Key.LookupID[31] = 1
		a.Key.Title, b.Key.Title = "a", "b"
		return a, b
	}
	t.Run("each is answered with its own record", func(t *testing.T) {
		inBubble(t, cache.Options{}, func(t *testing.T, rows *spy, c *cache.Cache) {
			a, b := pair()
			insert(t, rows, a)
			insert(t, rows, b)
			for range 3 {
				want(t, "title", title(t, c, a), "a")
				want(t, "title", title(t, c, b), "b")
			}
		})
	})
	t.Run("a token that no key has does not take the place of one that has", func(t *testing.T) {
		inBubble(t, cache.Options{}, func(t *testing.T, rows *spy, c *cache.Cache) {
			a, stranger := pair()
			insert(t, rows, a)
			for range 3 {
				want(t, "title", title(t, c, stranger), "")
				want(t, "title", title(t, c, a), "a")
			}
		})
	})
	for name, known := range map[string]bool{"a key": true, "a token that no key has": false} {
		t.Run("who joins the load of "+name+" asks for himself", func(t *testing.T) {
			inBubble(t, cache.Options{}, func(t *testing.T, rows *spy, c *cache.Cache) {
				a, other := pair()
				insert(t, rows, a)
				if known {
					insert(t, rows, other)
				}
				held, asked := make(chan struct{}), false
				rows.hooks(func(s *spy) {
					s.onLookup = func(context.Context) {
						if !asked {
							asked = true
							<-held
						}
					}
				})
				first := make(chan string)
				go func() { first <- title(t, c, other) }()
				synctest.Wait() // its load hangs
				second := make(chan string)
				go func() { second <- title(t, c, a) }()
				synctest.Wait() // joined
				close(held)
				wantFirst := ""
				if known {
					wantFirst = "b"
				}
				want(t, "the one that was loaded", <-first, wantFirst)
				want(t, "the one that joined", <-second, "a")
			})
		})
	}
	t.Run("a change of one drops the other too, and both are right", func(t *testing.T) {
		inBubble(t, cache.Options{}, func(t *testing.T, rows *spy, c *cache.Cache) {
			a, b := pair()
			insert(t, rows, a)
			insert(t, rows, b)
			want(t, "title", title(t, c, a), "a")
			retitle(t, c, b, "new")
			want(t, "title", title(t, c, b), "new")
			want(t, "title", title(t, c, a), "a")
		})
	})
}
