package cache

import (
	"sync"
	"testing"
	"time"

	"github.com/latchkey-go/latchkey/store/storetest"
)

func TestBreaker(t *testing.T) {
	storetest.Breaker(t, func(t *testing.T) (report func(ok bool), closed func() bool) {
		told := false
		b := &breaker{clock: newSystemClock(), tell: func(open bool) { told = open }}
		return func(ok bool) {
			if ok {
				b.succeeded()
			} else {
				b.failed()
			}
			if told == b.closed() {
				t.Errorf("told: %v, closed: %v", told, b.closed())
			}
		}, b.closed
	})
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
