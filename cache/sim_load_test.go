package cache

import (
	"context"
	"time"
)

// stopped reports whether no new load is to begin.
func (w *world) stopped() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.over
}

// load makes every host read all keys again and again, and change them now and then, until the
// world is over.
func (w *world) load() {
	for _, h := range w.hosts {
		w.loads.Go(func() { w.readOn(h) })
		w.loads.Go(func() { w.changeOn(h) })
	}
}

// unload ends that.
func (w *world) unload() {
	w.mu.Lock()
	w.over = true
	w.mu.Unlock()
	w.loads.Wait()
	for _, h := range w.hosts {
		close(h.rounds)
	}
}

// round has a round of reads done by a goroutine that is idle; its stack has grown already.
func (h *host) round(do func()) {
	select {
	case h.rounds <- do:
	default:
		h.w.running.Go(func() {
			do()
			for do := range h.rounds {
				do()
			}
		})
	}
}

// readOn reads all keys at once, about every w.setup.reads. A round that hangs does not delay the
// next.
func (w *world) readOn(h *host) {
	for round := 0; !w.stopped(); round++ {
		c := w.chance("reader", h.index, 0)
		time.Sleep(c.between(w.setup.reads/2, w.setup.reads*3/2))
		if p := h.current.Load(); p != nil && p.reading.Load() < 40 {
			h.round(func() { w.readAll(p, round, &c) })
		}
	}
}

// readAll reads every key once, and the token that is never known.
func (w *world) readAll(p *process, first int, c *chance) {
	p.reading.Add(1)
	defer p.reading.Add(-1)
	ctx := context.Background()
	if c.percent(5) {
		limited, cancel := context.WithTimeout(ctx, c.skewed(time.Microsecond, 1500*time.Millisecond))
		defer cancel()
		ctx = limited
	}
	n := len(w.truth.keys)
	for i := range n {
		began := w.now()
		_, _ = w.read(ctx, p, (first+i)%n, w.setup.redacted)
		if w.now() != began {
			time.Sleep(c.between(1, 200*time.Microsecond)) // callers that waited for the same load diverge again
		}
	}
}

// changeOn changes keys. What fails is often repeated, here or elsewhere.
func (w *world) changeOn(h *host) {
	for !w.stopped() {
		c := w.chance("changer", h.index, 0)
		time.Sleep(c.skewed(time.Millisecond, 3*w.setup.changes))
		p := h.current.Load()
		if p == nil {
			continue
		}
		v, keys := w.choose(&c)
		for try := 0; try < 3; try++ {
			ctx, cancel := context.Background(), context.CancelFunc(func() {})
			if c.percent(10) {
				ctx, cancel = context.WithTimeout(ctx, c.skewed(time.Microsecond, 1500*time.Millisecond))
			}
			err := w.change(ctx, p, v, keys)
			cancel()
			if err == nil {
				w.readSoon(&c)
				break
			}
			if c.percent(40) || w.stopped() {
				break
			}
			time.Sleep(c.skewed(time.Microsecond, 100*time.Millisecond))
			if p = w.hosts[c.below(len(w.hosts))].current.Load(); p == nil {
				break
			}
			if c.percent(60) {
				v = []verb{repeat, nothing}[c.below(2)]
			}
		}
	}
}

// choose draws a change.
func (w *world) choose(c *chance) (verb, []int) {
	n := w.setup.keys
	keys := []int{c.below(n)}
	var v verb
	switch roll := c.below(1000); {
	case roll < 500:
		v = update
	case roll < 700:
		v = remove
	case roll < 750:
		v = repeat
	case roll < 790:
		v = nothing
	case roll < 860:
		v = bulk
		if n > 1 {
			keys = append(keys, (keys[0]+1)%n)
		}
	case roll < 910:
		v = importing
		keys = keys[:0]
		for k := range n {
			keys = append(keys, k)
		}
	case roll < 960:
		v = upgrade
	case roll < 998:
		v = unname
	default:
		v = thousand
	}
	return v, keys
}

// readSoon reads at every host just after a success: when a promise is new it is broken most
// easily.
func (w *world) readSoon(c *chance) {
	for i, h := range w.hosts {
		p := h.current.Load()
		if p == nil || p.reading.Load() >= 40 {
			continue
		}
		after := *c
		after.state += uint64(i)
		wait := after.skewed(1, 3*time.Millisecond)
		h.round(func() {
			time.Sleep(wait)
			w.readAll(p, i, &after)
		})
	}
}
