package soak_test

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/latchkey-go/latchkey/store/storetest/servers"
)

// fault is one thing that goes wrong. do breaks it, lets it last and mends it; the clients go on
// all the time.
type fault struct {
	name string
	do   func(w *world)
	// loses: Redis comes back with less than it had. Together with an instance that has not heard
	// the feed, which on a slow machine happens by itself, this is the exception of protocol 9.
	loses bool
}

// lasting returns how long a fault lasts: around two seconds, longer than every lease and shorter
// than a test.
func (w *world) lasting() time.Duration {
	return 1500*time.Millisecond + time.Duration(w.rng.IntN(1000))*time.Millisecond
}

// victim returns the instance that it hits.
func (w *world) victim() *instance { return w.all[w.rng.IntN(len(w.all))] }

// stopFor is how long a stopped instance stands still.
const stopFor = 10 * time.Second

// databaseFaults are those of PostgreSQL and of the way to it.
func databaseFaults() []fault {
	return []fault{
		{name: "nothing", do: func(w *world) { w.hold(w.lasting()) }},
		{name: "one instance cut off from PostgreSQL: refused", do: func(w *world) {
			w.cutting((*tcpProxy).Cut, w.victim().db)
		}},
		{name: "one instance cut off from PostgreSQL: hangs", do: func(w *world) {
			w.cutting((*tcpProxy).Hang, w.victim().db)
		}},
		{name: "PostgreSQL hangs", do: func(w *world) {
			w.pg.Pause()
			w.hold(w.lasting())
			w.pg.Resume()
		}},
		{name: "PostgreSQL crashes and restarts", do: func(w *world) {
			w.pg.Kill()
			w.hold(w.lasting())
			w.pg.Restart()
		}},
		{name: "PostgreSQL is restarted", do: func(w *world) { w.pg.Restart() }},
	}
}

// instanceFaults need nothing of Redis.
func instanceFaults() []fault {
	return append(databaseFaults(), []fault{
		{name: "an instance is killed in the middle of changes", do: func(w *world) {
			victim := w.victim()
			wait := w.burst(victim, 40)
			// Anywhere between the first commit and the last success.
			w.hold(time.Duration(w.rng.IntN(60)) * time.Millisecond)
			victim.kill()
			w.hold(w.lasting() / 2)
			victim.revive()
			wait()
		}},
		{name: fmt.Sprintf("an instance is stopped for %v", stopFor), do: func(w *world) {
			victim := w.victim()
			victim.stop()
			w.hold(stopFor)
			victim.resume()
		}},
	}...)
}

// poolerFaults are those of a PgBouncer.
func poolerFaults() []fault {
	return []fault{
		{name: "PgBouncer crashes and restarts", do: func(w *world) { w.bouncer.Restart() }},
	}
}

// redisPathFaults need a proxy between each instance and Redis.
func redisPathFaults() []fault {
	return []fault{
		{name: "one instance cut off from Redis: refused", do: func(w *world) {
			w.cutting((*tcpProxy).Cut, w.victim().redis)
		}},
		{name: "one instance cut off from Redis: hangs", do: func(w *world) {
			w.cutting((*tcpProxy).Hang, w.victim().redis)
		}},
	}
}

// tcpProxy is short for what stands between an instance and a server.
type tcpProxy = servers.TCPProxy

// cutting breaks connections for a while.
func (w *world) cutting(how func(*tcpProxy), proxies ...*tcpProxy) {
	for _, p := range proxies {
		how(p)
	}
	w.hold(w.lasting())
	for _, p := range proxies {
		p.Heal()
	}
}

// burst begins n revokes at one instance, all at once. The function it returns waits until all have
// succeeded, there or elsewhere.
func (w *world) burst(at *instance, n int) (wait func()) {
	var all sync.WaitGroup
	for range n {
		k := w.ledger.take(0)
		if k == nil {
			break
		}
		all.Go(func() { w.end(at, k) })
	}
	return all.Wait
}

// severalAtOnce hits whatever it likes, everything overlapping. Only strict mode promises anything
// then.
func severalAtOnce(one *standalone) fault {
	return fault{name: "several of these at once", loses: true, do: func(w *world) {
		a, b, c := w.victim(), w.victim(), w.victim()
		all := []struct{ begin, end func() }{
			{a.db.Cut, a.db.Heal},
			{b.db.Hang, b.db.Heal},
			{a.redis.Cut, a.redis.Heal},
			{c.redis.Hang, c.redis.Heal},
			{one.server.Pause, one.server.Resume},
			{func() { one.save(w) }, func() { one.server.Kill(); one.server.Restart(); one.forgetDump(w) }},
			{w.pg.Pause, w.pg.Resume},
			{one.flush, func() {}},
		}
		chosen := w.rng.Perm(len(all))[:2+w.rng.IntN(3)]
		for _, n := range chosen {
			all[n].begin()
			w.hold(time.Duration(w.rng.IntN(600)) * time.Millisecond)
		}
		w.hold(w.lasting())
		w.rng.Shuffle(len(chosen), func(i, j int) { chosen[i], chosen[j] = chosen[j], chosen[i] })
		for _, n := range chosen {
			all[n].end()
			w.hold(time.Duration(w.rng.IntN(600)) * time.Millisecond)
		}
	}}
}

// script runs faults in random order, each followed by the return to normal, while clients are at
// work. It stops early at deadline.
func (w *world) script(l load, faults []fault, deadline time.Time) {
	w.t.Helper()
	stop := w.run(l)
	defer stop()
	defer w.progress()()
	shuffled(w.rng, faults, func(f fault) bool {
		w.report.begin(f.name)
		if f.loses {
			w.mayLose.Store(true)
		}
		f.do(w)
		w.settle()
		return deadline.IsZero() || time.Now().Before(deadline)
	})
}

// shuffled calls do with each fault in random order until it returns false.
func shuffled(rng *rand.Rand, faults []fault, do func(fault) bool) {
	for _, n := range rng.Perm(len(faults)) {
		if !do(faults[n]) {
			return
		}
	}
}

// progress prints a line every few seconds until the function that it returns is called.
func (w *world) progress() (stop func()) {
	end := make(chan struct{})
	var printing sync.WaitGroup
	printing.Go(func() {
		ticks := time.NewTicker(5 * time.Second)
		defer ticks.Stop()
		for {
			select {
			case <-ticks.C:
				w.t.Logf("%6.0fs %s", time.Since(w.began).Seconds(), w.report.progress())
			case <-end:
				return
			}
		}
	})
	return func() {
		close(end)
		printing.Wait()
	}
}
