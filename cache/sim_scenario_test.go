package cache

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"testing"
	"time"
)

// scenario is a run whose faults come at chosen moments. Judged is every read, as always; there are
// 3 hosts and no tolerance.
type scenario struct {
	name     string
	maxStale time.Duration
	play     func(w *world)
}

var background = context.Background()

// must makes a change that has to succeed, and returns how long it took.
func (w *world) must(on int, v verb, key int) time.Duration {
	began := w.now()
	if err := w.change(background, w.hosts[on].current.Load(), v, []int{key}); err != nil {
		w.truth.accuse("%v: change at host %d: %v", w.now(), on, err)
	}
	return w.now() - began
}

// ask reads a key at a host; the oracle judges the answer.
func (w *world) ask(on, key int) (int64, error) {
	return w.read(background, w.hosts[on].current.Load(), key, "")
}

// watch reads a key at a host all the time.
func (w *world) watch(on, key int, lasts time.Duration) {
	w.running.Go(func() {
		for end := w.now() + lasts; w.now() < end; {
			c := w.chance("watch", on, 0)
			time.Sleep(c.between(2*time.Millisecond, 8*time.Millisecond))
			if p := w.hosts[on].current.Load(); p != nil {
				_, _ = w.read(background, p, key, "")
			}
		}
	})
}

// set changes the weather for good.
func (w *world) set(change func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	change()
}

// deafen loses every message.
func (w *world) deafen() { w.set(func() { w.bus.weather.drop = 100 }) }

// cut disconnects a host from the store, after a poll, until lifted.
func (w *world) cut(on int) (lift func()) {
	h, c := w.hosts[on], &condition{refuse: true}
	w.set(func() { h.toStore.begin(c); h.trouble.begin() })
	return func() { w.set(func() { h.toStore.end(c); h.trouble.end(w.now()) }) }
}

// inRedis puts a key into Redis and into the memory of every host.
func (w *world) inRedis(key int) {
	for on := range w.hosts {
		_, _ = w.ask(on, key)
		time.Sleep(5 * time.Millisecond)
	}
}

// head is the store's newest event.
func (w *world) head() int64 {
	feed, err := w.store.current().Feed(background, maxEventID, 1)
	w.want(err == nil, "head", err)
	return feed.Head
}

// afterPoll returns when a host has just polled.
func (w *world) afterPoll(on int) {
	c := w.hosts[on].current.Load().cache
	for before := c.count.polls.Load(); c.count.polls.Load() == before; {
		time.Sleep(time.Millisecond)
	}
}

// nobodyWaitsFor cuts a host from the store and from messages, until its row has lapsed.
func (w *world) nobodyWaitsFor(on int) {
	h := w.hosts[on]
	w.cut(on)
	w.set(func() {
		w.bus.hangUp(h)
		h.toRedis.begin(&condition{only: "redis.subscribe", refuse: true})
	})
	time.Sleep(35 * time.Second)
}

// restoreUnpolled restores the store to before a change that all hosts but the changer know only
// from its message and from Redis. Host 1 has the new record of key 1 in memory.
func (w *world) restoreUnpolled() {
	w.inRedis(0)
	w.inRedis(1)
	at := w.head()
	w.afterPoll(1)
	w.must(0, update, 1)
	_, _ = w.ask(0, 1)
	time.Sleep(5 * time.Millisecond)
	_, _ = w.ask(1, 1) // from Redis
	w.restore(at)
	time.Sleep(1500 * time.Millisecond) // no reads now: until the next poll, answers are from another history
}

// overtakeItself restores the store, and has it grow beyond its old self before Redis is back.
func (w *world) overtakeItself() {
	for range 10 {
		w.must(0, update, 0)
		w.must(0, update, 1)
	}
	w.inRedis(0)
	w.inRedis(1)
	time.Sleep(300 * time.Millisecond) // what is known from messages alone may have been forged, and proves no restore
	at := w.head()
	c := &condition{hang: true}
	w.set(func() { w.redis.weather.begin(c) })
	w.restore(at - 10)
	time.Sleep(2 * time.Second) // no reads now: until the next poll, answers are from another history
	w.must(0, update, 1)
	for range 12 {
		w.must(0, update, 0)
	}
	w.set(func() { w.redis.weather.end(c) })
	time.Sleep(1500 * time.Millisecond) // until it is in use again, with everything that it held when it was out of reach
	for range 10 {
		time.Sleep(20 * time.Millisecond)
		for on := range w.hosts {
			_, _ = w.ask(on, 0)
			_, _ = w.ask(on, 1)
		}
	}
}

// leaveUnsettled makes a change whose caller leaves before anybody can have acknowledged it.
func (w *world) leaveUnsettled(on, key int) {
	changing, giveUp := context.WithTimeout(background, 20*time.Millisecond)
	defer giveUp()
	err := w.change(changing, w.hosts[on].current.Load(), update, []int{key})
	w.want(errors.Is(err, context.DeadlineExceeded), "no success before anybody has polled", err)
}

// knownAndLost has the store lose a change of key 1 that all have polled and have in memory, just
// after a poll of a host.
func (w *world) knownAndLost(on int) {
	since := w.now()
	w.must(0, update, 1)
	w.inRedis(1)
	time.Sleep(300 * time.Millisecond)
	w.inRedis(1) // the polls have dropped it again
	w.afterPoll(on)
	w.lose(since)
}

// noticed returns when everybody must have noticed what has been lost.
func (w *world) noticed() { time.Sleep(w.truth.lossy - w.now() + 1) }

// hitsRedis reads a key at a host that does not have it in memory, and wants it to come from Redis,
// or not to.
func (w *world) hitsRedis(on, key int, from bool) {
	c := w.hosts[on].current.Load().cache
	before := c.count.redisHits.Load()
	_, _ = w.ask(on, key)
	w.want((c.count.redisHits.Load() > before) == from, "a read that comes from Redis or does not", c.Stats())
}

// want accuses when something is not as it should be.
func (w *world) want(ok bool, what string, got any) {
	if !ok {
		w.truth.accuse("%v: %s: got %v", w.now(), what, got)
	}
}

var scenarios = []scenario{
	{"T5: a load is under way while a gap in the feed, or an event that names no key, makes memory be dropped", Strict, func(w *world) {
		h := w.hosts[1]
		w.deafen()
		w.set(func() {
			h.toRedis.begin(&condition{refuse: true})
			h.toStore.begin(&condition{only: "store.lookup", wait: 850 * time.Millisecond})
			h.trouble.begin()
		})
		for _, v := range []verb{thousand, upgrade, thousand, upgrade} { // too many events to be replayed one by one, or one that names no key
			w.must(1, update, 0) // it is in the memory of host 1 no more
			w.running.Go(func() { _, _ = w.ask(1, 0) })
			time.Sleep(5 * time.Millisecond)
			w.must(0, v, 0)
			for range 3 {
				w.running.Go(func() { _, _ = w.ask(1, 0) })
				time.Sleep(20 * time.Millisecond)
			}
			time.Sleep(2 * time.Second)
		}
	}},
	{"T9: nobody hears of the change, and it takes a poll, or WAIT when nobody can say so in its row", Strict, func(w *world) {
		w.inRedis(0)
		for _, lose := range []func(){
			func() { w.bus.weather.drop = 100 },
			func() { w.bus.weather.drop = 0; w.bus.hangUp(nil) },
		} {
			w.set(lose)
			w.watch(1, 0, 2*time.Second)
			took := w.must(0, update, 0)
			w.want(took > 20*time.Millisecond && took < 400*time.Millisecond, "a change that nobody has heard of takes a poll", took)
		}
		time.Sleep(time.Second)
		mute := &condition{only: "store.acknowledge", refuse: true}
		w.set(func() { w.bus.weather.drop = 100; w.store.weather.begin(mute) })
		took := w.must(0, update, 0)
		w.want(took > 900*time.Millisecond, "a change that nobody acknowledges takes WAIT", took)
		w.set(func() { w.bus.weather.drop = 0; w.store.weather.end(mute) })
		time.Sleep(time.Second)
		took = w.must(0, update, 0)
		w.want(took < 100*time.Millisecond, "the connection is back", took)
	}},
	{"T10: a process joins while a change is made, before its commit or after it, before its members are read or after that", Strict, func(w *world) {
		h := w.hosts[1]
		w.set(func() {
			h.toRedis.begin(&condition{only: "redis.subscribe", refuse: true}) // it knows by its polls alone
			w.hosts[0].toStore.begin(&condition{only: "store.change", slow: 15 * time.Millisecond})
		})
		var changes atomic.Int64
		for range 60 {
			h.current.Load().close()
			time.Sleep(20 * time.Millisecond)
			c := w.chance("moment", 0, 0)
			w.running.Go(func() {
				time.Sleep(2 * time.Millisecond)
				w.must(0, update, 0)
				changes.Add(1)
			})
			time.Sleep(c.between(0, 15*time.Millisecond))
			h.open()
			for range 40 {
				time.Sleep(c.between(50*time.Microsecond, 500*time.Microsecond))
				_, _ = w.ask(1, 0)
			}
			w.watch(1, 0, 300*time.Millisecond)
			time.Sleep(1500 * time.Millisecond)
		}
		w.want(changes.Load() == 60, "all changes succeed", changes.Load())
	}},
	{"T10: a process stands still between the renewal of its membership and the answer to it", Strict, func(w *world) {
		var renewed atomic.Int64
		w.set(func() {
			w.done = func(p *process, what string) {
				if what == "store.join" && p.host.index == 1 && renewed.CompareAndSwap(0, int64(w.now())) {
					p.freeze()
					w.set(w.hosts[1].trouble.begin)
					time.AfterFunc(20*time.Second, func() { p.thaw() })
				}
			}
		})
		time.Sleep(40 * time.Second)
		// It was renewed at 15 s and stood still until 35 s. The row lapses at 45 s.
		w.set(func() {
			w.bus.hangUp(w.hosts[1])
			w.hosts[1].toRedis.begin(&condition{only: "redis.subscribe", refuse: true})
		})
		w.watch(1, 0, 12*time.Second)
		for w.now() < time.Duration(renewed.Load())+36*time.Second {
			w.must(0, update, 0)
			time.Sleep(100 * time.Millisecond)
		}
	}},
	{"T10: a process that cannot join does not use its memory", Strict, func(w *world) {
		h := w.hosts[1]
		h.current.Load().close()
		w.set(func() {
			h.toStore.begin(&condition{only: "store.join", refuse: true})
			h.trouble.begin()
			h.toRedis.begin(&condition{only: "redis.subscribe", refuse: true})
		})
		h.open()
		for range 3 {
			time.Sleep(300 * time.Millisecond)
			_, _ = w.ask(1, 0)
			took := w.must(0, update, 0)
			w.want(took < 100*time.Millisecond, "nobody waits for it", took)
			_, _ = w.ask(1, 0)
		}
	}},
	{"T10: a process that closes while it renews its membership leaves no row behind", Strict, func(w *world) {
		p := w.hosts[1].current.Load()
		var closed atomic.Bool
		w.set(func() {
			w.hosts[1].toStore.begin(&condition{slow: 30 * time.Millisecond})
			w.sent = func(by *process, what string) {
				if what == "store.join" && by == p && !closed.Swap(true) {
					w.running.Go(p.close)
				}
			}
		})
		time.Sleep(20 * time.Second)
		w.mu.Lock()
		_, there := w.store.members[p.cache.id]
		w.mu.Unlock()
		w.want(closed.Load() && !there, "no row of a closed process", there)
	}},
	{"T8: a reset and a fill are delivered again, long after", DefaultMaxStale, func(w *world) {
		w.set(func() {
			w.redis.nodes[0].set(w.now(), &redisState{marks: map[string]string{}, entries: map[place]redisEntry{}})
		})
		_, _ = w.ask(0, 0)
		time.Sleep(300 * time.Millisecond) // it has been reset
		w.nobodyWaitsFor(2)
		w.inRedis(0)
		var before *redisState
		w.set(func() { before = w.redis.nodes[0].state() })
		w.must(0, update, 0)
		w.set(func() {
			at := place{simFeed, w.truth.keys[0].id}
			to, ok := parseWatermark(before.marks[simFeed])
			s, _ := w.redis.nodes[0].state().reset(simFeed, "", to)
			s, _ = s.fill(simFeed, at.id, to, before.entries[at].until, before.entries[at].value)
			w.redis.nodes[0].set(w.now(), s)
			if !ok || before.entries[at].value == "" {
				w.truth.accuse("Redis has nothing: %v", before.marks)
			}
		})
		_, _ = w.ask(2, 0)
	}},
	{"T11: stopped for 10 s: the first read afterwards does not come from memory", DefaultMaxStale, func(w *world) {
		w.inRedis(0)
		h := w.hosts[1]
		p := h.current.Load()
		w.set(func() { h.trouble.begin(); p.freeze() })
		time.Sleep(5 * time.Second)
		w.must(0, update, 0)
		time.Sleep(5 * time.Second)
		before := p.cache.count.staleLookups.Load()
		w.set(func() { p.thaw(); h.trouble.end(w.now()) })
		_, _ = w.ask(1, 0)
		w.want(p.cache.count.staleLookups.Load() == before+1, "the first read is a stale one", p.cache.Stats())
	}},
	{"T11: the wall clock of the changer jumps ahead while it waits", Strict, func(w *world) {
		w.inRedis(0)
		w.deafen()
		for range 8 {
			c := w.chance("moment", 0, 0)
			time.Sleep(time.Second + c.between(0, 250*time.Millisecond))
			lift := w.cut(1) // it has memory for up to a lease
			w.watch(1, 0, 1200*time.Millisecond)
			time.AfterFunc(10*time.Millisecond, func() {
				w.hosts[0].mu.Lock()
				defer w.hosts[0].mu.Unlock()
				w.hosts[0].wall += time.Hour
			})
			took := w.must(0, update, 0)
			w.want(took > 900*time.Millisecond, "it takes WAIT", took)
			time.Sleep(300 * time.Millisecond)
			lift()
		}
	}},
	{"T12: a changer dies after its commit, and the repetition elsewhere waits", Strict, func(w *world) {
		for _, v := range []verb{repeat, nothing} {
			w.inRedis(0)
			w.deafen()
			w.set(func() { w.crashNext[w.hosts[0]] = true })
			err := w.change(background, w.hosts[0].current.Load(), update, []int{0})
			w.want(err != nil, "no success of a dead process", err)
			w.watch(2, 0, 2*time.Second)
			took := w.must(1, v, 0)
			w.want(took > 900*time.Millisecond, "the repetition waits", took)
			w.hosts[0].open()
			w.set(func() { w.bus.weather.drop = 0 })
			w.store.drop()
			time.Sleep(time.Second)
		}
	}},
	{"T13: a token that was unknown everywhere is known everywhere when its key has been created", Strict, func(w *world) {
		for _, v := range []verb{update, importing} {
			w.must(0, remove, 1)
			for on := range w.hosts {
				for range 2 {
					version, _ := w.ask(on, 1)
					w.want(version == 0, "unknown", version)
				}
			}
			w.must(0, v, 1)
			for on := range w.hosts {
				version, _ := w.ask(on, 1)
				w.want(version > 0, "known", version)
			}
		}
	}},
	{"T14: without the store, Redis answers until MaxStale", 10 * time.Second, func(w *world) {
		w.inRedis(0)
		w.set(func() {
			w.store.weather.begin(&condition{refuse: true})
			for _, h := range w.hosts {
				h.trouble.begin()
			}
		})
		gone := w.now()
		for w.now() < gone+12*time.Second {
			time.Sleep(97 * time.Millisecond)
			_, err := w.ask(1, 0)
			if since := w.now() - gone; since < 9*time.Second {
				w.want(err == nil, "a key that Redis knows is answered", err)
			} else if since > 11*time.Second {
				w.want(err != nil, "after MaxStale it is not", err)
			}
			_, err = w.ask(1, 2)
			w.want(err != nil || w.now()-gone < time.Second, "what nobody knows is not answered", err)
		}
		p := w.hosts[0].current.Load()
		p.kill()
		w.hosts[0].open()
		time.Sleep(time.Second)
		_, err := w.ask(0, 0)
		w.want(err != nil, "a process that starts without the store answers nothing", err)
	}},
	{"2.4a: a process without the store does not take from Redis what it knows to be old", DefaultMaxStale, func(w *world) {
		w.inRedis(0)
		w.cut(1)
		time.Sleep(1500 * time.Millisecond)
		var before *redisState
		w.set(func() { before = w.redis.nodes[0].state() })
		w.must(0, update, 0)
		w.set(func() { w.redis.nodes[0].set(w.now(), before) }) // a fail-over loses it
		for range 20 {
			time.Sleep(time.Millisecond)
			_, _ = w.ask(1, 0)
		}
	}},
	{"4.4: a process that nobody waits for any more is served by Redis, so no success before Redis has the change", DefaultMaxStale, func(w *world) {
		w.inRedis(0)
		w.cut(2)
		time.Sleep(35 * time.Second) // its row has lapsed
		w.inRedis(0)
		w.set(func() {
			w.bus.hangUp(w.hosts[2])
			w.hosts[2].toRedis.begin(&condition{only: "redis.subscribe", refuse: true})
		})
		c := &condition{only: "redis.advance", refuse: true}
		w.set(func() { w.hosts[0].toRedis.begin(c) })
		time.AfterFunc(300*time.Millisecond, func() { w.set(func() { w.hosts[0].toRedis.end(c) }) })
		w.set(func() { w.hosts[1].toRedis.begin(&condition{only: "redis.advance", refuse: true}) })
		took := w.must(0, update, 0)
		w.want(took > 250*time.Millisecond && took < 900*time.Millisecond, "it returns when Redis has it", took)
		_, _ = w.ask(2, 0)
	}},
	{"4.4: no success while Redis works and cannot be brought up to date", DefaultMaxStale, func(w *world) {
		w.inRedis(0)
		w.cut(2)
		time.Sleep(35 * time.Second)
		w.inRedis(0)
		var before *redisState
		w.set(func() { before = w.redis.nodes[0].state() })
		w.must(0, update, 1)
		w.set(func() {
			w.redis.nodes[0].set(w.now(), before)
			w.bus.hangUp(w.hosts[2])
			w.hosts[2].toRedis.begin(&condition{only: "redis.subscribe", refuse: true})
			for _, h := range w.hosts[:2] {
				h.toStore.begin(&condition{only: "store.feed", refuse: true})
				h.trouble.begin()
			}
		})
		err := w.change(background, w.hosts[0].current.Load(), update, []int{0})
		w.want(err != nil, "no success", err)
		_, _ = w.ask(2, 0)
	}},
	{"3.6: a restored store has overtaken its old self before Redis is back", DefaultMaxStale, (*world).overtakeItself},
	{"3.6: a restored store has overtaken its old self before Redis is back, and events have no tags", DefaultMaxStale, func(w *world) {
		w.set(func() { w.store.tagless = true })
		w.overtakeItself()
	}},
	{"3.6: a store is restored to before what is known from messages alone that nobody can have forged", DefaultMaxStale, func(w *world) {
		if w.sealer == nil {
			return // they may have been forged
		}
		w.hosts[2].current.Load().close()
		at := w.head()
		w.afterPoll(1)
		w.must(0, update, 1)
		_, _ = w.ask(0, 1)
		time.Sleep(5 * time.Millisecond)  // until Redis has it
		w.hosts[0].current.Load().close() // which would know, and begin a new generation
		w.restore(at)
		time.Sleep(1500 * time.Millisecond) // no reads now: until the next poll, answers are from another history
		_, _ = w.ask(1, 1)
		w.want(w.hosts[1].current.Load().cache.Stats().WentBack == 1, "it is noticed", w.hosts[1].current.Load().cache.Stats())
	}},
	{"3.6: a store is restored to before what is known from messages and Redis alone, and changes go on", DefaultMaxStale, func(w *world) {
		if w.sealer == nil {
			return // both may have been forged
		}
		w.restoreUnpolled()
		for on := range w.hosts {
			_, _ = w.ask(on, 0)
			_, _ = w.ask(on, 1)
		}
		w.must(2, update, 1)
		for on := range w.hosts {
			_, _ = w.ask(on, 1)
		}
	}},
	{"3.6: a store is restored to before what is known from a lookup alone", DefaultMaxStale, func(w *world) {
		w.deafen()
		at := w.head()
		w.afterPoll(1)
		w.leaveUnsettled(0, 1)
		_, _ = w.ask(0, 1)
		time.Sleep(5 * time.Millisecond)
		_, _ = w.ask(1, 1) // not from Redis: it does not know the watermark's event
		w.restore(at)
		time.Sleep(1500 * time.Millisecond) // no reads now: until the next poll, answers are from another history
		_, _ = w.ask(1, 1)
	}},
	{"3.6: a store is restored to before what is known from polls alone", DefaultMaxStale, func(w *world) {
		at := w.head()
		w.hosts[1].current.Load().close()
		c := w.hosts[1].open().cache // begins to read the feed here
		time.Sleep(300 * time.Millisecond)
		w.deafen()
		for range 3 {
			w.must(0, update, 0)
		}
		_, _ = w.ask(0, 0)
		time.Sleep(300 * time.Millisecond)
		w.afterPoll(1)
		hits := c.count.redisHits.Load()
		_, _ = w.ask(1, 0)
		w.want(c.count.redisHits.Load() == hits+1, "it comes from Redis", c.Stats())
		w.restore(at)
		time.Sleep(1500 * time.Millisecond)
		_, _ = w.ask(1, 0)
	}},
	{"3.6: after a restore the members are those that have joined again", Strict, func(w *world) {
		w.hosts[2].current.Load().close() // or changes would wait for it
		for range 5 {
			w.must(0, update, 0)
		}
		_, _ = w.ask(0, 0)
		_, _ = w.ask(1, 0)
		time.Sleep(300 * time.Millisecond) // both have polled it
		drops := func(on int) uint64 { return w.hosts[on].current.Load().cache.count.drops.Load() }
		before := []uint64{drops(0), drops(1)}
		w.deafen()
		w.restore(w.head() - 3)
		last := 0 // to notice
		for noticed, until := 0, w.now()+time.Second; noticed < len(before); time.Sleep(time.Millisecond) {
			if w.now() > until {
				w.truth.accuse("%v: %d hosts of %d have noticed", w.now(), noticed, len(before))
				return
			}
			for on := range before {
				if before[on] != drops(on) {
					before[on] = drops(on)
					noticed, last = noticed+1, on
				}
			}
		}
		for range 4 { // before it has joined, and after
			_, _ = w.ask(last, 0)
			w.must(1-last, update, 0)
			_, _ = w.ask(last, 0)
		}
	}},
	{"3.3: the store loses what has been polled, and its number is given to another event at once", Strict, func(w *world) {
		w.inRedis(0)
		w.knownAndLost(1)
		w.outside(update, 0)
		w.outside(update, 0)
		w.noticed()
		for on := range w.hosts {
			_, _ = w.ask(on, 0)
			_, _ = w.ask(on, 1)
			s := w.hosts[on].current.Load().cache.Stats()
			w.want(s.WentBack == 1 && s.Drops == 1 && s.Fresh && s.Head == w.head(), "noticed once", s)
		}
		w.must(2, update, 1)
		for on := range w.hosts {
			_, _ = w.ask(on, 1)
		}
	}},
	{"3.3: the store loses what is known from a lookup alone, and its number is given to another event at once", Strict, func(w *world) {
		w.deafen()
		w.afterPoll(1)
		since := w.now()
		w.leaveUnsettled(0, 1)
		_, _ = w.ask(1, 1)
		w.lose(since)
		w.outside(update, 0)
		w.outside(update, 0)
		_, _ = w.ask(1, 0) // it knows the new head now, and must still remember the old one
		w.noticed()
		_, _ = w.ask(1, 1)
	}},
	{"15: a process has learned more than it can hold, and the store loses what it could not", Strict, func(w *world) {
		w.deafen()
		w.afterPoll(1)
		since := w.now()
		e := w.hosts[1].current.Load().cache.epoch.Load()
		for id := range int64(3 * replayLimit) { // as from forged messages
			e.learn(position{1<<40 + id, 1}, false)
		}
		w.leaveUnsettled(0, 1)
		_, _ = w.ask(1, 1)
		w.lose(since)
		w.outside(update, 0)
		w.outside(update, 0)
		w.noticed()
		_, _ = w.ask(1, 1)
	}},
	{"3.6: the event last seen has been pruned, and the rows of members have been lost", Strict, func(w *world) {
		w.inRedis(0)
		if w.sealer != nil {
			time.Sleep(300 * time.Millisecond) // else it has read the feed when it was empty
		}
		w.hosts[2].current.Load().close() // changes must not wait for it
		w.deafen()
		h := w.hosts[1]
		p := h.current.Load()
		w.set(func() { h.trouble.begin(); p.freeze() })
		w.restore(w.head() - 1)
		for range 5 {
			w.outside(update, 1)
		}
		_, err := w.store.current().PruneEvents(background, time.Unix(1<<40, 0))
		w.want(err == nil, "prune", err)
		time.Sleep(time.Second) // host 0 has joined again
		w.set(func() { p.thaw(); h.trouble.end(w.now()) })
		w.afterPoll(1)
		for range 4 {
			_, _ = w.ask(1, 0)
			w.must(0, update, 0)
			_, _ = w.ask(1, 0)
		}
	}},
	{"3.3: the store loses what is known from a message and Redis alone, and its number is given to another event at once", Strict, func(w *world) {
		if w.sealer == nil {
			return // both may have been forged
		}
		w.calm.Store(true)   // it must not poll meanwhile
		w.must(0, update, 0) // the first change of a process is announced without a tag
		w.afterPoll(1)
		since := w.now()
		w.must(0, update, 1)
		_, _ = w.ask(0, 1)
		time.Sleep(5 * time.Millisecond)
		w.hitsRedis(1, 1, true)
		w.lose(since)
		w.outside(update, 0)
		w.noticed()
		_, _ = w.ask(1, 1)
	}},
	{"2.2: a lookup notices that the store has lost something, and nothing is answered from memory then", Strict, func(w *world) {
		w.calm.Store(true)
		w.knownAndLost(1)
		w.outside(update, 0)
		w.truth.lossy = 0
		_, _ = w.ask(1, 0)
		_, _ = w.ask(1, 1)
	}},
	{"4.2, 5.1: changers and those who hear of a change notice that its number has been another's", Strict, func(w *world) {
		w.calm.Store(true)
		w.must(2, update, 0)
		w.knownAndLost(2)
		w.set(func() {
			w.hosts[1].toStore.begin(&condition{only: "store.feed", refuse: true})
			w.hosts[1].trouble.begin()
		})
		unread := &condition{only: "store.feed", refuse: true}
		w.set(func() { w.hosts[2].toStore.begin(unread) })
		w.truth.lossy = 0
		changed := make(chan struct{})
		go func() {
			defer close(changed)
			w.must(2, update, 0)
		}()
		time.Sleep(3 * time.Millisecond) // it is committed, and host 2 has not polled
		_, _ = w.ask(2, 1)
		w.set(func() { w.hosts[2].toStore.end(unread) })
		<-changed
		_, _ = w.ask(1, 1)
	}},
	{"6.2: everybody starts anew over a store that has lost something, and Redis has what was lost", DefaultMaxStale, func(w *world) {
		since := w.now()
		w.must(0, update, 1)
		w.inRedis(1)
		for _, h := range w.hosts {
			h.current.Load().kill()
		}
		w.lose(since)
		w.outside(update, 0)
		for _, h := range w.hosts {
			h.open()
		}
		w.noticed()
		for on := range w.hosts {
			_, _ = w.ask(on, 1)
		}
		_, _ = w.ask(0, 0)
		time.Sleep(5 * time.Millisecond)
		w.hitsRedis(1, 0, true)
	}},
	{"7: a watermark at a number that has been lost is advanced by nobody", DefaultMaxStale, func(w *world) {
		w.deafen()
		w.afterPoll(1)
		since := w.now()
		w.leaveUnsettled(2, 1)
		_, _ = w.ask(2, 1)
		time.Sleep(5 * time.Millisecond) // until Redis has it
		w.hosts[2].current.Load().kill()
		w.lose(since)
		w.outside(update, 0)
		w.must(0, update, 0)
		w.noticed()
		_, _ = w.ask(1, 1)
	}},
	{"7: what was read from the store beyond the watermark is not put beside it", DefaultMaxStale, func(w *world) {
		w.afterPoll(1)
		since := w.now()
		w.set(func() { w.crashNext[w.hosts[0]] = true })
		_ = w.change(background, w.hosts[0].current.Load(), update, []int{1})
		_, _ = w.ask(2, 1)
		time.Sleep(5 * time.Millisecond)
		w.hosts[2].current.Load().kill()
		w.lose(since)
		w.outside(update, 0)
		w.noticed()
		_, _ = w.ask(1, 1)
	}},
	{"2.4a: a process without the store takes from Redis what it has not heard of", DefaultMaxStale, func(w *world) {
		w.cut(1)
		w.deafen()
		w.must(0, update, 0)
		_, _ = w.ask(0, 0)
		time.Sleep(time.Second)
		w.hitsRedis(1, 0, true)
	}},
	{"5: what a program of level 1 cannot read is announced again", Strict, func(w *world) {
		h := w.hosts[1]
		for range 2 { // the second one knows that all can read tags
			w.must(0, update, 0)
		}
		h.current.Load().close()
		h.level = 1
		h.open()
		time.Sleep(300 * time.Millisecond)
		for range 3 {
			took := w.must(0, update, 0)
			w.want(took < 100*time.Millisecond, "nobody is waited for", took)
			_, _ = w.ask(1, 0)
		}
	}},
	{"14: the watermark is beyond the store", DefaultMaxStale, func(w *world) {
		w.inRedis(0)
		w.cut(1) // it answers from Redis, and cannot compare
		time.Sleep(1500 * time.Millisecond)
		w.set(func() { // left by changers of an earlier history, whose changes were not announced
			node := &w.redis.nodes[0]
			s := node.state().clone()
			wm, _ := parseWatermark(s.marks[simFeed])
			s.marks[simFeed] = watermark{wm.generation, position{wm.id + 2, 1}}.String()
			node.set(w.now(), s)
		})
		w.must(0, update, 0)
		for on := range w.hosts {
			_, _ = w.ask(on, 0)
		}
	}},
	{"14: processes that start over a restored store, without tags, do not believe what Redis has kept", DefaultMaxStale, func(w *world) {
		w.set(func() { w.store.tagless = true })
		w.must(0, update, 1) // the last one with a tag is behind it
		at := w.head()
		w.must(0, update, 0)
		w.inRedis(0)
		for _, h := range w.hosts {
			h.current.Load().close()
		}
		w.restore(at)
		c := &condition{only: "redis.mark", refuse: true} // it cannot be repaired for a while
		w.set(func() { w.redis.weather.begin(c) })
		w.outside(update, 1)
		for _, h := range w.hosts {
			h.open()
		}
		for range 10 {
			time.Sleep(50 * time.Millisecond)
			for on := range w.hosts {
				_, _ = w.ask(on, 0)
			}
		}
	}},
	{"14: messages from before a restore come again and again, and drop nothing any more", DefaultMaxStale, func(w *world) {
		w.restoreUnpolled()
		p := w.hosts[2].current.Load()
		p.close()
		w.hosts[2].open() // it has received none of them
		time.Sleep(300 * time.Millisecond)
		var before []uint64
		for _, h := range w.hosts {
			before = append(before, h.current.Load().cache.count.drops.Load())
		}
		var said []string
		w.set(func() { said = slices.Clone(w.bus.published) })
		for range 20 {
			for _, text := range said {
				w.set(func() { w.bus.send(w.hosts[0], simFeed, "", text) })
				time.Sleep(10 * time.Millisecond)
			}
			time.Sleep(300 * time.Millisecond) // a poll
		}
		for on, h := range w.hosts {
			c := h.current.Load().cache
			most := uint64(0)
			if on == 2 && w.sealer != nil {
				most = 1 // for all that it could know, the store might have been restored just now
			}
			drops := c.count.drops.Load() - before[on]
			w.want(drops <= most, "times that memory was dropped", drops)
			_, _ = w.ask(on, 1)
		}
		time.Sleep(300 * time.Millisecond)
		for _, h := range w.hosts {
			s := h.current.Load().cache.Stats()
			w.want(s.Fresh && s.Head == w.head() && s.RedisReady, "as good as new", s)
		}
	}},
}

// TestScenarios are those of protocol 12 that a random run seldom meets.
func TestScenarios(t *testing.T) {
	for _, s := range scenarios {
		s.run(t, setup{})
	}
}

// run plays a scenario a few times. from has what is not as usual.
func (s scenario) run(t *testing.T, from setup) {
	t.Run(s.name, func(t *testing.T) {
		for seed := range uint64(4) {
			out := simulate(t, seed, *simSeed == int64(seed), func(*world) setup {
				as := from
				as.name, as.hosts, as.keys, as.maxStale, as.l1TTL, as.without, as.peppers = s.name, 3, 2, s.maxStale, time.Minute, -1, seed%2 == 1
				return as
			}, func(w *world) {
				for _, h := range w.hosts {
					c := w.chance("start", h.index, 0)
					time.Sleep(c.between(1, 100*time.Millisecond))
					h.open()
				}
				time.Sleep(300 * time.Millisecond)
				for key := range w.setup.keys {
					w.must(0, update, key)
				}
				s.play(w)
			})
			for _, line := range out.lines {
				t.Log(line)
			}
			for _, wrong := range out.wrong {
				t.Errorf("seed %d: %s", seed, wrong)
			}
		}
	})
}
