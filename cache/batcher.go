package cache

import (
	"context"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/latchkey-go/latchkey/internal/observe"
	"github.com/latchkey-go/latchkey/internal/redisfault"
	"github.com/latchkey-go/latchkey/store"
)

const (
	workers       = 2   // commands in flight: fewer would idle, more would each carry fewer entries
	backupWorkers = 2   // additional commands while those hang
	readBatch     = 128 // entries in one command
)

// batcher reads entries for lookups. While commands are in flight, new lookups queue; the next
// command reads the entries of all of them. This works because all entries of a feed are in one
// slot and under one watermark.
//
// go-redis does not cancel a read when its context ends. So the workers wait for Redis, and each
// lookup waits for a worker only for its own budget. A server that hangs blocks the workers and no
// lookup. When a lookup has waited for hedgeDelay, a backup worker serves the queue: one connection
// may be lost while another works.
type batcher struct {
	inner       l2Store
	budget      time.Duration
	breaker     *redisfault.Breaker
	requests    chan *readRequest
	wakeBackup  chan struct{}  // wakes a backup worker
	timerPool   sync.Pool      // of stopped *time.Timer
	requestPool sync.Pool      // of answered *readRequest
	observer    store.Observer // may be nil
}

// hedgeDelay is how long a lookup waits before it wakes a backup worker.
func (b *batcher) hedgeDelay() time.Duration { return b.budget / 10 }

// readRequest is one lookup that waits for Redis.
type readRequest struct {
	feed      string
	id        store.LookupID
	result    chan result[readResult] // buffered: sending the result never blocks
	abandoned atomic.Bool
}

func newBatcher(inner l2Store, budget time.Duration, breaker *redisfault.Breaker, o store.Observer) *batcher {
	return &batcher{
		inner: inner, budget: budget, breaker: breaker, observer: o,
		requests: make(chan *readRequest, lookupLimit), wakeBackup: make(chan struct{}, backupWorkers),
		timerPool:   sync.Pool{New: func() any { return time.NewTimer(budget) }},
		requestPool: sync.Pool{New: func() any { return &readRequest{result: make(chan result[readResult], 1)} }},
	}
}

// loops returns the workers. Each must run on its own goroutine until its context ends.
func (b *batcher) loops() (all []func(context.Context)) {
	for range workers {
		all = append(all, b.worker)
	}
	for range backupWorkers {
		all = append(all, b.backupWorker)
	}
	return all
}

// read returns the watermark and one entry, read after the call of read. Its error matches errRedis
// when Redis failed or took too long, and errNotCalled when Redis was not called.
func (b *batcher) read(ctx context.Context, feed string, id store.LookupID) (_ readResult, err error) {
	if !b.breaker.Closed() {
		return readResult{}, errNotCalled
	}
	ctx, done := observe.Begin(ctx, b.observer, redisRead)
	defer func() { done(err) }()
	q := b.requestPool.Get().(*readRequest)
	q.feed, q.id = feed, id
	timer := b.timerPool.Get().(*time.Timer)
	timer.Reset(b.budget)
	defer func() {
		timer.Stop() // since Go 1.23 a stopped timer delivers nothing
		b.timerPool.Put(timer)
	}()
	if err := enqueue(ctx, b.requests, q, timer, b.breaker); err != nil {
		return readResult{}, err
	}
	timer.Reset(b.hedgeDelay())
	select {
	case a := <-q.result:
		b.requestPool.Put(q) // the worker does not use it any more
		return finish(a, b.breaker)
	case <-timer.C:
		kick(b.wakeBackup)
		timer.Reset(b.budget - b.hedgeDelay())
	case <-ctx.Done(): // await returns the error of ctx
	}
	p, err := await(ctx, q.result, timer, b.budget, b.breaker)
	if err != nil {
		q.abandoned.Store(true) // a result that arrives later is dropped
	}
	return p, err
}

// worker serves lookups until ctx ends.
func (b *batcher) worker(ctx context.Context) {
	busy := false
	for {
		select {
		case q := <-b.requests:
			if busy {
				runtime.Gosched() // the lookups just answered may be followed by others: batch them too
			}
			batch := b.addWaiting([]*readRequest{q})
			busy = len(batch) > 1
			b.serveAll(ctx, batch)
		case <-ctx.Done():
			return
		}
	}
}

// backupWorker serves the lookups that are in the queue when it is woken.
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

// addWaiting adds the lookups that are in the queue.
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

// serve reads for all requests of the first one's feed and returns the others. There are others
// only while the store is being replaced.
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
