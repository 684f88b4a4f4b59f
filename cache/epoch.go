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
	// requiredHead is `need` of the protocol: the newest known event: what comes from Redis must be at least as new (protocol
	// 0). Only ever raised.
	requiredHead atomic.Int64
	// confirmedHead is `sure` of the protocol: the newest event that there has been for certain: it was in an answer of the store,
	// in whatever answer, or an announcement that nobody can have forged. A store that later ends
	// before it has been restored.
	confirmedHead atomic.Int64
	// mu guards tags, those of the newest events that this process knows.
	mu   sync.Mutex
	tags map[int64]knownTag
	// tagsLost says that some that it was sure of were too many to be among them.
	tagsLost atomic.Bool
	// diverged says that the feed went back, and that the next poll has to begin a new history. Guarded
	// by Cache.publishing.
	diverged bool
	// previousHead is `former` of the protocol: the newest event heard of in the histories of this feed that are over.
	previousHead int64
	// lastActivation is the newest event heard of that can have made an unknown token known. Raised
	// together with requiredHead (protocol 14).
	lastActivation atomic.Int64
	// watermark is the watermark's id as last seen.
	watermark atomic.Int64
	// aligned says that a repair has brought the shared memory in line with this history. Before,
	// it is not used: what is in Redis at a start, or after a loss, may be of any age.
	aligned atomic.Bool
}

// knownTag is the tag of an event. It is sure when the store returned it, or somebody reported it who
// can prove to have read it there.
type knownTag struct {
	tag       store.Tag
	confirmed bool
}

func newHistory(feed string, head position) *history {
	h := &history{feed: feed, tags: map[int64]knownTag{}}
	h.requiredHead.Store(head.id)
	h.lastActivation.Store(head.id) // what happened before is not known
	h.learn(head, true)
	return h
}

// learn notes an event that there is. It returns false when this process knows of another one with
// that number, and is sure of that: the feed went back in between or, if the new one is not sure,
// somebody made it up.
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

// differ reports whether two tags are those of two events. Nobody knows that of an event without a
// tag.
func differ(a, b store.Tag) bool { return a != b && a != 0 && b != 0 }

// knows reports whether an event is one of this history, as far as this process knows. With allowUnknown
// it may also be one that this process does not know.
func (h *history) knows(at position, allowUnknown bool) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	there, ok := h.tags[at.id]
	return ok && there.tag == at.tag || !ok && allowUnknown
}

// isAt reports whether a watermark is at an event of this history, which is then the first of a feed
// that was read from there on. Without a tag it says nothing about histories, and is not believed
// before the first repair.
func (h *history) isAt(at position, feed store.Feed) bool {
	return startsAt(feed, at) && (at.tag != 0 || at.id == 0 || h.aligned.Load())
}

// mergePoll replaces what is known by what a poll has read, and forgets what is too old to be heard of
// again. It returns false when the feed has another event in the place of one that this process is
// sure of.
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

// learnAnnounced takes over the event that a message reports. When it carries a MAC, who wrote it has seen
// the commit. But one from a history that is over may still come, late, or again and again because
// somebody copied it, and must not have everything dropped each time: up to previousHead it is not known
// which history it is of, and nothing is learned from it. It returns what learn does.
func (h *history) learnAnnounced(at position, authentic bool) bool {
	switch {
	case at.id <= h.previousHead:
	case at.tag != 0:
		return h.learn(at, authentic)
	case authentic: // by a program that knows no tags
		raise(&h.confirmedHead, at.id)
	}
	return true
}

// retract takes back what has been heard, up to announced, when a poll that began after that shows that
// the feed ends at head: the message was not from this feed's history, and must not keep what is in
// Redis unused for ever (protocol 14).
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

// runInline runs otter's bookkeeping, due after every 16th read or so, where it falls due: waking a goroutine for it costs more.
func runInline(task func()) { task() }

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
