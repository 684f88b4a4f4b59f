package redisfault

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Without a refusal, a Breaker opens when at least maxFailures calls, and half of all calls, of the
// current window have failed. A window ends only after a success, because calls may be rare.
const (
	maxFailures = 8
	window      = time.Second
	pause       = 200 * time.Millisecond // between probes
)

// If a refusal returns within relapse, the next recovery takes longer: probes must succeed for a
// while, at most maxCalm. So a server at the edge of its memory does not fill the log.
const (
	relapse = time.Minute
	maxCalm = 2 * time.Minute
)

// Fault is why calls of one kind fail now. The zero value: they do not.
type Fault struct {
	Word  string
	Since time.Time
}

// Breaker reports whether calls of one kind are worth making. It affects speed and reporting only:
// correctness must not depend on it. One refusal opens it, because the next call would be refused
// too. Then only a probe closes it: a successful call that does not do the refused thing proves
// nothing. Other failures open it when there are many, and any success closes it.
//
// The zero value is ready to use.
type Breaker struct {
	// OnChange is called when a fault begins or ends, and when it gets a new word. At the end, is
	// is zero and err is nil. Optional.
	OnChange func(was, is Fault, err error)

	open   atomic.Bool
	calls  atomic.Int64
	opened atomic.Uint64

	mu        sync.Mutex
	now       func() time.Time // nil: time.Now
	fault     Fault
	reported  []string // the words of this fault so far
	failures  int64
	began     time.Time // start of the window
	probed    time.Time
	wellSince time.Time // probes have succeeded since then
	ended     time.Time // end of the last refusal
	calm      time.Duration
}

// Closed reports whether calls should be made.
func (b *Breaker) Closed() bool { return !b.open.Load() }

// Opened returns how often the breaker has opened.
func (b *Breaker) Opened() uint64 { return b.opened.Load() }

// Fault returns the current fault, zero while the breaker is closed.
func (b *Breaker) Fault() Fault {
	if b.Closed() {
		return Fault{}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.fault
}

// Succeeded must be called after each successful call.
func (b *Breaker) Succeeded() {
	b.calls.Add(1)
	if b.open.Load() {
		b.close(false)
	}
}

// Probed must be called after a successful probe that has done everything that can be refused.
func (b *Breaker) Probed() {
	if b.open.Load() {
		b.close(true)
	}
}

func (b *Breaker) close(probe bool) {
	b.mu.Lock()
	was, now := b.fault, b.time()
	over := b.open.Load() && (probe || !isRefusal(was.Word))
	if over && isRefusal(was.Word) {
		if b.wellSince.IsZero() {
			b.wellSince = now
		}
		if over = now.Sub(b.wellSince) >= b.calm; over {
			b.ended = now
		}
	}
	if over {
		b.open.Store(false)
		b.fault, b.reported = Fault{}, nil
		b.restart(now)
	}
	b.mu.Unlock()
	if over && b.OnChange != nil {
		b.OnChange(was, Fault{}, nil)
	}
}

// Failed must be called after each failed call.
func (b *Breaker) Failed(err error) {
	word := Word(err)
	b.mu.Lock()
	was, now := b.fault, b.time()
	trips := isRefusal(word)
	if trips {
		b.restart(now)
		b.wellSince = time.Time{}
	} else {
		b.calls.Add(1) // under mu, or failures that wait for mu would count as successes
		if now.Sub(b.began) > window && b.calls.Load() > b.failures+1 {
			b.restart(now)
			b.calls.Store(1)
		}
		b.failures++
		// An open breaker does not change: Unreachable and Other may alternate.
		trips = b.failures >= maxFailures && 2*b.failures >= b.calls.Load() && (was.Word == "" || isRefusal(was.Word))
	}
	report := false
	if trips && word != was.Word {
		if !b.open.Swap(true) {
			b.opened.Add(1)
			b.probed = now
		}
		if isRefusal(word) && !isRefusal(was.Word) {
			b.relapsed(now)
		}
		b.fault = Fault{Word: word, Since: now}
		if report = !slices.Contains(b.reported, word); report {
			b.reported = append(b.reported, word)
		}
	}
	is := b.fault
	b.mu.Unlock()
	if report && b.OnChange != nil {
		b.OnChange(was, is, err)
	}
}

// relapsed sets how long probes must succeed before the new refusal ends.
func (b *Breaker) relapsed(now time.Time) {
	if b.ended.IsZero() || now.Sub(b.ended) > relapse {
		b.calm = 0
		return
	}
	b.calm = min(max(time.Second, 2*b.calm), maxCalm)
}

// restart begins a new window. Called with mu held.
func (b *Breaker) restart(now time.Time) {
	b.failures = 0
	b.calls.Store(0)
	b.began = now
}

// WantsProbe reports, once per pause, whether to probe an open breaker.
func (b *Breaker) WantsProbe() bool {
	if b.Closed() {
		return false
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.time()
	if now.Sub(b.probed) < pause {
		return false
	}
	b.probed = now
	return true
}

func (b *Breaker) time() time.Time {
	if b.now != nil {
		return b.now()
	}
	return time.Now()
}
