package cache

import (
	"context"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/latchkey-go/latchkey/store"
)

const (
	readers   = 3   // commands on the way at once, at most
	readBatch = 128 // entries in one read
)

// reader reads entries for lookups. Whoever comes while a read is on the way is read together with everybody else who waits, in one
// command: all entries of a feed are in one slot and under one watermark. One reader at a time has the turn to read, so that commands carry
// as much as they can; it loses it when its command takes long, because the connection may be lost and the next one good. go-redis does not
// give up a read in flight when its context ends, so lookups wait for the readers, each only for its own budget, and a server that hangs
// holds up the readers and nobody else.
type reader struct {
	inner     shared
	budget    time.Duration
	breaker   *breaker
	questions chan *question
	turn      chan struct{}  // semaphore: whose turn it is to read
	timers    sync.Pool      // of stopped *time.Timer
	observe   store.Observer // nil: nobody
}

// patience is how long a command may take before another reader has its turn.
func (r *reader) patience() time.Duration { return r.budget / 10 }

// question is one lookup that waits for the shared memory.
type question struct {
	feed      string
	id        store.LookupID
	answers   chan answer[pair] // with room for the one that comes
	abandoned atomic.Bool
}

func newReader(inner shared, budget time.Duration, b *breaker, o store.Observer) *reader {
	return &reader{
		inner: inner, budget: budget, breaker: b, observe: o,
		questions: make(chan *question, requestLane), turn: make(chan struct{}, 1),
		timers: sync.Pool{New: func() any { return time.NewTimer(budget) }},
	}
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
	timer := r.timers.Get().(*time.Timer)
	timer.Reset(r.budget)
	defer func() {
		timer.Stop() // what has not been received by now never is
		r.timers.Put(timer)
	}()
	if err := enter(ctx, r.questions, q, timer, r.breaker); err != nil {
		return pair{}, err
	}
	p, err := await(ctx, q.answers, timer, r.budget, r.breaker)
	if err != nil {
		q.abandoned.Store(true) // or answered with an error: then nobody looks
	}
	return p, err
}

// loop is one of the readers.
func (r *reader) loop(ctx context.Context) {
	for {
		select {
		case r.turn <- struct{}{}:
		case <-ctx.Done():
			return
		}
		if !r.serve(ctx) {
			return
		}
	}
}

// serve waits for questions and answers them; it has the turn and gives it back. It returns false when ctx has ended.
func (r *reader) serve(ctx context.Context) bool {
	pass := func() { <-r.turn }
	select {
	case q := <-r.questions:
		tooLong := time.AfterFunc(r.patience(), pass)
		runtime.Gosched() // those whom the last command has answered may have another question
		for batch := r.gather([]*question{q}); len(batch) > 0; {
			batch = r.answer(ctx, batch)
		}
		if tooLong.Stop() {
			pass()
		}
		return true
	case <-ctx.Done():
		pass()
		return false
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
