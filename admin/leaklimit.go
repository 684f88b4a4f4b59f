package admin

import (
	"net/netip"
	"sync"
	"time"
)

// maxLeakClients is how many clients a leakLimit tells apart. When there are more at once, the newcomers share one allowance.
const maxLeakClients = 10_000

// leakLimit bounds how many tokens each client reports: burst at once, then one per interval (the generic cell rate algorithm of ATM). It takes
// about a megabyte at most. It is no store.Limiter, which takes one at a time, and forgets somebody when it is full: who was forgotten, and
// whoever comes from a new address, would have all of burst again, and each token of it is a lookup in the database.
type leakLimit struct {
	interval, burst time.Duration // burst: as time at that rate

	mu      sync.Mutex
	full    map[netip.Prefix]time.Time // when the client's allowance is full again; the zero Prefix is all who have no place of their own
	cleared time.Time
}

func newLeakLimit(perMinute, burst int) *leakLimit {
	interval := max(time.Minute/time.Duration(perMinute), 1)
	return &leakLimit{interval: interval, burst: time.Duration(burst) * interval, full: make(map[netip.Prefix]time.Time)}
}

// take takes n from the client's allowance and returns 0, or it takes nothing and returns how long to wait until that will do.
func (l *leakLimit) take(client netip.Prefix, n int, now time.Time) time.Duration {
	if n <= 0 {
		return 0
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	at, known := l.full[client]
	if !known && !l.room(now) {
		client = netip.Prefix{}
		at = l.full[client]
	}
	if at.Before(now) {
		at = now
	}
	at = at.Add(time.Duration(n) * l.interval)
	if wait := at.Sub(now) - l.burst; wait > 0 {
		return wait
	}
	l.full[client] = at
	return 0
}

// room reports whether another client can be told apart. Those whose allowance is full again are forgotten, which is looked into once a
// second at most.
func (l *leakLimit) room(now time.Time) bool {
	if len(l.full) < maxLeakClients {
		return true
	}
	if now.Sub(l.cleared) >= time.Second {
		l.cleared = now
		for client, at := range l.full {
			if !at.After(now) {
				delete(l.full, client)
			}
		}
	}
	return len(l.full) < maxLeakClients
}
