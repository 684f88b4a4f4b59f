package cache

import (
	"sync"
	"sync/atomic"
	"time"
)

// The breaker opens when at least breakerFailures calls, and half of all calls, of the current window have failed. A window in which none
// has succeeded does not end: calls may be rare. Open, it is probed every breakerPause.
const (
	breakerFailures = 8
	breakerWindow   = time.Second
	breakerPause    = 200 * time.Millisecond
)

// breaker spares requests the wait for a Redis that does not answer. It is about speed alone: what is right or wrong never depends
// on it, and changes and repairs do not ask it. While it is open, repairs are its probes, so that no request is the one that finds
// out; the first call that succeeds closes it.
type breaker struct {
	clock clock
	tell  func(open bool) // may be nil

	open  atomic.Bool
	calls atomic.Int64

	mu       sync.Mutex
	failures int64
	began    instant // the window
	probed   instant
	opened   atomic.Int64 // how often
}

func (b *breaker) closed() bool { return !b.open.Load() }

func (b *breaker) succeeded() {
	b.calls.Add(1)
	if !b.open.Load() {
		return
	}
	b.mu.Lock()
	was := b.open.Swap(false)
	b.restart()
	b.mu.Unlock()
	if was && b.tell != nil {
		b.tell(false)
	}
}

func (b *breaker) failed() {
	b.mu.Lock()
	b.calls.Add(1) // here, or failures that wait for the lock would look like successes
	if now := b.clock.now(); now.elapsed(b.began) > breakerWindow && b.calls.Load() > b.failures+1 {
		b.restart()
		b.calls.Store(1)
	}
	b.failures++
	trip := b.failures >= breakerFailures && 2*b.failures >= b.calls.Load() && !b.open.Swap(true)
	if trip {
		b.probed = b.clock.now()
		b.opened.Add(1)
	}
	b.mu.Unlock()
	if trip && b.tell != nil {
		b.tell(true)
	}
}

// restart begins a new window. Called with mu held.
func (b *breaker) restart() {
	b.failures = 0
	b.calls.Store(0)
	b.began = b.clock.now()
}

// wantsProbe reports, once per pause, that an open breaker should be tried.
func (b *breaker) wantsProbe() bool {
	if b.closed() {
		return false
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.clock.now()
	if now.elapsed(b.probed) < breakerPause {
		return false
	}
	b.probed = now
	return true
}
