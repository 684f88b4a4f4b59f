package cache

import (
	"context"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/latchkey-go/latchkey/store"
)

func TestElapsed(t *testing.T) {
	since := instant{mono: 10 * time.Second, wall: 1000 * time.Second}
	for name, c := range map[string]struct {
		now  instant
		want time.Duration
	}{
		"both clocks run":                {instant{mono: 12 * time.Second, wall: 1002 * time.Second}, 2 * time.Second},
		"the machine was suspended":      {instant{mono: 11 * time.Second, wall: 4600 * time.Second}, time.Hour},
		"the wall clock was set back":    {instant{mono: 15 * time.Second, wall: 500 * time.Second}, 5 * time.Second},
		"the wall clock was put forward": {instant{mono: 11 * time.Second, wall: 1500 * time.Second}, 500 * time.Second},
	} {
		if got := c.now.elapsed(since); got != c.want {
			t.Errorf("%s: got %v, want %v", name, got, c.want)
		}
	}
}

// handClock stands still unless it is moved.
type handClock struct {
	mu sync.Mutex
	at instant
}

func (c *handClock) now() instant {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *handClock) read() (instant, time.Time) { return byWall(c.now()) }

func (c *handClock) move(mono, wall time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at.mono += mono
	c.at.wall += wall
}

// deaf is a store whose feed can be cut off.
type deaf struct {
	store.Store
	mu    sync.Mutex
	cut   bool
	joins int
	id    string // of the feed; "": its own
}

func (d *deaf) Join(ctx context.Context, m store.Member) error {
	d.mu.Lock()
	d.joins++
	d.mu.Unlock()
	return d.Store.Join(ctx, m)
}

func (d *deaf) joined() int { d.mu.Lock(); defer d.mu.Unlock(); return d.joins }

func (d *deaf) set(cut bool) { d.mu.Lock(); defer d.mu.Unlock(); d.cut = cut }

func (d *deaf) Feed(ctx context.Context, after int64, limit int) (store.Feed, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.cut {
		return store.Feed{}, store.ErrUnavailable
	}
	feed, err := d.Store.Feed(ctx, after, limit)
	if d.id != "" {
		feed.ID = d.id
	}
	return feed, err
}

// clocked returns a running cache over an empty store, with a clock of its own.
func clocked(t *testing.T, lease time.Duration) (*Cache, *handClock, *deaf) {
	t.Helper()
	o := Options{Lease: lease, Logger: slog.New(slog.DiscardHandler)}
	check(t, o.complete())
	clk, rows := &handClock{at: instant{mono: time.Hour, wall: 1000 * time.Hour}}, &deaf{Store: store.NewMemory()}
	c := newCache(o, rows, nil, clk)
	c.start()
	t.Cleanup(func() {
		if err := c.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	soon(t, func() bool { return c.Stats().Fresh })
	return c, clk, rows
}

func soon(t *testing.T, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("it does not happen")
		}
	}
}

// T11: whichever clock shows that a lease has passed, the memory of the process is not used.
func TestLeaseIsOverByEitherClock(t *testing.T) {
	const lease = 100 * time.Millisecond
	for name, move := range map[string][2]time.Duration{
		"suspended: only the wall clock ran": {0, lease + 1},
		"the wall clock was set back":        {lease + 1, -time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			c, clk, rows := clocked(t, lease)
			id := store.LookupID{1}
			ask := func() uint64 {
				t.Helper()
				before := c.Stats().StaleLookups
				if _, err := c.Lookup(context.Background(), id, ""); err != nil {
					t.Error(err)
				}
				return c.Stats().StaleLookups - before
			}
			rows.set(true)
			polls := c.Stats().Polls
			soon(t, func() bool { return c.Stats().Polls >= polls+2 })
			if ask() != 0 {
				t.Error("within the lease, the store was asked directly")
			}
			clk.move(lease, lease)
			if ask() != 0 {
				t.Error("at the end of the lease, the store was asked directly")
			}
			clk.move(-lease, -lease)
			clk.move(move[0], move[1])
			if ask() != 1 {
				t.Error("after the lease, memory was used")
			}
			rows.set(false)
			soon(t, func() bool { return c.Stats().Fresh })
			if ask() != 0 {
				t.Error("after the next poll, the store was asked directly")
			}
		})
	}
}

// A wall clock that is put forward must not end a change's wait: other processes' leases are no
// shorter for it.
func TestWaitIsMonotonic(t *testing.T) {
	c, clk, rows := clocked(t, minLease)
	check(t, rows.Join(context.Background(), store.Member{ID: "silent", Lease: minLease, TTL: time.Hour}))
	done := make(chan error, 1)
	go func() {
		_, err := c.Change(context.Background(), store.Actor{}, func(tx store.Tx) error {
			return tx.Append(context.Background(), nil, store.Event{Kind: store.Updated})
		})
		done <- err
	}()
	soon(t, func() bool { return c.Stats().Head == 1 })
	clk.move(0, time.Hour)
	polls := c.Stats().Polls
	soon(t, func() bool { return c.Stats().Polls > polls+10 }) // longer than WAIT, by timers
	select {
	case err := <-done:
		t.Fatalf("the change returned %v, though no time has passed", err)
	default:
	}
	clk.move(c.o.wait(), 0)
	check(t, <-done)
}

// Protocol 14: WAIT is that of the largest lease among the members, whatever the changer's own is.
func TestWaitIsForTheLongestLease(t *testing.T) {
	c, clk, rows := clocked(t, minLease)
	check(t, rows.Join(context.Background(), store.Member{ID: "silent", Lease: 10 * minLease, TTL: time.Hour}))
	done := make(chan error, 1)
	go func() {
		_, err := c.Change(context.Background(), store.Actor{}, func(tx store.Tx) error {
			return tx.Append(context.Background(), nil, store.Event{Kind: store.Updated})
		})
		done <- err
	}()
	soon(t, func() bool { return c.Stats().Head == 1 })
	clk.move(9*minLease, 9*minLease)
	polls := c.Stats().Polls
	soon(t, func() bool { return c.Stats().Polls > polls+60 }) // longer than the longest WAIT, by timers
	select {
	case err := <-done:
		t.Fatalf("the change returned %v before the longest lease was over", err)
	default:
	}
	clk.move(2*minLease, 2*minLease)
	check(t, <-done)
}

// 3.1: the row is renewed when half of its life is over, by either clock, and when the store may
// have lost it.
func TestMembershipIsRenewed(t *testing.T) {
	c, clk, rows := clocked(t, minLease)
	polled := func() {
		t.Helper()
		polls := c.Stats().Polls
		soon(t, func() bool { return c.Stats().Polls >= polls+2 })
	}
	expect := func(what string, joins int) {
		t.Helper()
		polled()
		if got := rows.joined(); got != joins {
			t.Errorf("%s: joined %d times, want %d", what, got, joins)
		}
	}
	half := c.o.membership() / 2
	expect("at the start", 1)
	clk.move(half, half)
	expect("after half its life", 1)
	clk.move(1, 1)
	expect("after more than that", 2)
	clk.move(0, half+1)
	expect("after a suspension", 3)
	rows.mu.Lock()
	rows.id = "another"
	rows.mu.Unlock()
	soon(t, func() bool { return rows.joined() == 4 })
	soon(t, func() bool { return c.Stats().Fresh })
	expect("after the store has been replaced", 4)
}
