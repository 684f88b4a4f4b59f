package cache

import (
	"context"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/latchkey-go/latchkey/internal/redisfault"
	"github.com/latchkey-go/latchkey/store"
)

const (
	leaders   = 2   // commands on the way at once: with more of them each would carry less, with one nothing is done meanwhile
	reserves  = 2   // more of them when those take long
	readBatch = 128 // entries in one read
)

// reader reads entries for lookups. Whoever comes while commands are on the way is read together with everybody else who waits, in one
// command: all entries of a feed are in one slot and under one watermark. go-redis does not give up a read in flight when its context
// ends, so lookups wait for the loops that read, each only for its own budget, and a server that hangs holds up these loops and nobody else.
// When a lookup has waited for a part of its budget, the reserve reads for those who are still in the queue: a connection may be lost, and the
// next one good.
type reader struct {
	inner     l2Store
	budget    time.Duration
	breaker   *redisfault.Breaker
	questions chan *question
	relief    chan struct{}  // wakes the reserve
	timers    sync.Pool      // of stopped *time.Timer
	asked     sync.Pool      // of answered *question
	observe   store.Observer // nil: nobody
}

// patience is how long a lookup waits before it calls the reserve.
func (r *reader) patience() time.Duration { return r.budget / 10 }

// question is one lookup that waits for the shared memory.
type question struct {
	feed      string
	id        store.LookupID
	answers   chan result[pair] // with room for the one that comes
	abandoned atomic.Bool
}

func newReader(inner l2Store, budget time.Duration, b *redisfault.Breaker, o store.Observer) *reader {
	return &reader{
		inner: inner, budget: budget, breaker: b, observe: o,
		questions: make(chan *question, lookupLimit), relief: make(chan struct{}, reserves),
		timers: sync.Pool{New: func() any { return time.NewTimer(budget) }},
		asked:  sync.Pool{New: func() any { return &question{answers: make(chan result[pair], 1)} }},
	}
}

// loops returns what has to run for questions to be answered, until its context ends.
func (r *reader) loops() (all []func(context.Context)) {
	for range leaders {
		all = append(all, r.lead)
	}
	for range reserves {
		all = append(all, r.relieve)
	}
	return all
}

// read returns the watermark and one entry, read after read was called. Its error matches errRedis when that failed or took too long, and
// errNotCalled when it was not even tried.
func (r *reader) read(ctx context.Context, feed string, id store.LookupID) (_ pair, err error) {
	if !r.breaker.Closed() {
		return pair{}, errNotCalled
	}
	ctx, done := store.Begin(ctx, r.observe, store.WorkRedisRead)
	defer func() { done(err) }()
	q := r.asked.Get().(*question)
	q.feed, q.id = feed, id
	timer := r.timers.Get().(*time.Timer)
	timer.Reset(r.budget)
	defer func() {
		timer.Stop() // what has not been received by now never is
		r.timers.Put(timer)
	}()
	if err := enqueue(ctx, r.questions, q, timer, r.breaker); err != nil {
		return pair{}, err
	}
	timer.Reset(r.patience())
	select {
	case a := <-q.answers:
		r.asked.Put(q) // whoever has answered it is done with it
		return finish(a, r.breaker)
	case <-timer.C:
		kick(r.relief)
		timer.Reset(r.budget - r.patience())
	case <-ctx.Done(): // await says so
	}
	p, err := await(ctx, q.answers, timer, r.budget, r.breaker)
	if err != nil {
		q.abandoned.Store(true) // or answered with an error: then nobody looks
	}
	return p, err
}

// lead reads for whoever asks.
func (r *reader) lead(ctx context.Context) {
	crowded := false
	for {
		select {
		case q := <-r.questions:
			if crowded {
				runtime.Gosched() // those whom the last command has answered may have another question
			}
			batch := r.gather([]*question{q})
			crowded = len(batch) > 1
			r.answerAll(ctx, batch)
		case <-ctx.Done():
			return
		}
	}
}

// relieve is the reserve: it reads for those who wait when it is called.
func (r *reader) relieve(ctx context.Context) {
	for {
		select {
		case <-r.relief:
			r.answerAll(ctx, r.gather(nil))
		case <-ctx.Done():
			return
		}
	}
}

func (r *reader) answerAll(ctx context.Context, batch []*question) {
	for len(batch) > 0 {
		batch = r.answer(ctx, batch)
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
			q.answers <- result[pair]{err: err}
			continue
		}
		q.answers <- result[pair]{value: pair{mark: mark, entry: entries[i]}}
	}
	return others
}
