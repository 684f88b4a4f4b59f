package admin

import (
	"net/netip"
	"sync"
	"time"
)

// maxLeakClients is how many clients a leakLimit counts separately. Further clients share one
// allowance.
const maxLeakClients = 10_000

// leakLimit bounds how many tokens each client reports: burst at once, then one per interval
// (GCRA). It takes about a megabyte at most. A store.Limiter would not do: it takes one request at
// a time, and when it is full it evicts clients, which then have the whole burst again. Each token
// of a burst is a lookup in the database.
type leakLimit struct {
	interval, burst time.Duration // burst is the number of tokens, times interval

	mu sync.Mutex
	// full holds when each client's allowance is full again. The zero Prefix stands for all clients
	// that are not counted separately.
	full    map[netip.Prefix]time.Time
	cleared time.Time
}

func newLeakLimit(perMinute, burst int) *leakLimit {
	interval := max(time.Minute/time.Duration(perMinute), 1)
	return &leakLimit{interval: interval, burst: time.Duration(burst) * interval, full: make(map[netip.Prefix]time.Time)}
}

// take takes n from the client's allowance and returns 0. If the allowance is too small, it takes
// nothing and returns the time until it suffices.
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

// room reports whether one more client can be counted separately. At most once a second it evicts
// clients whose allowance is full again.
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
