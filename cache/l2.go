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

// l2Store is the cache that processes share: for each feed a watermark and entries. redisL2
// implements it. All operations are atomic, and may be repeated, delayed or lost.
type l2Store interface {
	// entries reads the watermark and one entry for each id, in one command; "" means absent.
	entries(ctx context.Context, feed string, ids []store.LookupID) (watermark string, entries []string, err error)
	// watermark reads the watermark.
	watermark(ctx context.Context, feed string) (string, error)
	// advance moves the watermark from prev to last and deletes the entries, if the watermark is at
	// prev. It returns the watermark after that, "" when absent (protocol 7).
	advance(ctx context.Context, feed string, ids []store.LookupID, prev, last position) (string, error)
	// fill writes an entry if the watermark equals at. It reports whether it did.
	fill(ctx context.Context, feed string, id store.LookupID, at watermark, ttl time.Duration,
		entry string) (bool, error)
	// reset replaces the watermark if it equals expected. It reports whether it did.
	reset(ctx context.Context, feed string, expected string, to watermark) (bool, error)
	// probe does what the operations above do, on a key of its own.
	probe(ctx context.Context, feed string) error

	// publish sends a message to one process, or to all when to is "". The message may be lost,
	// late or repeated.
	publish(ctx context.Context, feed, to, message string) error
	// subscribe calls onMessage for each message to all or to me, one after the other, until the
	// connection is lost or ctx ends, and returns the reason. It calls onOpen when the subscription
	// is open.
	subscribe(ctx context.Context, feed, me string, s subscriber) error
}

// subscriber receives messages.
type subscriber struct {
	onOpen    func()
	onMessage func(toMe bool, onMessage string)
}

// errRedis is matched by every error of Redis itself: a call failed or got no answer in time.
var errRedis = errors.New("redis failed")

// errNotCalled: Redis was not called, because too many calls are waiting or the breaker is open.
var errNotCalled = errors.New("redis was not called")

// readResult is what a lookup reads: the watermark and an entry of the same moment.
type readResult struct{ watermark, entry string }

// position is an event of the feed: its number, and the tag that distinguishes it from other events
// that have had the number. Two feeds that share a position share all events up to it (protocol
// 15).
type position struct {
	id  int64
	tag store.Tag
}

func (p position) String() string { return strconv.FormatInt(p.id, 10) + ":" + p.tag.String() }

// headOf returns the last position of a feed.
func headOf(feed store.Feed) position { return position{feed.Head, feed.Tag} }

// endOf returns the position of a change: its last event or, when it has none, the event before.
func endOf(change store.Change) position {
	if n := len(change.Events); n > 0 {
		return position{change.Last, change.Events[n-1].Tag}
	}
	return position{change.Last, change.Before}
}

// watermark is how far Redis is in the feed. The invariant of the protocol: an entry with the
// generation of the watermark reflects exactly the events up to the watermark's position.
type watermark struct {
	generation string
	position
}

// maxEventID is the largest event number: Lua's numbers are exact up to it.
const maxEventID = 1<<53 - 1

func (m watermark) String() string { return m.generation + ":" + m.position.String() }

// parseWatermark parses a watermark. It returns false for an absent or invalid one.
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

// newGeneration returns a new name with 80 random bits. It is short because every entry contains
// it.
func newGeneration() string { return rand.Text()[:16] }
