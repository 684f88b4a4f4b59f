package cache

import (
	"context"
	"errors"
	"slices"
	"time"
)

// bus carries what processes publish to those that listen, or not.
type bus struct {
	w           *world
	subscribers []*simSubscriber // in the order in which they began to listen
	weather     busWeather
	published   []string // the newest messages to all
}

// busWeather is what is wrong with the bus. The zero value: nothing.
type busWeather struct {
	drop  int // percent
	twice int // percent
	slow  time.Duration
}

// simEar is one subscription.
type simSubscriber struct {
	p     *process
	feed  string
	inbox chan busMessage
	lost  chan struct{} // closed when the connection is
	known bool          // the subscription is open
}

type busMessage struct {
	toMe bool
	text string
}

// send delivers a message to all subscribers. The caller holds the world's mutex.
func (b *bus) send(from *host, feed, to, text string) {
	if to == "" {
		b.published = append(b.published[max(0, len(b.published)-31):], text)
	}
	for _, s := range b.subscribers {
		if s.feed != feed || to != "" && to != s.p.cache.id || b.w.redis.split && from.branch != s.p.host.branch {
			continue
		}
		c := b.w.chance("bus", s.p.host.index, uint64(from.index)<<32|uint64(len(text)))
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
				case s.inbox <- busMessage{to != "", text}:
				default: // Redis disconnects a subscriber that does not read
				}
			})
		}
	}
}

// hangUp breaks the connections of one host, or of all when it is nil. Called with the world's
// mutex held.
func (b *bus) hangUp(of *host) {
	b.subscribers = slices.DeleteFunc(b.subscribers, func(s *simSubscriber) bool {
		if of != nil && s.p.host != of {
			return false
		}
		close(s.lost)
		return true
	})
}

var errHungUp = errors.New("simulation: the connection is lost")

func (l redisLink) subscribe(ctx context.Context, feed, _ string, s subscriber) error {
	w := l.p.host.w
	mine := &simSubscriber{p: l.p, feed: feed, inbox: make(chan busMessage, 256), lost: make(chan struct{})}
	_, err := ask(l, "redis.subscribe", 0, func() bool {
		if !mine.known { // else the command was repeated
			mine.known = true
			w.bus.subscribers = append(w.bus.subscribers, mine)
		}
		return true
	})
	defer func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.bus.subscribers = slices.DeleteFunc(w.bus.subscribers, func(s *simSubscriber) bool { return s == mine })
	}()
	if err != nil {
		return err
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	s.onOpen()
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
			s.onMessage(m.toMe, m.text)
		case <-mine.lost:
			return errHungUp
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
