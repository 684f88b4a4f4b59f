package soak_test

import (
	"math/rand/v2"
	"sync"
)

// ledger is the list of keys that clients use. A key that somebody changes is taken out meanwhile,
// so that nobody else changes it; it goes on being used by those who have seen it.
type ledger struct {
	mu   sync.Mutex
	live []*key
	dead []*key
}

// graves bounds the revoked keys that are still tried.
const graves = 5000

func (l *ledger) add(keys ...*key) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.live = append(l.live, keys...)
}

// take removes some live key; nil when there are less than spare.
func (l *ledger) take(spare int) *key {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.live) <= spare {
		return nil
	}
	n := rand.IntN(len(l.live))
	k := l.live[n]
	l.live[n] = l.live[len(l.live)-1]
	l.live = l.live[:len(l.live)-1]
	return k
}

func (l *ledger) bury(k *key) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.dead) == graves {
		l.dead = append(l.dead[:0], l.dead[graves/2:]...)
	}
	l.dead = append(l.dead, k)
}

func (l *ledger) alive() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.live)
}

// some returns a key to be used: a live one, one that was revoked a moment ago, or an older dead
// one. nil: none is there yet.
func (l *ledger) some() *key {
	l.mu.Lock()
	defer l.mu.Unlock()
	fresh := l.dead[max(0, len(l.dead)-50):]
	switch n := rand.IntN(100); {
	case n < 25 && len(fresh) > 0:
		return fresh[rand.IntN(len(fresh))]
	case n < 35 && len(l.dead) > 0:
		return l.dead[rand.IntN(len(l.dead))]
	case len(l.live) > 0:
		return l.live[rand.IntN(len(l.live))]
	}
	return nil
}
