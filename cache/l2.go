package cache

import (
	"context"
	"crypto/rand"
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/latchkey-go/latchkey/store"
)

// l2Store is the memory that instances share, as the protocol sees it: a watermark and entries, one set of them for each feed. Redis
// is the real one. All operations are atomic, and may be repeated, delayed or lost.
type l2Store interface {
	// entries reads the watermark and as many entries as there are ids, in one command; "" stands for absent.
	entries(ctx context.Context, feed string, ids []store.LookupID) (watermark string, entries []string, err error)
	// watermark reads the watermark.
	watermark(ctx context.Context, feed string) (string, error)
	// advance moves the watermark from prev to last and removes the entries, if the watermark is at
	// prev. It returns the watermark that there is then, "" for absent (protocol 7).
	advance(ctx context.Context, feed string, ids []store.LookupID, prev, last position) (string, error)
	// fill writes an entry, if the watermark is at. It reports whether it did.
	fill(ctx context.Context, feed string, id store.LookupID, at watermark, ttl time.Duration, entry string) (bool, error)
	// reset replaces the watermark, if it still is what expected says. It reports whether it did.
	reset(ctx context.Context, feed string, expected string, to watermark) (bool, error)
	// probe does what the four above do, on a key of its own, and changes nothing that they see.
	probe(ctx context.Context, feed string) error

	// publish sends a message to one process, or to all when to is "". It may arrive never, late, or more than once.
	publish(ctx context.Context, feed, to, message string) error
	// subscribe calls onMessage with what is sent to all and to me, one after the other, until the connection is lost or ctx ends, and
	// returns why. It calls onOpen when it is ready to hear.
	subscribe(ctx context.Context, feed, me string, ear subscriber) error
}

// subscriber is what listens.
type subscriber struct {
	onOpen    func()
	onMessage func(toMe bool, onMessage string)
}

// errRedis is matched by every error of the shared memory itself: it was asked, and failed or did not answer in time.
var errRedis = errors.New("redis failed")

// errNotCalled: the shared memory was not even asked, because too many calls are waiting for it or the breaker is open.
var errNotCalled = errors.New("redis was not asked")

// readResult is what a lookup needs: the watermark and an entry that were there at the same moment.
type readResult struct{ watermark, entry string }

// position is an event of the feed: its number, and the tag that tells it from others that have had
// that number. Whatever is right as of a position is right in every feed that has it.
type position struct {
	id  int64
	tag store.Tag
}

func (p position) String() string { return strconv.FormatInt(p.id, 10) + ":" + p.tag.String() }

// headOf is where a feed ends.
func headOf(feed store.Feed) position { return position{feed.Head, feed.Tag} }

// endOf is where a change ends: its last event or, when it has none, the one before it.
func endOf(change store.Change) position {
	if n := len(change.Events); n > 0 {
		return position{change.Last, change.Events[n-1].Tag}
	}
	return position{change.Last, change.Before}
}

// watermark is where Redis is in the feed. The invariant all depends on: an entry whose generation is the watermark's
// reflects exactly the events up to the watermark's position.
type watermark struct {
	generation string
	position
}

// maxEventID bounds event ids: Lua's numbers are exact up to it.
const maxEventID = 1<<53 - 1

func (m watermark) String() string { return m.generation + ":" + m.position.String() }

// parseWatermark reads a watermark. Absent and unreadable ones are no watermark.
func parseWatermark(raw string) (watermark, bool) {
	generation, at, _ := strings.Cut(raw, ":")
	number, digits, ok := strings.Cut(at, ":")
	if !ok || generation == "" || number == "" || len(number) > 16 || len(digits) != 16 {
		return watermark{}, false
	}
	tag, err := strconv.ParseUint(digits, 16, 64)
	if err != nil {
		return watermark{}, false
	}
	for i := range len(number) {
		if number[i] < '0' || number[i] > '9' {
			return watermark{}, false
		}
	}
	id, err := strconv.ParseInt(number, 10, 64)
	if err != nil || id > maxEventID {
		return watermark{}, false
	}
	return watermark{generation, position{id, store.Tag(tag)}}, true
}

// newGeneration returns a name that no watermark has had: 80 random bits, since every entry carries it.
func newGeneration() string { return rand.Text()[:16] }
