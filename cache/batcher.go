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
	workers       = 2   // commands on the way at once: with more of them each would carry less, with one nothing is done meanwhile
	backupWorkers = 2   // more of them when those take long
	readBatch     = 128 // entries in one read
)

// batcher reads entries for lookups. Whoever comes while commands are on the way is read together with everybody else who waits, in one
// command: all entries of a feed are in one slot and under one watermark. go-redis does not give up a read in flight when its context
// ends, so lookups wait for the loops that read, each only for its own budget, and a server that hangs holds up these loops and nobody else.
// When a lookup has waited for a part of its budget, the reserve reads for those who are still in the queue: a connection may be lost, and the
// next one good.
type batcher struct {
	inner       l2Store
	budget      time.Duration
	breaker     *redisfault.Breaker
	requests    chan *readRequest
	wakeBackup  chan struct{}  // wakes the reserve
	timerPool   sync.Pool      // of stopped *time.Timer
	requestPool sync.Pool      // of answered *question
	observe     store.Observer // nil: nobody
}

// hedgeDelay is how long a lookup waits before it calls the reserve.
func (b *batcher) hedgeDelay() time.Duration { return b.budget / 10 }

// readRequest is one lookup that waits for the shared memory.
type readRequest struct {
	feed      string
	id        store.LookupID
	result    chan result[readResult] // with room for the one that comes
	abandoned atomic.Bool
}

func newBatcher(inner l2Store, budget time.Duration, breaker *redisfault.Breaker, o store.Observer) *batcher {
	return &batcher{
		inner: inner, budget: budget, breaker: breaker, observe: o,
		requests: make(chan *readRequest, lookupLimit), wakeBackup: make(chan struct{}, backupWorkers),
		timerPool:   sync.Pool{New: func() any { return time.NewTimer(budget) }},
		requestPool: sync.Pool{New: func() any { return &readRequest{result: make(chan result[readResult], 1)} }},
	}
}

// loops returns what has to run for questions to be answered, until its context ends.
func (b *batcher) loops() (all []func(context.Context)) {
	for range workers {
		all = append(all, b.worker)
	}
	for range backupWorkers {
		all = append(all, b.backupWorker)
	}
	return all
}

// read returns the watermark and one entry, read after read was called. Its error matches errRedis when that failed or took too long, and
// errNotCalled when it was not even tried.
func (b *batcher) read(ctx context.Context, feed string, id store.LookupID) (_ readResult, err error) {
	if !b.breaker.Closed() {
		return readResult{}, errNotCalled
	}
	ctx, done := store.Begin(ctx, b.observe, store.WorkRedisRead)
	defer func() { done(err) }()
	q := b.requestPool.Get().(*readRequest)
	q.feed, q.id = feed, id
	timer := b.timerPool.Get().(*time.Timer)
	timer.Reset(b.budget)
	defer func() {
		timer.Stop() // what has not been received by now never is
		b.timerPool.Put(timer)
	}()
	if err := enqueue(ctx, b.requests, q, timer, b.breaker); err != nil {
		return readResult{}, err
	}
	timer.Reset(b.hedgeDelay())
	select {
	case a := <-q.result:
		b.requestPool.Put(q) // whoever has answered it is done with it
		return finish(a, b.breaker)
	case <-timer.C:
		kick(b.wakeBackup)
		timer.Reset(b.budget - b.hedgeDelay())
	case <-ctx.Done(): // await says so
	}
	p, err := await(ctx, q.result, timer, b.budget, b.breaker)
	if err != nil {
		q.abandoned.Store(true) // or answered with an error: then nobody looks
	}
	return p, err
}

// worker reads for whoever asks.
func (b *batcher) worker(ctx context.Context) {
	busy := false
	for {
		select {
		case q := <-b.requests:
			if busy {
				runtime.Gosched() // those whom the last command has answered may have another question
			}
			batch := b.addWaiting([]*readRequest{q})
			busy = len(batch) > 1
			b.serveAll(ctx, batch)
		case <-ctx.Done():
			return
		}
	}
}

// backupWorker is the reserve: it reads for those who wait when it is called.
func (b *batcher) backupWorker(ctx context.Context) {
	for {
		select {
		case <-b.wakeBackup:
			b.serveAll(ctx, b.addWaiting(nil))
		case <-ctx.Done():
			return
		}
	}
}

func (b *batcher) serveAll(ctx context.Context, batch []*readRequest) {
	for len(batch) > 0 {
		batch = b.serve(ctx, batch)
	}
}

// addWaiting adds those who are waiting already.
func (b *batcher) addWaiting(batch []*readRequest) []*readRequest {
	for len(batch) < readBatch {
		select {
		case q := <-b.requests:
			if !q.abandoned.Load() {
				batch = append(batch, q)
			}
		default:
			return batch
		}
	}
	return batch
}

// serve reads for all questions about the feed of the first one, and returns the others: there are any only while a store is replaced.
func (b *batcher) serve(ctx context.Context, batch []*readRequest) (others []*readRequest) {
	feed := batch[0].feed
	ids := make([]store.LookupID, 0, len(batch))
	requests := make([]*readRequest, 0, len(batch))
	for _, q := range batch {
		if q.feed != feed {
			others = append(others, q)
			continue
		}
		ids, requests = append(ids, q.id), append(requests, q)
	}
	ctx, cancel := context.WithTimeout(ctx, b.budget)
	defer cancel()
	watermark, entries, err := b.inner.entries(ctx, feed, ids)
	for i, q := range requests {
		if err != nil {
			q.result <- result[readResult]{err: err}
			continue
		}
		q.result <- result[readResult]{value: readResult{watermark: watermark, entry: entries[i]}}
	}
	return others
}
