package store

import (
	"context"
	"math"
	"sync"
	"time"
)

// defaultLimited is how many keys a Limiter remembers: some 10 MB.
const defaultLimited = 100_000

// Limiter counts requests against rate limits in the memory of this process. Its zero value is ready; it has no background work and
// nothing to close. Its methods may be called from many goroutines at once.
type Limiter struct {
	// Max bounds how many keys are remembered. Who has all of its requests left need not be; when all have made some, those that
	// made the fewest are forgotten first, and start anew.
	// Optional. Default: 100 000.
	Max int
	// Now is the clock. Set back, it makes nobody wait for longer than one window.
	// Optional. Default: time.Now.
	Now func() time.Time

	mu    sync.Mutex
	epoch time.Time
	free  map[string]time.Duration // when the key will have all of its requests left, counted from epoch
}

// Take counts one request of key and says whether limit allows it. A refused request takes nothing. Keys that mean different things
// (ids, addresses) need Limiters of their own. The error is always nil, and ctx is not asked: they are there for limiters that
// count elsewhere.
func (l *Limiter) Take(_ context.Context, key string, limit RateLimit) (Decision, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.elapsed()
	free, known := l.free[key]
	taken, decision := limit.Spend(free - now)
	if taken == 0 {
		return decision, nil
	}
	if !known {
		l.makeRoom(now)
	}
	l.free[key] = now + taken
	return decision, nil
}

// Peek says what Take would, and counts nothing.
func (l *Limiter) Peek(key string, limit RateLimit) Decision {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.elapsed()
	_, decision := limit.Spend(l.free[key] - now)
	return decision
}

// elapsed returns the time since the first call, which is monotonic if the clock is. Called with mu held.
func (l *Limiter) elapsed() time.Duration {
	clock := l.Now
	if clock == nil {
		clock = time.Now
	}
	now := clock()
	if l.free == nil {
		l.free, l.epoch = make(map[string]time.Duration), now
	}
	return now.Sub(l.epoch)
}

// makeRoom looks at a few of those remembered, in the map's random order: it forgets those that have all of their requests left, and
// one more if there is still no room. Called with mu held.
func (l *Limiter) makeRoom(now time.Duration) {
	const look = 8
	most := l.Max
	if most <= 0 {
		most = defaultLimited
	}
	looked, victim, soonest := 0, "", time.Duration(math.MaxInt64)
	for key, free := range l.free {
		if free <= now {
			delete(l.free, key)
		} else if free < soonest {
			victim, soonest = key, free
		}
		if looked++; looked == look {
			break
		}
	}
	if len(l.free) >= most {
		delete(l.free, victim)
	}
}
