package cache

import (
	"context"
	"strings"
	"time"

	"github.com/latchkey-go/latchkey/store"
)

// fault is something that goes wrong for a while.
type fault struct {
	name string
	// host is the host that it hits, if it hits one. It ends when the time is over.
	hit func(w *world, h *host, c *chance, lasts time.Duration)
	// shortest and longest time that it lasts.
	least, most time.Duration
}

// until makes a condition hold for a while.
func (w *world) until(lasts time.Duration, begin, end func()) {
	w.mu.Lock()
	begin()
	w.mu.Unlock()
	time.Sleep(lasts)
	w.mu.Lock()
	end()
	w.mu.Unlock()
}

// cloud is bad weather for a while. The troubled hosts cannot use the store as usual.
func (w *world) cloud(over *weather, c *condition, lasts time.Duration, troubled ...*host) {
	w.until(lasts, func() {
		over.begin(c)
		for _, h := range troubled {
			h.trouble.begin()
		}
	}, func() {
		over.end(c)
		for _, h := range troubled {
			h.trouble.end(w.now())
		}
	})
}

// storm draws how a server or a connection fails.
func storm(c *chance) *condition {
	switch c.below(4) {
	case 0:
		return &condition{refuse: true}
	case 1:
		return &condition{hang: true}
	case 2:
		return &condition{slow: c.skewed(10*time.Millisecond, 800*time.Millisecond), mute: c.below(30)}
	default:
		return &condition{mute: 10 + c.below(60)}
	}
}

// The faults, as in the table of protocol 9. Each stands alone for one line of it.
var (
	crash = fault{"crash", func(w *world, h *host, c *chance, lasts time.Duration) {
		if c.percent(50) {
			w.mu.Lock()
			w.crashNext[h] = true
			w.mu.Unlock()
			time.Sleep(lasts)
		} else if p := h.current.Load(); p != nil {
			p.kill()
		}
		time.Sleep(lasts)
		h.reopen()
	}, 10 * time.Millisecond, 3 * time.Second}

	restart = fault{"restart", func(w *world, h *host, c *chance, lasts time.Duration) {
		if p := h.current.Load(); p != nil && !p.leaving.Load() {
			p.close()
		}
		time.Sleep(lasts)
		h.reopen()
	}, time.Millisecond, time.Second}

	redisDown = fault{"redis down", func(w *world, h *host, c *chance, lasts time.Duration) {
		sky := storm(c)
		if sky.refuse {
			w.mu.Lock()
			w.bus.hangUp(nil)
			w.mu.Unlock()
		}
		w.cloud(&w.redis.weather, sky, lasts)
	}, 50 * time.Millisecond, 5 * time.Second}

	redisCut = fault{"redis cut", func(w *world, h *host, c *chance, lasts time.Duration) {
		sky := storm(c)
		w.mu.Lock()
		w.bus.hangUp(h)
		w.mu.Unlock()
		w.cloud(&h.toRedis, sky, lasts)
	}, 50 * time.Millisecond, 5 * time.Second}

	redisLate = fault{"redis late", func(w *world, h *host, c *chance, lasts time.Duration) {
		w.cloud(&w.redis.weather, &condition{late: c.below(40), twice: c.below(40), mute: c.below(20)}, lasts)
	}, 100 * time.Millisecond, 5 * time.Second}

	redisLoss = fault{"redis loss", func(w *world, h *host, c *chance, lasts time.Duration) {
		w.mu.Lock()
		defer w.mu.Unlock()
		node := &w.redis.nodes[0]
		now, s := w.now(), node.state()
		switch c.below(5) {
		case 0: // flushed
			s = &redisState{marks: map[string]string{}, entries: map[place]redisEntry{}}
		case 1: // an old snapshot
			s = node.before(c.between(0, now+1))
		case 2: // a snapshot from a moment ago
			s = node.before(now - c.skewed(0, 2*time.Second))
		case 3: // the watermark is evicted
			s = s.clone()
			delete(s.marks, simFeed)
		default: // entries are
			s = s.clone()
			for i := range w.truth.keys {
				if c.percent(50) {
					delete(s.entries, place{simFeed, w.truth.keys[i].id})
				}
			}
		}
		node.set(now, s)
	}, time.Millisecond, 2 * time.Millisecond}

	failover = fault{"fail-over", func(w *world, h *host, c *chance, lasts time.Duration) {
		behind := c.skewed(time.Millisecond, 3*time.Second)
		switch c.below(3) {
		case 0: // the newest writes are lost
			w.mu.Lock()
			node := &w.redis.nodes[0]
			node.set(w.now(), node.before(w.now()-behind))
			w.bus.hangUp(nil)
			w.mu.Unlock()
		case 1: // reads of some go to a replica
			w.until(lasts, func() {
				for i := range w.hosts {
					if c.percent(60) {
						w.redis.stale[i] = behind
					}
				}
			}, func() { clear(w.redis.stale[:]) })
		default: // some go to the new primary, the rest still to the old one, of which nothing remains
			w.until(lasts, func() {
				if w.redis.split {
					return
				}
				w.redis.split = true
				w.redis.nodes[1].past = []redisMoment{{w.now(), w.redis.nodes[0].before(w.now() - behind)}}
				for _, h := range w.hosts {
					h.branch = c.below(2)
				}
			}, func() {
				if !w.redis.split {
					return
				}
				w.redis.split = false
				w.redis.nodes[0].set(w.now(), w.redis.nodes[1].state())
				w.bus.hangUp(nil)
			})
		}
	}, 50 * time.Millisecond, 4 * time.Second}

	busFault = fault{"bus", func(w *world, h *host, c *chance, lasts time.Duration) {
		var bad busWeather
		if c.percent(70) {
			bad.drop = 20 + c.below(81)
		}
		if c.percent(40) {
			bad.slow = c.skewed(5*time.Millisecond, 5*time.Second)
		}
		if c.percent(30) {
			bad.twice = c.below(60)
		}
		w.until(lasts, func() {
			w.bus.weather = bad
			if c.percent(30) {
				w.bus.hangUp(nil)
			}
		}, func() { w.bus.weather = busWeather{} })
	}, 100 * time.Millisecond, 6 * time.Second}

	storeCut = fault{"store cut", func(w *world, h *host, c *chance, lasts time.Duration) {
		w.cloud(&h.toStore, storm(c), lasts, h)
	}, 50 * time.Millisecond, 6 * time.Second}

	storeDown = fault{"store down", func(w *world, h *host, c *chance, lasts time.Duration) {
		w.cloud(&w.store.weather, storm(c), lasts, w.hosts...)
	}, 50 * time.Millisecond, 4 * time.Second}

	storeSlow = fault{"store slow", func(w *world, h *host, c *chance, lasts time.Duration) {
		w.cloud(&h.toStore, &condition{slow: c.between(100*time.Millisecond, 1200*time.Millisecond), mute: c.below(90)}, lasts, h)
	}, 200 * time.Millisecond, 5 * time.Second}

	standstill = fault{"standstill", func(w *world, h *host, c *chance, lasts time.Duration) {
		p := h.current.Load()
		if p == nil || p.frozen.Load() != nil {
			return
		}
		suspend := h.suspends && c.percent(60) // the machine, with its monotonic clock
		w.until(lasts, func() {
			p.freeze()
			h.trouble.begin()
			if suspend && h.since < 0 {
				h.mu.Lock()
				h.since = w.now()
				h.mu.Unlock()
			}
		}, func() {
			h.mu.Lock()
			if suspend && h.since >= 0 {
				h.suspended += w.now() - h.since
				h.since = -1
			}
			h.mu.Unlock()
			h.trouble.end(w.now() + 50*time.Millisecond)
			p.thaw()
		})
	}, 10 * time.Millisecond, 10 * time.Second}

	hiccups = fault{"hiccups", func(w *world, h *host, c *chance, lasts time.Duration) {
		p := h.current.Load()
		if p == nil {
			return
		}
		w.until(lasts, func() {
			p.pausing.Store(true)
			p.disturbed.Store(true)
			h.trouble.begin()
		}, func() {
			p.pausing.Store(false)
			p.disturbed.Store(p.frozen.Load() != nil)
			h.trouble.end(w.now() + 500*time.Millisecond)
		})
	}, 100 * time.Millisecond, 5 * time.Second}

	clockJump = fault{"clock jump", func(w *world, h *host, c *chance, lasts time.Duration) {
		by := c.skewed(time.Millisecond, 10*time.Second)
		if c.percent(10) {
			by = c.between(0, 3*time.Hour)
		}
		if !h.suspends && c.percent(60) {
			by = -by
		}
		h.mu.Lock()
		h.wall += by
		h.mu.Unlock()
	}, time.Millisecond, 2 * time.Millisecond}

	dbClock = fault{"database clock", func(w *world, h *host, c *chance, lasts time.Duration) {
		w.mu.Lock()
		defer w.mu.Unlock()
		if w.store.ahead == 0 { // once: together the steps must stay below REG/2 - WAIT
			w.store.ahead = c.between(-time.Hour, 12*time.Second)
			if c.percent(50) {
				w.store.ahead = c.between(0, 12*time.Second)
			}
		}
	}, time.Millisecond, 2 * time.Millisecond}

	prune = fault{"prune", func(w *world, h *host, c *chance, lasts time.Duration) {
		_, _ = w.store.current().PruneEvents(context.Background(), time.Now())
	}, time.Millisecond, 2 * time.Millisecond}

	// loss is a fail-over of the store that loses its last changes. Their numbers are often given
	// to others at once, before anybody can have polled; often Redis is lost as well, or everybody
	// starts anew.
	loss = fault{"loss", func(w *world, h *host, c *chance, lasts time.Duration) {
		w.lose(w.now() - c.skewed(0, 1500*time.Millisecond))
		if c.percent(60) {
			for range 1 + c.below(4) {
				w.outside([]verb{update, remove, bulk, repeat}[c.below(4)], c.below(w.setup.keys))
			}
		}
		if c.percent(20) {
			redisLoss.hit(w, h, c, lasts)
		}
		if c.percent(30) {
			for _, h := range w.hosts {
				if p := h.current.Load(); p != nil {
					p.kill()
				}
			}
			time.Sleep(lasts)
			for _, h := range w.hosts {
				h.reopen()
			}
		}
	}, 10 * time.Millisecond, time.Second}

	forgery = fault{"forged message", func(w *world, h *host, c *chance, lasts time.Duration) {
		last := int64(1 + c.below(1<<40))
		if c.percent(50) {
			last = w.head() - 1 + int64(c.below(3))
		}
		text := (messageCodec{prefix: DefaultKeyPrefix}).encodeAnnouncement(simFeed, announcement{
			sender: "nobody", serial: 1, first: last, last: last, tag: 1, ids: []store.LookupID{w.truth.keys[0].id},
		}, 1+c.below(2))
		w.mu.Lock()
		defer w.mu.Unlock()
		w.bus.send(h, simFeed, "", text)
	}, time.Millisecond, 2 * time.Millisecond}
)

// reopen starts a process where none runs.
func (h *host) reopen() {
	h.w.mu.Lock()
	over := h.w.over
	h.w.mu.Unlock()
	if h.current.Load() == nil && !over {
		h.open()
	}
}

// everything is any mix of faults.
var everything = []fault{
	crash, restart, redisDown, redisCut, redisLate, redisLoss, failover, busFault, storeCut, storeDown, storeSlow, standstill, hiccups, clockJump, dbClock, prune, forgery,
}

// named returns the faults with these names.
func named(names string) []fault {
	var faults []fault
	for name := range strings.SplitSeq(names, ",") {
		for _, f := range append([]fault{loss}, everything...) {
			if f.name == name {
				faults = append(faults, f)
			}
		}
	}
	return faults
}

// single are the faults of which one alone does no harm, whatever MaxStale is.
var single = [][]fault{
	{},
	{crash},
	{restart},
	{redisDown},
	{redisCut},
	{redisLate},
	{redisLoss},
	{failover},
	{busFault},
	{storeCut},
	{storeDown},
	{storeSlow},
	{standstill},
	{hiccups},
	{clockJump},
	{dbClock},
	{prune},
	{forgery},
	{loss},
}

// strike lets some of the faults happen, one after the other or several at once, and returns when
// they are over. Each hits the given host; nil: any.
func (w *world) strike(faults []fault, times int, apart bool, victim *host) {
	if len(faults) == 0 {
		time.Sleep(w.setup.lasts)
		return
	}
	began := w.now()
	for n := range times {
		c := w.chance("fault", 0, uint64(n))
		f := faults[c.below(len(faults))]
		h := victim
		if h == nil {
			h = w.hosts[c.below(len(w.hosts))]
		}
		lasts := c.skewed(f.least, f.most)
		hit := func() {
			w.trace.note(w.now(), h.index, f.name, int64(lasts), 0)
			f.hit(w, h, &c, lasts)
			w.trace.note(w.now(), h.index, f.name+": over", 0, 0)
		}
		wait := c.between(0, 2*w.setup.lasts/time.Duration(times))
		time.Sleep(wait)
		if apart {
			hit()
		} else {
			w.running.Go(hit)
		}
		if w.now()-began > w.setup.lasts {
			break
		}
	}
	if rest := w.setup.lasts - (w.now() - began); rest > 0 {
		time.Sleep(rest)
	}
}
