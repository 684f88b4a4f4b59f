package cache

import (
	"math/bits"
	"sync"
	"time"
)

// chance is the source of everything random in a run: a short stream of numbers that depends only
// on the seed, its purpose and the moment. Goroutines do not share streams, so their order does not
// matter.
type chance struct{ state uint64 }

// mix is the finalizer of splitmix64: every bit of what goes in changes about half of what comes
// out.
func mix(x uint64) uint64 {
	x ^= x >> 30
	x *= 0xbf58476d1ce4e5b9
	x ^= x >> 27
	x *= 0x94d049bb133111eb
	return x ^ x>>31
}

func mixText(h uint64, s string) uint64 {
	for i := range len(s) {
		h = (h ^ uint64(s[i])) * 0x100000001b3
	}
	return mix(h + uint64(len(s)))
}

func (c *chance) next() uint64 {
	c.state += 0x9e3779b97f4a7c15
	return mix(c.state)
}

// below returns a number from 0 to n-1.
func (c *chance) below(n int) int {
	hi, _ := bits.Mul64(c.next(), uint64(n))
	return int(hi)
}

// percent is true n times in a hundred.
func (c *chance) percent(n int) bool { return c.below(100) < n }

// between returns a duration in [from, to), exact to the nanosecond, so that no two are the same.
func (c *chance) between(from, to time.Duration) time.Duration {
	return from + time.Duration(c.below(int(to-from)))
}

// skewed returns a duration in [from, to), short ones more often, but no moment more often than its
// neighbours by far: what begins together shall not go on together.
func (c *chance) skewed(from, to time.Duration) time.Duration {
	f := float64(c.below(1<<30)) / (1 << 30)
	apart := min((to-from)/2, 100*time.Microsecond)
	return from + time.Duration(f*f*f*float64(to-from-apart)) + time.Duration(c.below(int(apart)))
}

// occasion is a purpose and a moment. Several streams may be drawn for one.
type occasion struct {
	what  string
	who   int
	about uint64
	times uint64
}

// occasions are those of the moment.
type occasions struct {
	mu  sync.Mutex
	at  time.Duration
	all []occasion
}

// nth returns how often a stream was drawn for this occasion.
func (o *occasions) nth(now time.Duration, what string, who int, about uint64) uint64 {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.at != now {
		o.at, o.all = now, o.all[:0]
	}
	for i := range o.all {
		if same := &o.all[i]; same.what == what && same.who == who && same.about == about {
			same.times++
			return same.times
		}
	}
	o.all = append(o.all, occasion{what: what, who: who, about: about})
	return 0
}

// chance returns the stream for one occasion. Each further stream for the same occasion is another
// one.
func (w *world) chance(what string, who int, about uint64) chance {
	now := w.now()
	h := mix(w.seed + 0x9e3779b97f4a7c15)
	h = mix(h ^ uint64(now))
	h = mixText(h^uint64(who+1), what)
	h = mix(h ^ about)
	return chance{mix(h + w.occasions.nth(now, what, who, about))}
}
