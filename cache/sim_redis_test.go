package cache

import (
	"context"
	"errors"
	"maps"
	"regexp"
	"time"

	"github.com/latchkey-go/latchkey/store"
)

// place is where an entry is.
type place struct {
	feed string
	id   store.LookupID
}

// redisState is all that a Redis holds. It is never modified: a write makes another.
type redisState struct {
	marks   map[string]string
	entries map[place]redisEntry
}

type redisEntry struct {
	value string
	until time.Duration
}

func (s *redisState) clone() *redisState {
	return &redisState{marks: maps.Clone(s.marks), entries: maps.Clone(s.entries)}
}

// The commands, as in the scripts, line for line. TestSimulatedRedis compares them with a real one.

func (s *redisState) read(feed string, ids []store.LookupID, now time.Duration) (string, []string) {
	entries := make([]string, len(ids))
	for i, id := range ids {
		if e, ok := s.entries[place{feed, id}]; ok && now < e.until {
			entries[i] = e.value
		}
	}
	return s.marks[feed], entries
}

// scriptMark is the script's way to read a watermark.
var scriptMark = regexp.MustCompile(`^([^:]+):([0-9]+:[0-9A-Fa-f]+)$`)

func (s *redisState) advance(feed string, ids []store.LookupID, prev, last position) (*redisState, string) {
	raw := s.marks[feed]
	parts := scriptMark.FindStringSubmatch(raw)
	if parts == nil || parts[2] != prev.String() {
		return s, raw
	}
	s = s.clone()
	for _, id := range ids {
		delete(s.entries, place{feed, id})
	}
	raw = parts[1] + ":" + last.String()
	s.marks[feed] = raw
	return s, raw
}

func (s *redisState) fill(feed string, id store.LookupID, at watermark, until time.Duration, entry string) (*redisState, bool) {
	if s.marks[feed] != at.String() {
		return s, false
	}
	s = s.clone()
	s.entries[place{feed, id}] = redisEntry{entry, until}
	return s, true
}

func (s *redisState) reset(feed string, expected string, to watermark) (*redisState, bool) {
	if s.marks[feed] != expected {
		return s, false
	}
	s = s.clone()
	s.marks[feed] = to.String()
	return s, true
}

// simRedis is one Redis or, while it is split, two that do not know of each other.
type simRedis struct {
	w       *world
	weather weather
	nodes   [2]redisNode // the second only while there are two
	split   bool
	stale   [maxHosts]time.Duration // reads of that host go to a replica that is this far behind
}

// redisNode remembers what it has held.
type redisNode struct{ past []redisMoment }

type redisMoment struct {
	at    time.Duration
	state *redisState
}

func (n *redisNode) state() *redisState { return n.past[len(n.past)-1].state }

// before returns what the node held at a moment.
func (n *redisNode) before(at time.Duration) *redisState {
	for i := len(n.past) - 1; i >= 0; i-- {
		if n.past[i].at <= at {
			return n.past[i].state
		}
	}
	return n.past[0].state
}

func (n *redisNode) set(at time.Duration, s *redisState) {
	if s == n.state() {
		return
	}
	n.past = append(n.past, redisMoment{at, s})
	if len(n.past) > 400 { // every second one of the older half is enough
		kept := n.past[:1]
		for i, m := range n.past[1:] {
			if i >= 200 || i%2 == 0 {
				kept = append(kept, m)
			}
		}
		n.past = kept
	}
}

func newSimRedis(w *world) *simRedis {
	r := &simRedis{w: w}
	r.nodes[0].past = []redisMoment{{0, &redisState{marks: map[string]string{}, entries: map[place]redisEntry{}}}}
	return r
}

// node is the one that a host talks to.
func (r *simRedis) node(h *host) *redisNode {
	if r.split {
		return &r.nodes[h.branch]
	}
	return &r.nodes[0]
}

// redisLink is Redis as one process reaches it. It implements l2Store.
type redisLink struct{ p *process }

var errRedisGone = errors.New("simulation: Redis does not answer")

// A trip to Redis and back, in good weather: as short as this, or three times as long.
const (
	redisThere = 60 * time.Microsecond
	redisBack  = 40 * time.Microsecond
)

// ask is one command. Its effect comes once, twice, late or never; its answer comes or does not. As
// with the real client, the end of the context does not cancel it.
func ask[T any](l redisLink, what string, about uint64, effect func() T) (T, error) {
	var none T
	p, w := l.p, l.p.host.w
	p.standStill()
	if p.dead.Load() {
		return none, errDead
	}
	c := w.chance(what, p.host.index, about)
	sky := w.redisSky(p.host, what)
	there, back := c.between(redisThere, 3*redisThere), c.between(redisBack, 3*redisBack)
	if sky.slow > 0 {
		there += c.skewed(0, sky.slow)
		back += c.skewed(0, sky.slow)
	}
	if c.percent(sky.late) {
		there += c.skewed(0, 3*time.Second)
	}
	arrives, answers := true, !c.percent(sky.mute)
	switch {
	case sky.refuse:
		time.Sleep(there)
		p.standStill()
		return none, errRedisGone
	case sky.hang:
		arrives, answers = c.percent(25), false
		there = c.skewed(0, hangs/2) // with what go-redis waits for a subscription, no more than the two seconds of docs/consistency.md
		back = c.skewed(0, hangs/6)
	}
	run := func() (T, bool) {
		if p.dead.Load() && c.percent(50) || !sky.hang && w.redisSky(p.host, what).refuse {
			return none, false
		}
		w.mu.Lock()
		defer w.mu.Unlock()
		w.trace.note(w.now(), p.host.index, what, int64(about), 0)
		return effect(), true
	}
	time.Sleep(there)
	if !arrives {
		time.Sleep(back)
		p.standStill()
		return none, errRedisGone
	}
	value, ok := run()
	switch {
	case !ok:
	case c.percent(sky.twice) && c.percent(50): // sent again, for want of an answer
		time.Sleep(c.skewed(time.Microsecond, time.Second))
		value, ok = run()
	case c.percent(sky.twice):
		time.AfterFunc(c.skewed(time.Microsecond, 2*time.Second), func() { run() })
	}
	time.Sleep(back)
	p.standStill()
	if p.dead.Load() {
		return none, errDead
	}
	if !ok || !answers {
		return none, errRedisGone
	}
	return value, nil
}

// reads are answered by a replica, when it is so. Called with the world's mutex held.
func (l redisLink) reads() *redisState {
	r, h := l.p.host.w.redis, l.p.host
	if behind := r.stale[h.index]; behind > 0 {
		return r.node(h).before(r.w.now() - behind)
	}
	return r.node(h).state()
}

// writes replaces what Redis holds. Called with the world's mutex held.
func (l redisLink) writes(s *redisState) {
	r := l.p.host.w.redis
	r.node(l.p.host).set(r.w.now(), s)
}

func (l redisLink) state() *redisState { return l.p.host.w.redis.node(l.p.host).state() }

func (l redisLink) entries(_ context.Context, feed string, ids []store.LookupID) (string, []string, error) {
	type answer struct {
		mark    string
		entries []string
	}
	all := uint64(0)
	for _, id := range ids {
		all = mix(all) + about(id)
	}
	a, err := ask(l, "redis.mget", all, func() answer {
		mark, entries := l.reads().read(feed, ids, l.p.host.w.now())
		return answer{mark, entries}
	})
	return a.mark, a.entries, err
}

func (l redisLink) watermark(_ context.Context, feed string) (string, error) {
	return ask(l, "redis.mark", 0, func() string { return l.reads().marks[feed] })
}

func (l redisLink) advance(_ context.Context, feed string, ids []store.LookupID, prev, last position) (string, error) {
	return ask(l, "redis.advance", uint64(last.id), func() string {
		s, at := l.state().advance(feed, ids, prev, last)
		l.writes(s)
		return at
	})
}

func (l redisLink) fill(_ context.Context, feed string, id store.LookupID, at watermark, ttl time.Duration, entry string) (bool, error) {
	return ask(l, "redis.fill", about(id)^uint64(at.id), func() bool {
		s, done := l.state().fill(feed, id, at, l.p.host.w.now()+ttl, entry)
		l.writes(s)
		return done
	})
}

func (l redisLink) reset(_ context.Context, feed string, expected string, to watermark) (bool, error) {
	return ask(l, "redis.reset", uint64(to.id), func() bool {
		s, done := l.state().reset(feed, expected, to)
		l.writes(s)
		return done
	})
}

func (l redisLink) probe(context.Context, string) error {
	_, err := ask(l, "redis.probe", 0, func() bool { return true })
	return err
}

func (l redisLink) publish(_ context.Context, feed, to, message string) error {
	w := l.p.host.w
	_, err := ask(l, "redis.publish", uint64(len(message)), func() bool {
		w.bus.send(l.p.host, feed, to, message)
		return true
	})
	return err
}
