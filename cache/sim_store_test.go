package cache

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/latchkey-go/latchkey/store"
)

// simFeed is the feed's id in every run, so that it is the same in a replay.
const simFeed = "feed"

// simStore is the database: a store of store.NewMemory, which is linearizable and has an ordered
// feed, and members by a clock of its own.
type simStore struct {
	w       *world
	rows    store.Store
	weather weather
	ahead   time.Duration // of its clock
	members map[string]simMember
	writes  []memberWrite  // to members, in order
	partly  bool           // restore leaves the members as they are
	log     []loggedChange // what restore starts from
	watch   []*simWatch
	tags    map[int64]store.Tag // of events that have been restored; never modified
	tagless bool                // all events are of programs of level 1
}

// memberWrite is one write of a row; nil: its removal.
type memberWrite struct {
	at  time.Duration
	id  string
	row *simMember
}

// write writes a member's row. Called with the world's mutex held.
func (s *simStore) write(id string, row *simMember) {
	s.writes = append(s.writes, memberWrite{s.w.now(), id, row})
	if row == nil {
		delete(s.members, id)
		return
	}
	s.members[id] = *row
}

// simWatch is a process that is woken when something has changed, or not.
type simWatch struct {
	p    *process
	wake chan int64
}

// wake wakes the watchers after a while. The caller holds the world's mutex.
func (s *simStore) wake(from *host, head int64) {
	for _, watch := range s.watch {
		c := s.w.chance("wake", watch.p.host.index, uint64(from.index))
		lost := 5
		if sky := merge("store.watch", &s.weather, &watch.p.host.toStore); sky.refuse || sky.hang {
			lost = 100
		}
		if s.w.calm.Load() {
			lost = 0
		}
		if c.percent(lost) {
			continue
		}
		time.AfterFunc(c.between(storeBack, 10*time.Millisecond), func() {
			select {
			case watch.wake <- head:
			default:
			}
		})
	}
}

type simMember struct {
	store.Member
	lapses time.Duration
	of     *process
}

// now is the database's own clock.
func (s *simStore) now() time.Duration { return s.w.now() + s.ahead }

// current returns the store: restore replaces it.
func (s *simStore) current() store.Store {
	rows, _ := s.tagged()
	return rows
}

// tagged returns the store, and what gives an event its tag: those that the store was given when it
// was restored have other ones in it.
func (s *simStore) tagged() (store.Store, func(int64, store.Tag) store.Tag) {
	s.w.mu.Lock()
	defer s.w.mu.Unlock()
	tags, tagless := s.tags, s.tagless
	return s.rows, func(event int64, tag store.Tag) store.Tag {
		if tagless {
			return 0
		}
		return cmp.Or(tags[event], tag)
	}
}

func (s *simStore) feed(after int64, limit int) (store.Feed, error) {
	rows, tag := s.tagged()
	feed, err := rows.Feed(context.Background(), after, limit)
	feed.ID = simFeed
	feed.Tag = tag(feed.Head, feed.Tag)
	for i := range feed.Events {
		feed.Events[i].Tag = tag(feed.Events[i].ID, feed.Events[i].Tag)
	}
	return feed, err
}

// commit makes a change. The oracle learns of it at that moment, even if the caller does not.
func (s *simStore) commit(actor store.Actor, fn func(store.Tx) error) (store.Change, error) {
	w := s.w
	var done loggedChange
	rows, tag := s.tagged()
	change, err := rows.Change(context.Background(), actor, func(tx store.Tx) error { return fn(&loggingTx{tx, &done}) })
	if err != nil {
		return store.Change{}, err
	}
	if change.Last > 0 {
		change.FeedID = simFeed
		change.Before = tag(change.First-1, change.Before)
		for i, e := range change.Events {
			change.Events[i].Tag = tag(e.ID, e.Tag)
		}
		done.last, done.at, done.events = change.Last, w.now(), change.Events
		w.mu.Lock()
		s.log = append(s.log, done)
		w.mu.Unlock()
	}
	w.truth.committed(actor.RequestID, change, w.now())
	return change, nil
}

// drop removes the rows of processes that have ended, as time would.
func (s *simStore) drop() {
	s.w.mu.Lock()
	defer s.w.mu.Unlock()
	for id, m := range s.members {
		if m.of.dead.Load() {
			delete(s.members, id)
		}
	}
}

// storeLink is the database as one process reaches it.
type storeLink struct {
	store.Store
	p *process
}

var errStoreGone = fmt.Errorf("simulation: the store does not answer: %w", store.ErrUnavailable)

// A trip to the store and back, in good weather: as short as this, or three times as long.
const (
	storeThere = 200 * time.Microsecond
	storeBack  = 100 * time.Microsecond
	// hangs is how long a caller without a limit waits.
	hangs = 3 * time.Second
)

// statement is one trip to the store and back. effect is what it does there, at one moment between
// its beginning and its end, or never; a write may also take effect after its caller has given up.
func statement[T any](ctx context.Context, l storeLink, what string, about uint64, writes bool, effect func() (T, error)) (T, error) {
	var none T
	p, w := l.p, l.p.host.w
	p.standStill()
	if p.dead.Load() {
		return none, errDead
	}
	if sent := w.hook(&w.sent); sent != nil {
		sent(p, what)
	}
	c := w.chance(what, p.host.index, about)
	sky := w.storeSky(p.host, what)
	there, back := c.between(storeThere, 3*storeThere), c.between(storeBack, 3*storeBack)
	if sky.slow > 0 {
		there += c.skewed(0, sky.slow)
		back += c.skewed(0, sky.slow)
	}
	back += sky.wait
	arrives, answers := true, !c.percent(sky.mute)
	switch {
	case sky.refuse:
		sleep(ctx, there)
		p.standStill()
		return none, errStoreGone
	case sky.hang:
		arrives, answers = c.percent(25), false
		there = c.skewed(0, hangs)
	}
	if !arrives {
		sleep(ctx, hangs+back)
		p.standStill()
		return none, errStoreGone
	}
	run := func() (T, error) {
		if p.dead.Load() && c.percent(50) || !sky.hang && w.storeSky(p.host, what).refuse {
			return none, errStoreGone
		}
		w.trace.note(w.now(), p.host.index, what, int64(about), 0)
		if done := w.hook(&w.done); done != nil {
			defer done(p, what)
		}
		return effect()
	}
	began := w.now()
	if !sleep(ctx, there) {
		if rest := there - (w.now() - began); writes && rest > 0 && c.percent(50) {
			time.AfterFunc(rest, func() { _, _ = run() })
		}
		p.standStill()
		return none, errStoreGone
	}
	value, err := run()
	if !answers {
		back = hangs
	}
	arrived := sleep(ctx, back)
	p.standStill()
	switch {
	case p.dead.Load():
		return none, errDead
	case !answers, !arrived, ctx.Err() != nil && c.percent(50):
		return none, errStoreGone
	}
	return value, err
}

func about(id store.LookupID) uint64 { return binary.BigEndian.Uint64(id[:8]) }

func (l storeLink) Lookup(ctx context.Context, id store.LookupID, redacted string) (store.Found, error) {
	return statement(ctx, l, "store.lookup", about(id), false, func() (store.Found, error) {
		rows, tag := l.p.host.w.store.tagged()
		found, err := rows.Lookup(context.Background(), id, redacted)
		found.FeedID = simFeed
		found.Tag = tag(found.Head, found.Tag)
		return found, err
	})
}

func (l storeLink) Feed(ctx context.Context, after int64, limit int) (store.Feed, error) {
	return statement(ctx, l, "store.feed", uint64(after), false, func() (store.Feed, error) {
		return l.p.host.w.store.feed(after, limit)
	})
}

// Change commits at one moment.
func (l storeLink) Change(ctx context.Context, actor store.Actor, fn func(store.Tx) error) (store.Change, error) {
	w := l.p.host.w
	return statement(ctx, l, "store.change", mixText(0, actor.RequestID), true, func() (store.Change, error) {
		change, err := w.store.commit(actor, fn)
		if err == nil && change.Last > 0 && w.setup.wakes == byFile {
			w.set(func() { w.store.wake(l.p.host, change.Last) })
		}
		if err == nil && w.crashesAtCommit(l.p) {
			l.p.kill()
		}
		return change, err
	})
}

func (l storeLink) Join(ctx context.Context, m store.Member) error {
	_, err := statement(ctx, l, "store.join", 0, false, func() (struct{}, error) {
		w := l.p.host.w
		w.mu.Lock()
		defer w.mu.Unlock()
		m.Level = cmp.Or(l.p.level, store.Level)
		w.store.write(m.ID, &simMember{Member: m, lapses: w.store.now() + m.TTL, of: l.p})
		return struct{}{}, nil
	})
	return err
}

func (l storeLink) Acknowledge(ctx context.Context, id string, head int64, tag store.Tag) error {
	_, err := statement(ctx, l, "store.acknowledge", uint64(head), true, func() (struct{}, error) {
		w := l.p.host.w
		feed, err := w.store.feed(head-1, 1)
		w.mu.Lock()
		defer w.mu.Unlock()
		m, joined := w.store.members[id]
		if err != nil || !joined || !startsAt(feed, position{head, tag}) {
			return struct{}{}, store.ErrNotFound
		}
		m.Acked = head
		w.store.write(id, &m)
		return struct{}{}, nil
	})
	return err
}

func (l storeLink) Watch(ctx context.Context, changed func(int64)) error {
	w := l.p.host.w
	if w.setup.wakes == nobody {
		return errors.ErrUnsupported
	}
	mine := &simWatch{p: l.p, wake: make(chan int64, 1)}
	w.set(func() { w.store.watch = append(w.store.watch, mine) })
	defer w.set(func() {
		w.store.watch = slices.DeleteFunc(w.store.watch, func(other *simWatch) bool { return other == mine })
	})
	for {
		select {
		case head := <-mine.wake:
			l.p.standStill()
			if l.p.dead.Load() {
				return errDead
			}
			if w.storeSky(l.p.host, "store.watch").refuse {
				return errStoreGone
			}
			changed(head)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (l storeLink) Announce(ctx context.Context) error {
	_, err := statement(ctx, l, "store.announce", 0, false, func() (struct{}, error) {
		w := l.p.host.w
		w.mu.Lock()
		defer w.mu.Unlock()
		if w.setup.wakes == byNotice {
			w.store.wake(l.p.host, 0)
		}
		return struct{}{}, nil
	})
	return err
}

func (l storeLink) Leave(ctx context.Context, id string) error {
	_, err := statement(ctx, l, "store.leave", 0, false, func() (struct{}, error) {
		w := l.p.host.w
		w.mu.Lock()
		defer w.mu.Unlock()
		w.store.write(id, nil)
		return struct{}{}, nil
	})
	return err
}

func (l storeLink) Members(ctx context.Context) ([]store.Member, error) {
	return statement(ctx, l, "store.members", 0, false, func() ([]store.Member, error) {
		w := l.p.host.w
		w.mu.Lock()
		defer w.mu.Unlock()
		feed, err := w.store.rows.Feed(context.Background(), maxEventID, 1)
		if err != nil {
			return nil, err
		}
		var members []store.Member
		for id, m := range w.store.members {
			now := w.store.now()
			if now >= m.lapses && now >= m.lapses+m.MaxStale {
				w.store.write(id, nil)
				continue
			}
			m.TTL, m.Lapsed = 0, now >= m.lapses
			if m.Acked > feed.Head {
				m.Acked = 0
			}
			members = append(members, m.Member)
		}
		slices.SortFunc(members, func(a, b store.Member) int { return strings.Compare(a.ID, b.ID) })
		return members, nil
	})
}

func (l storeLink) Close(context.Context) error { return nil } // the database goes on

// loggedChange is a change that can be replayed.
type loggedChange struct {
	last   int64
	at     time.Duration
	events []store.FeedEvent
	steps  []func(store.Tx) error
}

// loggingTx notes what a change does.
type loggingTx struct {
	store.Tx
	done *loggedChange
}

func (tx *loggingTx) step(do func(store.Tx) error) error {
	err := do(tx.Tx)
	if err == nil {
		tx.done.steps = append(tx.done.steps, do)
	}
	return err
}

func (tx *loggingTx) Insert(ctx context.Context, r *store.Record, e store.Event) error {
	return tx.step(func(tx store.Tx) error { return tx.Insert(ctx, r, e) })
}

func (tx *loggingTx) Update(ctx context.Context, r *store.Record, e store.Event) error {
	return tx.step(func(tx store.Tx) error { return tx.Update(ctx, r, e) })
}

func (tx *loggingTx) Delete(ctx context.Context, r *store.Record, e store.Event) error {
	return tx.step(func(tx store.Tx) error { return tx.Delete(ctx, r, e) })
}

func (tx *loggingTx) Append(ctx context.Context, r *store.Record, e store.Event) error {
	return tx.step(func(tx store.Tx) error { return tx.Append(ctx, r, e) })
}

func (tx *loggingTx) InsertQuietly(ctx context.Context, r *store.Record) error {
	return tx.step(func(tx store.Tx) error { return tx.InsertQuietly(ctx, r) })
}

// restore takes the database back to where it was after an event, as from a backup.
func (s *simStore) restore(to int64) error {
	s.w.mu.Lock()
	defer s.w.mu.Unlock()
	rows, tags := store.NewMemory(), map[int64]store.Tag{}
	for _, c := range s.log {
		if c.last > to {
			break
		}
		_, err := rows.Change(context.Background(), store.Actor{}, func(tx store.Tx) error {
			for _, step := range c.steps {
				if err := step(tx); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
		for _, e := range c.events {
			tags[e.ID] = e.Tag
		}
	}
	if i := slices.IndexFunc(s.log, func(c loggedChange) bool { return c.last > to }); i >= 0 {
		s.log = s.log[:i]
	}
	s.rows, s.tags = rows, tags
	if !s.partly {
		clear(s.members) // those of then have lapsed
		s.writes = nil
	}
	return nil
}

// lose takes the database back to where it was at a moment, as a fail-over to a standby that was
// behind does: what was written since is lost, and rows of members with it. It returns the event
// that is the head then.
func (s *simStore) lose(since time.Duration) (int64, error) {
	s.w.mu.Lock()
	to := int64(0)
	for _, c := range s.log {
		if c.at <= since {
			to = c.last
		}
	}
	writes := s.writes
	s.w.mu.Unlock()
	if err := s.restore(to); err != nil {
		return 0, err
	}
	s.w.mu.Lock()
	defer s.w.mu.Unlock()
	for _, m := range writes {
		if m.at <= since {
			s.write(m.id, m.row)
			s.writes[len(s.writes)-1].at = m.at
		}
	}
	return to, nil
}
