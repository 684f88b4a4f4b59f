package store

import (
	"context"
	"math"
	"sync"
	"time"
)

// defaultLimited is the default of Limiter.Max; so many keys take about 10 MB.
const defaultLimited = 100_000

// Limiter counts requests against rate limits in the memory of this process. The zero value is
// ready to use. It has no background work and need not be closed. Its methods are safe for
// concurrent use.
type Limiter struct {
	// Max is the maximum number of keys in memory. Keys with a full allowance take no space. When
	// the table is full, keys with little use are evicted first; they start again with a full
	// allowance. Optional. Default: 100 000.
	Max int
	// Now is the clock. If it is set back, a key waits for at most one window. Optional. Default:
	// time.Now.
	Now func() time.Time

	mu    sync.Mutex
	epoch time.Time
	free  map[string]time.Duration // when the key will have its full allowance again, since epoch
}

// Take counts one request of key and returns whether limit allows it. A refused request is not
// counted. Keys of different kinds (ids, addresses) need separate Limiters. The error is always nil
// and ctx is not used; other limiters, which count elsewhere, need both.
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

// Peek returns the decision that Take would return, without counting.
func (l *Limiter) Peek(key string, limit RateLimit) Decision {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.elapsed()
	_, decision := limit.Spend(l.free[key] - now)
	return decision
}

// elapsed returns the time since the first call. It is monotonic if the clock is. mu must be held.
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

// makeRoom checks a few keys in the map's random order. It removes those with a full allowance and,
// if the table is still full, the one that will be full soonest. mu must be held.
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
