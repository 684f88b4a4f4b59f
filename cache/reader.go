package cache

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/latchkey-go/latchkey/store"
)

const (
	readers   = 2   // commands on the way at once: with more of them, each would carry less
	readBatch = 128 // entries in one read
)

// reader reads entries for lookups. Whoever comes while all readers are busy is read together with everybody else who waits, in one
// command: all entries of a feed are in one slot and under one watermark. go-redis does not give up a read in flight when its context
// ends, so lookups wait for the readers, each only for its own budget, and a server that hangs holds up the readers and nobody else.
type reader struct {
	inner     shared
	budget    time.Duration
	breaker   *breaker
	questions chan *question
	observe   store.Observer // nil: nobody
}

// question is one lookup that waits for the shared memory.
type question struct {
	feed      string
	id        store.LookupID
	answers   chan answer[pair] // with room for the one that comes
	abandoned atomic.Bool
}

func newReader(inner shared, budget time.Duration, b *breaker, o store.Observer) *reader {
	return &reader{inner: inner, budget: budget, breaker: b, questions: make(chan *question, requestLane), observe: o}
}

// read returns the watermark and one entry, read after read was called. Its error matches errShared when that failed or took too long, and
// errNotAsked when it was not even tried.
func (r *reader) read(ctx context.Context, feed string, id store.LookupID) (_ pair, err error) {
	if !r.breaker.closed() {
		return pair{}, errNotAsked
	}
	ctx, done := store.Begin(ctx, r.observe, store.WorkRedisRead)
	defer func() { done(err) }()
	q := &question{feed: feed, id: id, answers: make(chan answer[pair], 1)}
	timer := time.NewTimer(r.budget)
	defer timer.Stop()
	if err := enter(ctx, r.questions, q, timer, r.breaker); err != nil {
		return pair{}, err
	}
	p, err := await(ctx, q.answers, timer, r.budget, r.breaker)
	if err != nil {
		q.abandoned.Store(true) // or answered with an error: then nobody looks
	}
	return p, err
}

// loop is one reader.
func (r *reader) loop(ctx context.Context) {
	batch := make([]*question, 0, readBatch)
	for {
		select {
		case q := <-r.questions:
			for batch = r.gather(append(batch[:0], q)); len(batch) > 0; {
				batch = r.answer(ctx, batch)
			}
		case <-ctx.Done():
			return
		}
	}
}

// gather adds those who are waiting already.
func (r *reader) gather(batch []*question) []*question {
	for len(batch) < readBatch {
		select {
		case q := <-r.questions:
			if !q.abandoned.Load() {
				batch = append(batch, q)
			}
		default:
			return batch
		}
	}
	return batch
}

// answer reads for all questions about the feed of the first one, and returns the others: there are any only while a store is replaced.
func (r *reader) answer(ctx context.Context, batch []*question) (others []*question) {
	feed := batch[0].feed
	ids := make([]store.LookupID, 0, len(batch))
	asked := make([]*question, 0, len(batch))
	for _, q := range batch {
		if q.feed != feed {
			others = append(others, q)
			continue
		}
		ids, asked = append(ids, q.id), append(asked, q)
	}
	ctx, cancel := context.WithTimeout(ctx, r.budget)
	defer cancel()
	mark, entries, err := r.inner.entries(ctx, feed, ids)
	for i, q := range asked {
		if err != nil {
			q.answers <- answer[pair]{err: err}
			continue
		}
		q.answers <- answer[pair]{value: pair{mark: mark, entry: entries[i]}}
	}
	return others
}
