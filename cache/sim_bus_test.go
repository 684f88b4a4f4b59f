package cache

import (
	"context"
	"errors"
	"slices"
	"time"
)

// bus carries what processes publish to those that listen, or not.
type bus struct {
	w       *world
	ears    []*simEar // in the order in which they began to listen
	weather busWeather
	said    []string // the newest messages to all
}

// busWeather is what is wrong with the bus. The zero value: nothing.
type busWeather struct {
	drop  int // percent
	twice int // percent
	slow  time.Duration
}

// simEar is one subscription.
type simEar struct {
	p     *process
	feed  string
	inbox chan busMessage
	lost  chan struct{} // closed when the connection is
	known bool          // the bus has heard of it
}

type busMessage struct {
	toMe bool
	text string
}

// send delivers a message to whoever listens. Called with the world's mutex held.
func (b *bus) send(from *host, feed, to, text string) {
	if to == "" {
		b.said = append(b.said[max(0, len(b.said)-31):], text)
	}
	for _, ear := range b.ears {
		if ear.feed != feed || to != "" && to != ear.p.cache.id || b.w.redis.split && from.branch != ear.p.host.branch {
			continue
		}
		c := b.w.chance("bus", ear.p.host.index, uint64(from.index)<<32|uint64(len(text)))
		copies := 1
		if c.percent(b.weather.twice) {
			copies = 2 + c.below(2)
		}
		for range copies {
			if c.percent(b.weather.drop) {
				continue
			}
			d := c.between(redisBack, 5*redisBack)
			if b.weather.slow > 0 {
				d += c.skewed(0, b.weather.slow)
			}
			time.AfterFunc(d, func() {
				select {
				case ear.inbox <- busMessage{to != "", text}:
				default: // Redis drops whoever does not read
				}
			})
		}
	}
}

// hangUp breaks the connections of one host, or of all when it is nil. Called with the world's mutex held.
func (b *bus) hangUp(of *host) {
	b.ears = slices.DeleteFunc(b.ears, func(ear *simEar) bool {
		if of != nil && ear.p.host != of {
			return false
		}
		close(ear.lost)
		return true
	})
}

var errHungUp = errors.New("simulation: the connection is lost")

func (l redisLink) listen(ctx context.Context, feed, _ string, ear ear) error {
	w := l.p.host.w
	mine := &simEar{p: l.p, feed: feed, inbox: make(chan busMessage, 256), lost: make(chan struct{})}
	_, err := ask(l, "redis.subscribe", 0, func() bool {
		if !mine.known { // else the command was repeated
			mine.known = true
			w.bus.ears = append(w.bus.ears, mine)
		}
		return true
	})
	defer func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.bus.ears = slices.DeleteFunc(w.bus.ears, func(ear *simEar) bool { return ear == mine })
	}()
	if err != nil {
		return err
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	ear.open()
	heard := time.Duration(-1)
	for {
		if w.now() == heard { // several were waiting
			c := w.chance("ear", l.p.host.index, 0)
			time.Sleep(c.between(1, 20*time.Microsecond))
		}
		select { // first, so that nothing is left to the select below
		case <-mine.lost:
			return errHungUp
		case <-ctx.Done():
			return ctx.Err()
		default:
		}
		select {
		case m := <-mine.inbox:
			l.p.standStill()
			if l.p.dead.Load() {
				return errDead
			}
			if l.p.level == 1 && m.text[0] != messageVersion {
				continue // it cannot read that
			}
			heard = w.now()
			w.trace.note(heard, l.p.host.index, "hears", int64(len(m.text)), 0)
			ear.message(m.toMe, m.text)
		case <-mine.lost:
			return errHungUp
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
