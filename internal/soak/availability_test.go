package soak_test

import (
	"context"
	"net/http"
	"sync"
	"testing"
	"time"
)

// calm is a load without changes: what is measured under it is what the fault costs.
var calm = load{readers: 4, pause: 3 * time.Millisecond, stock: 200}

// warm has keys used at every instance until they are in the memory of all.
func (w *world) warm(keys []*key) {
	w.t.Helper()
	for _, i := range w.all {
		for _, k := range keys {
			w.eventually("a valid key is let in", func() bool { return w.use(i, k, k.token).status == http.StatusOK })
		}
	}
}

func (w *world) inside(i *instance) state {
	w.t.Helper()
	s, err := i.stats(w.client)
	if err != nil {
		w.t.Fatal(err)
	}
	return s
}

// TestRedisLostMore: without Redis no request fails, and the database is read at most once per hot
// key, instance and L1 lifetime.
func TestRedisLostMore(t *testing.T) {
	for _, c := range []struct {
		name       string
		lose, mend func(n *node)
	}{
		{name: "Redis refuses", lose: func(n *node) { n.Kill() }, mend: func(n *node) { n.Restart() }},
		{name: "Redis hangs", lose: func(n *node) { n.Pause() }, mend: func(n *node) { n.Resume() }},
	} {
		t.Run(c.name, func(t *testing.T) {
			// Of records that were loaded within the last seconds, none reaches the end of its
			// lifetime meanwhile.
			w := newWorld(t, setup{flags: []string{"-l1-ttl", "10m"}}, 1)
			w.stock(calm.stock)
			hot := len(w.ledger.live)
			w.warm(w.ledger.live[:hot/2])
			before := make([]state, len(w.all))
			for n, i := range w.all {
				before[n] = w.inside(i)
			}
			server := w.redis.(*standalone).server
			w.report.begin(c.name)
			c.lose(server)
			stop := w.run(calm)
			w.hold(3 * time.Second)
			for n, i := range w.all {
				now := w.inside(i)
				reads, stale := now.Cache.StoreLookups-before[n].Cache.StoreLookups, now.Cache.StaleLookups-before[n].Cache.StaleLookups
				t.Logf("instance %d: %d hits in memory, %d database reads for %d hot keys, half of which it had in memory, %d reads for want of the feed; breaker %s",
					n, now.Cache.Hits-before[n].Cache.Hits, reads, hot, stale, now.Cache.Breaker)
				// A machine that is too slow for the lease sends lookups to the database for that
				// reason alone.
				if reads > uint64(hot)+stale {
					t.Errorf("instance %d: %d database reads for %d hot keys", n, reads, hot)
				}
			}
			c.mend(server)
			w.settle()
			stop()
			w.report.check(t)
			if s := w.report.sum(); s.accepted != s.requests {
				t.Errorf("%d of %d requests failed", s.requests-s.accepted, s.requests)
			}
		})
	}
}

// TestDatabaseLostMore: keys that Redis knows are let in for MaxStale, others cannot be decided; in
// strict mode nothing can after the lease.
func TestDatabaseLostMore(t *testing.T) {
	for _, c := range []struct {
		name  string
		setup setup
		stale bool // known keys are let in for a while
	}{
		{"known keys are let in until MaxStale", setup{instances: 2, flags: []string{"-max-stale", "8s"}}, true},
		{"strict: nothing is decided after the lease", setup{instances: 2, strict: true}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, c.setup, 1)
			w.ledger.add(w.create(w.all[0], 50)...)
			w.warm(w.ledger.live)
			w.eventually("all keys are in Redis", func() bool {
				known, err := w.redis.(*standalone).server.rdb.Keys(context.Background(), "*:e:*").Result()
				return err == nil && len(known) >= 50
			})
			w.report.begin(c.name)
			lost := time.Now()
			w.pg.Kill()
			i, k := w.all[0], w.ledger.live[0]
			w.eventually("the lease is over", func() bool { return !w.inside(i).Cache.Fresh })
			if a := w.use(i, nil, w.token()); a.status != http.StatusServiceUnavailable {
				t.Errorf("an unknown token: %d", a.status)
			}
			if c.stale {
				for _, k := range w.ledger.live {
					w.eventually("a key that Redis knows is let in", func() bool { return w.use(i, k, k.token).status == http.StatusOK })
				}
				t.Logf("%d of %d keys let in from Redis, %v after the loss", len(w.ledger.live), len(w.ledger.live), time.Since(lost).Round(time.Millisecond))
			}
			w.eventually("the known key cannot be decided any more", func() bool { return w.use(i, k, k.token).status == http.StatusServiceUnavailable })
			t.Logf("503 for a known key %v after the loss", time.Since(lost).Round(time.Millisecond))
			for range 20 {
				if a := w.use(i, k, k.token); a.status != http.StatusServiceUnavailable {
					t.Errorf("afterwards: %d", a.status)
				}
			}
			w.pg.Restart()
			w.settle()
			if a := w.use(i, k, k.token); a.status != http.StatusOK {
				t.Errorf("when the database is back: %d", a.status)
			}
			w.report.check(t)
		})
	}
}

// TestNothingPilesUp: database and Redis hang, and impatient clients give up and come again. What
// they left behind must not add up.
func TestNothingPilesUp(t *testing.T) {
	const (
		clients  = 100
		patience = 100 * time.Millisecond
		most     = 2000 // goroutines: clients, and the places in the cache's queues
	)
	w := newWorld(t, setup{instances: 1}, 1)
	i := w.all[0]
	before := w.inside(i).Goroutines
	i.db.Hang()
	i.redis.Hang()
	end := time.Now().Add(4 * time.Second)
	impatient := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: clients}}
	defer impatient.CloseIdleConnections()
	tokens := make([]string, clients)
	for n := range tokens {
		tokens[n] = w.token()
	}
	var all sync.WaitGroup
	for n := range clients {
		all.Go(func() {
			for time.Now().Before(end) {
				ctx, cancel := context.WithTimeout(context.Background(), patience)
				r, _ := http.NewRequestWithContext(ctx, http.MethodGet, *i.base.Load()+"/key", nil)
				r.Header.Set("X-Api-Key", tokens[n])
				if answer, err := impatient.Do(r); err == nil {
					answer.Body.Close()
				}
				cancel()
			}
		})
	}
	peak := 0
	for time.Now().Before(end) {
		peak = max(peak, w.inside(i).Goroutines)
		time.Sleep(20 * time.Millisecond)
	}
	all.Wait()
	if peak > most {
		t.Errorf("%d goroutines", peak)
	}
	// One request that waits as long as it takes.
	a := w.use(i, nil, w.token())
	if a.status != http.StatusServiceUnavailable {
		t.Errorf("status %d", a.status)
	}
	i.db.Heal()
	i.redis.Heal()
	w.settle()
	impatient.CloseIdleConnections()
	w.client.CloseIdleConnections()
	w.eventually("the goroutines are gone", func() bool { return w.inside(i).Goroutines <= before+20 })
	t.Logf("%d goroutines before, at most %d, %d after; a request with both hanging took %v; normal again after %v",
		before, peak, w.inside(i).Goroutines, time.Duration(a.ended-a.began).Round(time.Millisecond), w.report.sum().recovery.Round(time.Millisecond))
	w.report.check(t)
}
