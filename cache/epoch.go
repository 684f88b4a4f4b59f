package cache

import (
	"math"
	"sync"
	"sync/atomic"
	"time"

	"github.com/maypok86/otter/v2"

	"github.com/latchkey-go/latchkey/store"
)

// history is what a process has heard of one feed. When the store turns out to have been restored from a backup, or replaced by
// another, the numbers of its events mean something else, and a new history begins.
type history struct {
	feed string
	// need is the newest known event: what comes from Redis must be at least as new (protocol
	// 0). Only ever raised.
	need atomic.Int64
	// sure is the newest event that there has been for certain: it was in an answer of the store,
	// in whatever answer, or an announcement that nobody can have forged. A store that later ends
	// before it has been restored.
	sure atomic.Int64
	// mu guards tags, those of the newest events that this process knows.
	mu   sync.Mutex
	tags map[int64]known
	// missing says that some that it was sure of were too many to be among them.
	missing atomic.Bool
	// torn says that the feed went back, and that the next poll has to begin a new history. Guarded
	// by Cache.publishing.
	torn bool
	// former is the newest event heard of in the histories of this feed that are over.
	former int64
	// revealing is the newest event heard of that can have made an unknown token known. Raised
	// together with need (protocol 14).
	revealing atomic.Int64
	// watermark is the watermark's id as last seen.
	watermark atomic.Int64
	// aligned says that a repair has brought the shared memory in line with this history. Before,
	// it is not used: what is in Redis at a start, or after a loss, may be of any age.
	aligned atomic.Bool
}

// known is the tag of an event. It is sure when the store returned it, or somebody reported it who
// can prove to have read it there.
type known struct {
	tag  store.Tag
	sure bool
}

func newHistory(feed string, head position) *history {
	h := &history{feed: feed, tags: map[int64]known{}}
	h.need.Store(head.id)
	h.revealing.Store(head.id) // what happened before is not known
	h.learn(head, true)
	return h
}

// learn notes an event that there is. It returns false when this process knows of another one with
// that number, and is sure of that: the feed went back in between or, if the new one is not sure,
// somebody made it up.
func (h *history) learn(at position, sure bool) bool {
	if sure {
		raise(&h.sure, at.id)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	old, ok := h.tags[at.id]
	switch {
	case !ok && len(h.tags) >= 3*replayLimit:
		if sure {
			h.missing.Store(true)
		}
	case !ok || sure && (!old.sure || old.tag == 0):
		h.tags[at.id] = known{at.tag, sure}
	default:
		return !old.sure || !differ(old.tag, at.tag)
	}
	return true
}

// differ reports whether two tags are those of two events. Nobody knows that of an event without a
// tag.
func differ(a, b store.Tag) bool { return a != b && a != 0 && b != 0 }

// knows reports whether an event is one of this history, as far as this process knows. With guess
// it may also be one that this process does not know.
func (h *history) knows(at position, guess bool) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	there, ok := h.tags[at.id]
	return ok && there.tag == at.tag || !ok && guess
}

// isAt reports whether a watermark is at an event of this history, which is then the first of a feed
// that was read from there on. Without a tag it says nothing about histories, and is not believed
// before the first repair.
func (h *history) isAt(at position, feed store.Feed) bool {
	return starts(feed, at) && (at.tag != 0 || at.id == 0 || h.aligned.Load())
}

// polled replaces what is known by what a poll has read, and forgets what is too old to be heard of
// again. It returns false when the feed has another event in the place of one that this process is
// sure of.
func (h *history) polled(feed store.Feed) bool {
	raise(&h.sure, feed.Head)
	h.mu.Lock()
	defer h.mu.Unlock()
	for id, k := range h.tags {
		if !k.sure || id <= feed.Head-replayLimit {
			delete(h.tags, id)
		}
	}
	agrees := true
	for _, event := range append(feed.Events, store.FeedEvent{ID: feed.Head, Tag: feed.Tag}) {
		k := h.tags[event.ID]
		agrees = agrees && !(k.sure && differ(k.tag, event.Tag))
		h.tags[event.ID] = known{event.Tag, true}
	}
	return agrees
}

// hear raises need and revealing.
func (h *history) hear(newest, revealing int64) {
	raise(&h.revealing, revealing)
	raise(&h.need, newest)
}

// told takes over the event that a message reports. When it carries a MAC, who wrote it has seen
// the commit. But one from a history that is over may still come, late, or again and again because
// somebody copied it, and must not have everything dropped each time: up to former it is not known
// which history it is of, and nothing is learned from it. It returns what learn does.
func (h *history) told(at position, sealed bool) bool {
	switch {
	case at.id <= h.former:
	case at.tag != 0:
		return h.learn(at, sealed)
	case sealed: // by a program that knows no tags
		raise(&h.sure, at.id)
	}
	return true
}

// correct takes back what has been heard, up to heard, when a poll that began after that shows that
// the feed ends at head: the message was not from this feed's history, and must not keep what is in
// Redis unused for ever (protocol 14).
func (h *history) correct(heard, head int64) {
	if head >= heard || !h.need.CompareAndSwap(heard, head) {
		return
	}
	if r := h.revealing.Load(); r > head {
		h.revealing.CompareAndSwap(r, head)
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

// epoch is one life of the in-process cache. To drop everything is to begin a new epoch: a load
// that is under way then stores its answer into the old one, where nobody looks (protocol 3.5).
// Everything but freshAt stays as it was made.
type epoch struct {
	*history
	keys    *otter.Cache[l1Key, *l1Entry]
	unknown *otter.Cache[store.LookupID, unknown]
	// freshAt is the start of the last completed poll; nil: none that counts.
	freshAt atomic.Pointer[instant]
}

// unknown is a token that no key had.
type unknown struct {
	asOf     int64  // the event up to which this is right
	redacted string // what was asked besides the lookup id
}

func (c *Cache) newEpoch(h *history, freshAt *instant) *epoch {
	e := &epoch{
		history: h,
		keys: otter.Must(&otter.Options[l1Key, *l1Entry]{
			MaximumSize: c.o.MaxKeys,
			Executor:    atOnce,
			Logger:      otterLog{c.o.Logger},
		}),
		unknown: otter.Must(&otter.Options[store.LookupID, unknown]{
			MaximumSize:      c.o.MaxUnknown,
			ExpiryCalculator: otter.ExpiryWriting[store.LookupID, unknown](unknownTTL),
			Clock:            &c.coarse,
			Executor:         atOnce,
			Logger:           otterLog{c.o.Logger},
		}),
	}
	e.freshAt.Store(freshAt)
	return e
}

// atOnce runs otter's bookkeeping, due after every 16th read or so, where it falls due: waking a goroutine for it costs more.
func atOnce(task func()) { task() }

// retire stops the epoch's background work. Whoever still reads from it may go on.
func (e *epoch) retire() {
	e.keys.StopAllGoroutines()
	e.unknown.StopAllGoroutines()
}

// age returns how old what the process knows of the feed is; never when it knows nothing.
func (e *epoch) age(now instant) time.Duration {
	freshAt := e.freshAt.Load()
	if freshAt == nil {
		return never
	}
	return now.elapsed(*freshAt)
}

// never is longer than any lease.
const never = time.Duration(math.MaxInt64)

// replace makes e the current epoch and retires the one before; when the cache is closed, it retires e. Called with c.publishing held.
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

// coarseClock is the time for expiry in memory, which has nothing to do with correctness: as of the last poll. Reading it is cheap, and
// a hit reads a real clock already.
type coarseClock struct{ atomic.Int64 }

func (c *coarseClock) NowNano() int64 { return c.Load() }

func (c *coarseClock) Tick(every time.Duration) <-chan time.Time { return time.Tick(every) }
