package store_test

import (
	"fmt"
	"math"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/latchkey-go/latchkey/store"
)

// limited is a Limiter on a clock that the test moves.
type limited struct {
	*testing.T
	clock *clock
	*store.Limiter
}

func newLimited(t *testing.T) *limited {
	c := &clock{at: start}
	return &limited{T: t, clock: c, Limiter: &store.Limiter{Now: c.Now}}
}

func (l *limited) take(key string, limit store.RateLimit) store.Decision {
	l.Helper()
	d, err := l.Take(l.Context(), key, limit)
	if err != nil {
		l.Fatal(err)
	}
	return d
}

// want takes one and compares.
func (l *limited) want(key string, limit store.RateLimit, want store.Decision) {
	l.Helper()
	if got := l.take(key, limit); got != want {
		l.Errorf("got %+v, want %+v", got, want)
	}
}

func TestLimiterCountsRequestsAgainstTheLimit(t *testing.T) {
	three := store.RateLimit{Requests: 3, Window: 30 * time.Second} // one comes back every 10 s
	yes := func(remaining int, retry time.Duration) store.Decision {
		return store.Decision{Allowed: true, Remaining: remaining, RetryAfter: retry}
	}
	no := func(retry time.Duration) store.Decision { return store.Decision{RetryAfter: retry} }

	t.Run("all requests of a window may come at once, and no more", func(t *testing.T) {
		l := newLimited(t)
		l.want("k", three, yes(2, 0))
		l.want("k", three, yes(1, 0))
		l.want("k", three, yes(0, 10*time.Second))
		l.want("k", three, no(10*time.Second))
	})
	t.Run("each comes back after its share of the window", func(t *testing.T) {
		l := newLimited(t)
		for range 3 {
			l.take("k", three)
		}
		l.clock.advance(10*time.Second - time.Millisecond)
		l.want("k", three, no(time.Millisecond))
		l.clock.advance(time.Millisecond)
		l.want("k", three, yes(0, 10*time.Second))
		l.clock.advance(20 * time.Second)
		l.want("k", three, yes(1, 0))
	})
	t.Run("after a window, or a year, all of them are back and none is saved up", func(t *testing.T) {
		for _, pause := range []time.Duration{30 * time.Second, 365 * 24 * time.Hour} {
			l := newLimited(t)
			for range 3 {
				l.take("k", three)
			}
			l.clock.advance(pause)
			l.want("k", three, yes(2, 0))
		}
	})
	t.Run("who keeps the pace is never refused", func(t *testing.T) {
		l := newLimited(t)
		for i := range 1000 {
			if d := l.take("k", three); !d.Allowed {
				t.Fatalf("request %d: %+v", i, d)
			}
			l.clock.advance(10 * time.Second)
		}
	})
	t.Run("refused requests take nothing", func(t *testing.T) {
		l := newLimited(t)
		for range 100 {
			l.take("k", three)
		}
		l.want("k", three, no(10*time.Second))
	})
	t.Run("keys do not share", func(t *testing.T) {
		l := newLimited(t)
		for range 4 {
			l.take("a", three)
		}
		l.want("b", three, yes(2, 0))
	})
	t.Run("Peek counts nothing", func(t *testing.T) {
		l := newLimited(t)
		for range 5 {
			if d := l.Peek("k", three); d != yes(2, 0) {
				t.Fatalf("%+v", d)
			}
		}
		if n := l.Limited(); n != 0 {
			t.Errorf("%d keys are remembered", n)
		}
		l.want("k", three, yes(2, 0))
	})
	t.Run("a clock that is set back makes nobody wait for longer than a window", func(t *testing.T) {
		l := newLimited(t)
		for range 3 {
			l.take("k", three)
		}
		l.clock.advance(-24 * time.Hour)
		l.want("k", three, no(10*time.Second))
		l.clock.advance(10 * time.Second)
		l.want("k", three, yes(0, 10*time.Second))
		l.want("k", three, no(10*time.Second))
	})
	t.Run("a limit that is lowered counts at once, and makes nobody wait for what the old one allowed", func(t *testing.T) {
		l := newLimited(t)
		wide := store.RateLimit{Requests: 100, Window: 1000 * time.Second}
		for range 100 {
			l.take("k", wide)
		}
		l.want("k", three, no(10*time.Second))
		l.clock.advance(10 * time.Second)
		l.want("k", three, yes(0, 10*time.Second))
	})
	t.Run("a limit that is raised counts at once", func(t *testing.T) {
		l := newLimited(t)
		for range 4 {
			l.take("k", three)
		}
		l.want("k", store.RateLimit{Requests: 6, Window: time.Minute}, yes(2, 0))
	})
	t.Run("a limit that allows nothing allows nothing", func(t *testing.T) {
		for _, limit := range []store.RateLimit{{}, {Requests: 5}, {Window: time.Minute}, {Requests: -5, Window: time.Minute}, {Requests: 5, Window: -time.Minute}} {
			l := newLimited(t)
			if d := l.take("k", limit); d.Allowed || d.Remaining != 0 || d.RetryAfter <= 0 {
				t.Errorf("%+v: %+v", limit, d)
			}
			if n := l.Limited(); n != 0 {
				t.Errorf("%+v: %d keys are remembered", limit, n)
			}
		}
	})
}

// TestLimitsHoldOverTime compares what a client gets that asks without pause with what its limit
// promises.
func TestLimitsHoldOverTime(t *testing.T) {
	const windows = 20
	for _, limit := range []store.RateLimit{
		{1, time.Second}, {7, time.Second}, {1000, time.Second}, {999, 1500 * time.Millisecond}, {60, time.Minute}, {10_000, 24 * time.Hour}, {1, 30 * 24 * time.Hour},
	} {
		t.Run(fmt.Sprintf("%d in %s", limit.Requests, limit.Window), func(t *testing.T) {
			l := newLimited(t)
			got, end := 0, start.Add(windows*limit.Window)
			for l.clock.Now().Before(end) {
				d := l.take("k", limit)
				if d.Allowed {
					got++
					continue
				}
				if d.RetryAfter <= 0 {
					t.Fatalf("refused, and told to come back at once: %+v", d)
				}
				l.clock.advance(d.RetryAfter) // must be enough, and not too much
				if d := l.Peek("k", limit); !d.Allowed {
					t.Fatalf("refused after the time it was told to wait: %+v", d)
				}
			}
			want := float64((windows + 1) * limit.Requests)
			if math.Abs(float64(got)-want) > want/200+1 {
				t.Errorf("%d requests in %d windows and a burst, want about %v", got, windows, want)
			}
		})
	}
}

func TestLimitsBeyondReasonAreCountedAllTheSame(t *testing.T) {
	for _, limit := range []store.RateLimit{
		{math.MaxInt, time.Second}, {math.MaxInt, math.MaxInt64}, {math.MaxInt32, time.Second}, {3, math.MaxInt64}, {2_000_001, time.Second},
	} {
		l := newLimited(t)
		d := l.take("k", limit)
		if _, room := limit.Pace(); !d.Allowed || d.Remaining < 0 || d.Remaining >= limit.Requests || room <= 0 {
			t.Errorf("%+v: %+v, room %s", limit, d, room)
		}
	}
	l := newLimited(t)
	l.take("another", store.RateLimit{Requests: 1, Window: time.Second})
	l.clock.advance(50 * 365 * 24 * time.Hour) // the sum of clock and window must not overflow
	for i, want := range []bool{true, true, true, false} {
		if d := l.take("k", store.RateLimit{Requests: 3, Window: math.MaxInt64}); d.Allowed != want {
			t.Errorf("request %d of three: %+v", i+1, d)
		}
	}
}

func TestLimiterUsesTheClockOfTheSystem(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l store.Limiter // the zero value is ready
		once := store.RateLimit{Requests: 1, Window: time.Minute}
		allowed := func() bool {
			d, err := l.Take(t.Context(), "k", once)
			return err == nil && d.Allowed
		}
		if !allowed() || allowed() {
			t.Error("not once")
		}
		time.Sleep(time.Minute)
		if !allowed() {
			t.Error("not again after a minute")
		}
	})
}

func TestLimiterKeepsToItsMemory(t *testing.T) {
	limit := store.RateLimit{Requests: 10, Window: time.Minute}
	t.Run("a flood of keys is forgotten before one that is out of requests", func(t *testing.T) {
		l := newLimited(t)
		l.Max = 100
		for range 10 {
			l.take("spent", limit)
		}
		for i := range 10_000 {
			l.take(strconv.Itoa(i), limit)
			if n := l.Limited(); n > l.Max {
				t.Fatalf("%d keys are remembered, at most %d may be", n, l.Max)
			}
		}
		if d := l.take("spent", limit); d.Allowed {
			t.Error("the flood gave a spent key its requests back")
		}
	})
	t.Run("keys that have all of their requests left are forgotten as others come", func(t *testing.T) {
		l := newLimited(t)
		for i := range 100 {
			l.take("old "+strconv.Itoa(i), limit)
		}
		l.clock.advance(time.Minute)
		for i := range 200 {
			l.take("new "+strconv.Itoa(i), limit)
		}
		if n := l.Limited(); n > 250 {
			t.Errorf("%d keys are remembered, and 200 need to be", n)
		}
	})
	t.Run("by default there is a bound too", func(t *testing.T) {
		l := newLimited(t)
		for i := range 110_000 {
			l.take(strconv.Itoa(i), limit)
		}
		if n := l.Limited(); n != 100_000 {
			t.Errorf("%d keys are remembered", n)
		}
	})
}

func TestLimiterIsExactWhenManyAskAtOnce(t *testing.T) {
	l := newLimited(t)
	limit := store.RateLimit{Requests: 50, Window: time.Minute}
	var wg sync.WaitGroup
	allowed := make(chan bool, 200)
	for range cap(allowed) {
		wg.Go(func() {
			d, err := l.Take(t.Context(), "k", limit)
			l.Peek("k", limit)
			allowed <- err == nil && d.Allowed
		})
	}
	wg.Wait()
	close(allowed)
	n := 0
	for ok := range allowed {
		if ok {
			n++
		}
	}
	if n != 50 {
		t.Errorf("%d were allowed, want 50", n)
	}
}

func TestKeysHaveOneLimiterOnTheirClock(t *testing.T) {
	b := newBench(t, store.Options{})
	once := store.RateLimit{Requests: 1, Window: time.Hour}
	for i, want := range []bool{true, false, true} {
		if i == 2 {
			b.clock.advance(time.Hour)
		}
		d, err := b.keys.Limiter().Take(b.ctx, "k", once)
		if err != nil || d.Allowed != want {
			t.Errorf("request %d: %+v, %v", i, d, err)
		}
	}
}
