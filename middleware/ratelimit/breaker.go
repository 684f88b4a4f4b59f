package ratelimit

import (
	"sync"
	"time"
)

// The breaker opens when at least breakerFailures calls, and half of all calls, of the current window have failed. A window in which none
// has succeeded does not end: calls may be rare. Open, it lets one call through every breakerPause.
const (
	breakerFailures = 8
	breakerWindow   = time.Second
	breakerPause    = 200 * time.Millisecond
)

// breaker spares requests the wait for a Redis that does not answer. The first call that succeeds closes it. Its zero value is closed.
type breaker struct {
	mu              sync.Mutex
	open            bool
	calls, failures int
	began           time.Time // the window
	probed          time.Time
}

// state reports whether Redis should be asked, and if not, once per pause, that it is to be tried beside the request.
func (b *breaker) state() (closed, probe bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.open {
		return true, false
	}
	now := time.Now()
	if now.Sub(b.probed) < breakerPause {
		return false, false
	}
	b.probed = now
	return false, true
}

// report tells how a call ended, and returns whether that has opened or closed the breaker.
func (b *breaker) report(ok bool) (changed bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := time.Now()
	if now.Sub(b.began) > breakerWindow && b.calls > b.failures || b.open && ok {
		b.began, b.calls, b.failures = now, 0, 0
	}
	b.calls++
	if ok {
		changed, b.open = b.open, false
		return changed
	}
	b.failures++
	if b.open || b.failures < breakerFailures || 2*b.failures < b.calls {
		return false
	}
	b.open, b.probed = true, now
	return true
}

func (b *breaker) closed() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return !b.open
}
