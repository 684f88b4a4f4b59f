package cache

import (
	"testing"
	"time"
)

// quick and slow judge how long a change has taken.
func (w *world) quick(took time.Duration, why string) { w.want(took < 400*time.Millisecond, why, took) }
func (w *world) slow(took time.Duration, why string)  { w.want(took > 900*time.Millisecond, why, took) }

// mute prevents a host from acknowledging in its row, until lifted.
func (w *world) mute(on int) (lift func()) {
	c := &condition{only: "store.acknowledge", refuse: true}
	w.set(func() { w.hosts[on].toStore.begin(c) })
	return func() { w.set(func() { w.hosts[on].toStore.end(c) }) }
}

// withoutRedis are scenarios of hosts that acknowledge in their rows. apart is how many hosts, the
// last ones, have no Redis.
var withoutRedis = []struct {
	apart int
	wakes wakes
	scenario
}{
	{3, nobody, scenario{"3.8: a change takes a poll, and WAIT while one member cannot acknowledge it", Strict, func(w *world) {
		w.quick(w.must(0, update, 0), "it takes a poll")
		lift := w.mute(1)
		for range 2 {
			w.slow(w.must(0, update, 0), "one does not acknowledge")
			w.slow(w.must(0, nothing, 0), "nor what was done before")
		}
		lift()
		time.Sleep(300 * time.Millisecond)
		w.quick(w.must(0, nothing, 0), "what failed has been tried again")
		w.quick(w.must(0, update, 0), "all is well again")
		w.quick(w.must(1, repeat, 0), "also when nothing has to be done")
		w.hosts[2].current.Load().kill()
		w.slow(w.must(0, update, 0), "one is dead")
		time.Sleep(31 * time.Second)
		w.quick(w.must(0, update, 0), "its row has lapsed")
		w.hosts[1].current.Load().close()
		w.quick(w.must(0, update, 0), "one has left")
	}}},
	{3, nobody, scenario{"3.8: a member renews its row, and acknowledges again", Strict, func(w *world) {
		for w.now() < 35*time.Second {
			time.Sleep(500 * time.Millisecond)
			w.quick(w.must(0, nothing, 0), "all have acknowledged what is")
		}
	}}},
	{3, byFile, scenario{"3.8: those who watch are woken by a commit", Strict, wokenSoon}},
	{3, byNotice, scenario{"3.8: those who watch are woken by a notice", Strict, wokenSoon}},
	{3, nobody, scenario{"3.8: an acknowledgement comes late, and the store has lost what it is about", Strict, func(w *world) {
		w.hosts[2].current.Load().close()
		for range 4 {
			w.must(0, repeat, 1)
		}
		feed, err := w.store.feed(maxEventID, 1)
		w.want(err == nil, "head", err)
		lost := headOf(feed)
		w.store.partly = true // a fail-over: the rows of the members have been replicated too
		w.restore(lost.id - 4)
		time.Sleep(1500 * time.Millisecond) // no reads now: until the next poll, answers are from another history
		for range 3 {
			w.must(0, repeat, 1)
		}
		_, _ = w.ask(1, 0)
		p := w.hosts[1].current.Load()
		_ = storeLink{w.store.current(), p}.Acknowledge(background, p.cache.id, lost.id, lost.tag)
		w.must(0, update, 0) // gets the number of the one that was lost
		_, _ = w.ask(1, 0)
	}}},
	{3, nobody, scenario{"3.8: the feed has been restored, and the rows of the members have not", Strict, func(w *world) {
		w.hosts[2].current.Load().close()
		for range 4 {
			w.must(0, repeat, 1)
		}
		_, _ = w.ask(1, 0)
		w.store.partly = true
		w.afterPoll(1)
		w.restore(w.head() - 4)
		w.must(0, update, 0) // before host 1 has polled
		_, _ = w.ask(1, 0)
	}}},
	{3, nobody, scenario{"3.8: after a restore nothing counts that was acknowledged before", Strict, func(w *world) {
		w.hosts[2].current.Load().close()
		at := w.head()
		w.quick(w.must(0, thousand, 1), "all have acknowledged it")
		defer w.mute(1)()
		w.store.partly = true
		w.restore(at)
		time.Sleep(1500 * time.Millisecond) // no reads now: until the next poll, answers are from another history
		_, _ = w.ask(1, 0)
		w.must(0, thousand, 0) // ends with the same number
		_, _ = w.ask(1, 0)
	}}},
	{1, nobody, scenario{"4.4: a change without Redis takes WAIT while somebody may answer from Redis", DefaultMaxStale, func(w *world) {
		w.slow(w.must(2, update, 0), "members use Redis")
		w.cut(0)
		w.cut(1)
		time.Sleep(45 * time.Second)
		w.slow(w.must(2, update, 0), "their rows have lapsed")
		time.Sleep(DefaultMaxStale)
		w.quick(w.must(2, update, 0), "they can answer from Redis no more")
	}}},
}

// wokenSoon: not always, since a kick counts only while no poll is under way; without any it would
// be four times of twenty.
func wokenSoon(w *world) {
	soon := 0
	for range 20 {
		time.Sleep(100 * time.Millisecond)
		if w.must(0, update, 0) < 60*time.Millisecond {
			soon++
		}
	}
	w.want(soon >= 8, "changes that are acknowledged soon", soon)
}

// TestScenariosWithoutRedis are those of 3.8 that a random run seldom meets.
func TestScenariosWithoutRedis(t *testing.T) {
	for _, s := range withoutRedis {
		from := setup{noRedis: s.apart == 3, wakes: s.wakes}
		if !from.noRedis {
			from.apart, from.anyway = s.apart, true
		}
		s.run(t, from)
	}
}
