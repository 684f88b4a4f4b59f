package cache

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func TestBreaker(t *testing.T) {
	for _, test := range []struct {
		name  string
		every time.Duration
		calls string // + has succeeded, - has failed
		opens bool
	}{
		{"eight failures", time.Millisecond, "--------", true},
		{"seven failures", time.Millisecond, "-------", false},
		{"eight failures, however rare", time.Minute, "--------", true},
		{"eight failures after successes", time.Millisecond, "++++++++--------", true},
		{"eight failures among more successes", time.Millisecond, "-+-+-+-+-+-+-++-+", false},
		{"successes long ago do not count", 100 * time.Millisecond, "++++++++++++++++++++------------------", true},
		{"failures of other seconds do not count", 300 * time.Millisecond, "-----+-----+-----+", false},
		{"a success closes it", time.Millisecond, "--------+", false},
		{"and all begins again", time.Millisecond, "--------+-------", false},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				told := false
				b := breaker{clock: newSystemClock(), tell: func(open bool) { told = open }}
				for _, call := range test.calls {
					time.Sleep(test.every)
					if call == '+' {
						b.succeeded()
					} else {
						b.failed()
					}
					if told == b.closed() {
						t.Errorf("told: %v, closed: %v", told, b.closed())
					}
				}
				if b.closed() == test.opens {
					t.Errorf("%s: closed: %v", test.calls, b.closed())
				}
			})
		})
	}
}

// setClock shows what it has been set to.
type setClock struct{ at instant }

func (c *setClock) now() instant               { return c.at }
func (c *setClock) read() (instant, time.Time) { return c.at, c.at.time() }

// Failures that come together are no successes of each other.
func TestBreakerCountsFailuresThatComeTogether(t *testing.T) {
	clock := &setClock{}
	b := breaker{clock: clock}
	for burst := 2; burst < breakerFailures; burst++ {
		clock.at.mono += 2 * breakerWindow
		var all sync.WaitGroup
		b.mu.Lock()
		for range burst {
			all.Go(b.failed)
		}
		time.Sleep(5 * time.Millisecond) // most of them have come as far as they can
		b.mu.Unlock()
		all.Wait()
	}
	if b.closed() {
		t.Error("closed after 27 failures and no success")
	}
}
