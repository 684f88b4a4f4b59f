package cache

import (
	"math"
	"sync"
	"sync/atomic"
	"time"

	"github.com/maypok86/otter/v2"

	"github.com/latchkey-go/latchkey/store"
)

// history is what a process knows about one feed. When the store was restored from a backup or
// replaced by another, the numbers of its events mean something else, and a new history begins.
type history struct {
	feed string
	// requiredHead is the newest known event, `need` in the protocol: what comes from Redis must be
	// at least as new. It only rises.
	requiredHead atomic.Int64
	// confirmedHead is the newest event that certainly existed, `sure` in the protocol: an answer
	// of the store or an announcement that cannot be forged contained it. A store that later ends
	// before it has been restored.
	confirmedHead atomic.Int64
	// mu guards tags: those of the newest events that this process knows.
	mu   sync.Mutex
	tags map[int64]knownTag
	// tagsLost says that tags has no room for some confirmed events.
	tagsLost atomic.Bool
	// diverged says that the feed went back and that the next poll must begin a new history.
	// Cache.publishing guards it.
	diverged bool
	// previousHead is the newest event of the earlier histories of this feed, `former` in the
	// protocol.
	previousHead int64
	// lastActivation is the newest known event that can make an unknown token valid. It rises
	// together with requiredHead (protocol 14).
	lastActivation atomic.Int64
	// watermark is the number of the watermark in Redis as last seen.
	watermark atomic.Int64
	// aligned says that a repair has brought Redis in line with this history. Redis is not used
	// before: what it holds at a start, or after a loss, may be of any age.
	aligned atomic.Bool
}

// knownTag is the tag of an event. It is confirmed when it came from the store, or in an
// announcement with a MAC.
type knownTag struct {
	tag       store.Tag
	confirmed bool
}

func newHistory(feed string, head position) *history {
	h := &history{feed: feed, tags: map[int64]knownTag{}}
	h.requiredHead.Store(head.id)
	h.lastActivation.Store(head.id) // earlier events are not known
	h.learn(head, true)
	return h
}

// learn adds an event. It returns false when this process knows another event with that number and
// that one is confirmed. Then the feed went back in between or, if the new one is not confirmed, it
// is invented.
func (h *history) learn(at position, confirmed bool) bool {
	if confirmed {
		raise(&h.confirmedHead, at.id)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	old, ok := h.tags[at.id]
	switch {
	case !ok && len(h.tags) >= 3*replayLimit:
		if confirmed {
			h.tagsLost.Store(true)
		}
	case !ok || confirmed && (!old.confirmed || old.tag == 0):
		h.tags[at.id] = knownTag{at.tag, confirmed}
	default:
		return !old.confirmed || !differ(old.tag, at.tag)
	}
	return true
}

// differ reports whether two tags belong to two events. A tag of 0 is not known.
func differ(a, b store.Tag) bool { return a != b && a != 0 && b != 0 }

// knows reports whether an event belongs to this history, as far as this process knows. With
// allowUnknown the event may be one that this process does not know.
func (h *history) knows(at position, allowUnknown bool) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	there, ok := h.tags[at.id]
	return ok && there.tag == at.tag || !ok && allowUnknown
}

// isAt reports whether a watermark is at an event of this history. The feed must have been read
// from that event on. Before the first repair a watermark without a tag does not count: it says
// nothing about the history.
func (h *history) isAt(at position, feed store.Feed) bool {
	return startsAt(feed, at) && (at.tag != 0 || at.id == 0 || h.aligned.Load())
}

// mergePoll replaces the tags by those of a poll and drops old ones. It returns false when the feed
// has another event in the place of a confirmed one.
func (h *history) mergePoll(feed store.Feed) bool {
	raise(&h.confirmedHead, feed.Head)
	h.mu.Lock()
	defer h.mu.Unlock()
	for id, k := range h.tags {
		if !k.confirmed || id <= feed.Head-replayLimit {
			delete(h.tags, id)
		}
	}
	agrees := true
	for _, event := range append(feed.Events, store.FeedEvent{ID: feed.Head, Tag: feed.Tag}) {
		k := h.tags[event.ID]
		agrees = agrees && !(k.confirmed && differ(k.tag, event.Tag))
		h.tags[event.ID] = knownTag{event.Tag, true}
	}
	return agrees
}

// raiseHeads raises requiredHead and lastActivation.
func (h *history) raiseHeads(head, lastActivation int64) {
	raise(&h.lastActivation, lastActivation)
	raise(&h.requiredHead, head)
}

// learnAnnounced adds the event of a message. It returns what learn returns.
//
// The sender of a message with a MAC has seen the commit. But such a message may come from an
// earlier history: it may be late, or an attacker may have copied it and send it again and again.
// It must not empty the cache each time. So nothing is learned from events up to previousHead.
func (h *history) learnAnnounced(at position, authentic bool) bool {
	switch {
	case at.id <= h.previousHead:
	case at.tag != 0:
		return h.learn(at, authentic)
	case authentic: // from a program that has no tags
		raise(&h.confirmedHead, at.id)
	}
	return true
}

// retract lowers requiredHead again, from announced to head, when a poll that began after the
// announcement shows that the feed ends at head. The message did not belong to this history.
// Without this, Redis would stay unused forever (protocol 14).
func (h *history) retract(announced, head int64) {
	if head >= announced || !h.requiredHead.CompareAndSwap(announced, head) {
		return
	}
	if r := h.lastActivation.Load(); r > head {
		h.lastActivation.CompareAndSwap(r, head)
	}
}

func raise(a *atomic.Int64, to int64) {
	for {
		old := a.Load()
		if old >= to || a.CompareAndSwap(old, to) {
			return
		}
	}
}

// epoch is one generation of the in-process cache. To drop all entries, a new epoch begins: a load
// in flight then stores its result in the old epoch, which nothing reads (protocol 3.5). Only
// freshAt changes after an epoch is made.
type epoch struct {
	*history
	keys    *otter.Cache[l1Key, *l1Entry]
	unknown *otter.Cache[store.LookupID, unknown]
	// freshAt is the start of the last completed poll; nil when no poll counts.
	freshAt atomic.Pointer[instant]
}

// unknown is a token without a key.
type unknown struct {
	asOf     int64  // the event up to which this is current
	redacted string // the redacted form that the lookup named
}

func (c *Cache) newEpoch(h *history, freshAt *instant) *epoch {
	e := &epoch{
		history: h,
		keys: otter.Must(&otter.Options[l1Key, *l1Entry]{
			MaximumSize: c.o.MaxKeys,
			Executor:    runInline,
			Logger:      otterLog{c.o.Logger},
		}),
		unknown: otter.Must(&otter.Options[store.LookupID, unknown]{
			MaximumSize:      c.o.MaxUnknown,
			ExpiryCalculator: otter.ExpiryWriting[store.LookupID, unknown](unknownTTL),
			Clock:            &c.coarse,
			Executor:         runInline,
			Logger:           otterLog{c.o.Logger},
		}),
	}
	e.freshAt.Store(freshAt)
	return e
}

// runInline runs otter's maintenance, due after about 16 reads, on the goroutine that reads: waking
// another one costs more.
func runInline(task func()) { task() }

// retire stops the epoch's background work. Reading from it stays possible.
func (e *epoch) retire() {
	e.keys.StopAllGoroutines()
	e.unknown.StopAllGoroutines()
}

// age returns the time since the last poll that counts, or never when there is none.
func (e *epoch) age(now instant) time.Duration {
	freshAt := e.freshAt.Load()
	if freshAt == nil {
		return never
	}
	return now.elapsed(*freshAt)
}

// never is longer than any lease.
const never = time.Duration(math.MaxInt64)

// replace makes e the current epoch and retires the one before. When the cache is closed, it
// retires e. The caller holds c.publishing.
func (c *Cache) replace(e *epoch) {
	if c.closed.Load() {
		e.retire()
		return
	}
	if old := c.epoch.Swap(e); old != nil {
		old.retire()
		c.count.drops.Add(1)
	}
}

// coarseClock is the time of the last poll. Expiry in memory uses it, which does not affect
// correctness. Reading it is cheap, and a hit reads a real clock already.
type coarseClock struct{ atomic.Int64 }

func (c *coarseClock) NowNano() int64 { return c.Load() }

func (c *coarseClock) Tick(every time.Duration) <-chan time.Time { return time.Tick(every) }
