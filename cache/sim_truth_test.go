package cache

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/latchkey-go/latchkey/store"
)

// truth is the oracle of protocol 12: it records each commit and each success, and judges each
// answer.
type truth struct {
	mu      sync.Mutex
	head    int64
	keys    []keyTruth
	pending map[string]*intent

	// bound is how long after a commit a stale answer is tolerated; 0: not at all.
	bound time.Duration
	// lossy is until when a process need not have noticed that the store has lost its last changes:
	// answers that begin before may be from there. lasts is how long it may take.
	lossy, lasts time.Duration
	wrong        []string // what was found, at most a few

	reads, unavailable, changes, slow, failed uint64
}

// keyTruth is the history of one key.
type keyTruth struct {
	id       store.LookupID
	states   []keyState
	highest  int64     // version there has ever been
	promises []promise // in the order in which they were given
}

// keyState is what a key was from an event on. Versions count up, so that each is there once.
type keyState struct {
	from    int64
	version int64 // 0: there was no such key
}

// promise is a change that has returned success: every Read that begins later must reflect the
// event.
type promise struct {
	event     int64
	committed time.Duration
}

// intent is a change under way: what it writes becomes true when it is committed.
type intent struct {
	writes    map[int]int64 // key → version
	touches   []int         // keys that it promises something about; nil after a commit without events: all
	event     int64
	committed time.Duration
	lost      bool
}

func newTruth(keys int) *truth {
	t := &truth{pending: map[string]*intent{}}
	for i := range keys {
		t.keys = append(t.keys, keyTruth{
			id:     store.LookupID{byte(i + 1), 0x51, 0x4d, byte(i + 1), 1, 2, 3, byte(i + 1)},
			states: []keyState{{from: 0, version: 0}},
		})
	}
	return t
}

// version returns what a key is now, 0 for none, and what its next version would be. Called by
// changes, within their transaction.
func (t *truth) version(key int) (now, next int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	k := &t.keys[key]
	return k.states[len(k.states)-1].version, k.highest + 1
}

// intend announces what a change, known by its request id, is going to write.
func (t *truth) intend(request string, i *intent) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.pending[request] = i
}

// committed is called at the moment of the commit. A change without events promises what has
// happened so far.
func (t *truth) committed(request string, change store.Change, at time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	i := t.pending[request]
	i.committed = at
	if change.Last == 0 {
		i.event, i.touches = t.head, nil
		return
	}
	t.head = change.Last
	i.event = change.Last
	for key, version := range i.writes {
		k := &t.keys[key]
		k.states = append(k.states, keyState{from: change.Last, version: version})
		k.highest = max(k.highest, version)
	}
}

// succeeded is called when the change has returned success.
func (t *truth) succeeded(request string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	i := t.pending[request]
	if i.lost {
		return
	}
	p := promise{event: i.event, committed: i.committed}
	if i.touches == nil {
		for k := range t.keys {
			t.keys[k].promises = append(t.keys[k].promises, p)
		}
		return
	}
	for _, k := range i.touches {
		t.keys[k].promises = append(t.keys[k].promises, p)
	}
}

// promised returns the number of promises about a key. A Read that begins now must reflect all of
// them.
func (t *truth) promised(key int) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.keys[key].promises)
}

// judge checks one answer. promised is the result of the method of that name when the Read began.
// It returns what is wrong, or "".
func (t *truth) judge(key, promised int, began time.Duration, found store.Found, err error) string {
	t.mu.Lock()
	defer t.mu.Unlock()
	if err != nil {
		t.unavailable++
		if !errors.Is(err, store.ErrUnavailable) || errors.Is(err, store.ErrUnauthenticated) || errors.Is(err, store.ErrNotFound) {
			return fmt.Sprintf("the error is not ErrUnavailable: %v", err)
		}
		return ""
	}
	t.reads++
	k := &t.keys[key]
	version := int64(0)
	if found.Record != nil {
		version = found.Record.Key.Version
		if found.Record.Key.LookupID != k.id {
			return "the answer is about another key"
		}
	}
	if began < t.lossy {
		return ""
	}
	until := int64(-1)
	for i := len(k.states) - 1; i >= 0; i-- {
		if k.states[i].version == version {
			until = math.MaxInt64
			if i+1 < len(k.states) {
				until = k.states[i+1].from
			}
			break
		}
	}
	if until < 0 {
		return fmt.Sprintf("version %d has never been", version)
	}
	if until == math.MaxInt64 {
		promised = 0 // the newest there is
	}
	for _, p := range k.promises[:promised] {
		if p.event < until || t.bound > 0 && began <= p.committed+t.bound {
			continue
		}
		return fmt.Sprintf("version %d was replaced by event %d; a change with event %d, committed at %v, had returned success before the read began",
			version, until, p.event, p.committed)
	}
	if found.FeedID == recalled {
		return ""
	}
	if at := k.at(found.Head); at != version {
		return fmt.Sprintf("version %d is said to be right up to event %d, where it was %d", version, found.Head, at)
	}
	return ""
}

// at returns the version after an event.
func (k *keyTruth) at(event int64) int64 {
	for i := len(k.states) - 1; i >= 0; i-- {
		if k.states[i].from <= event {
			return k.states[i].version
		}
	}
	return -1
}

// restore removes everything after an event: the store was restored to it. Versions from then do
// not come again.
func (t *truth) restore(to int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.head = to
	for i := range t.keys {
		k := &t.keys[i]
		k.states = slices.DeleteFunc(k.states, func(s keyState) bool { return s.from > to })
		k.promises = slices.DeleteFunc(k.promises, func(p promise) bool { return p.event > to })
	}
	for _, i := range t.pending {
		i.lost = i.lost || i.event > to
	}
}

// loses is restore for a store that goes on at once: it takes a while until everybody knows.
func (t *truth) loses(to int64, at time.Duration) {
	t.restore(to)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.lossy = at + t.lasts
}

// accuse notes a violation.
func (t *truth) accuse(format string, args ...any) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.wrong) < 5 {
		t.wrong = append(t.wrong, fmt.Sprintf(format, args...))
	}
}
