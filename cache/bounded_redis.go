package cache

import (
	"context"
	"time"

	"github.com/latchkey-go/latchkey/store"
)

// How many calls of the shared memory may be under way at once, those included that nobody waits for any more.
const (
	requestLane = 256 // for what lookups write, and apart from that as many that wait to read
	changeLane  = 256 // for changes, which must not starve because lookups hang
	repairLane  = 4   // for repairs in the background
)

// guard is a shared memory that never takes longer than its budget, but for what lookups read (see reader). go-redis does not give up a
// read in flight when its context ends, so each call has a goroutine, and whoever asked waits for it only so long. The goroutines are bounded by lanes; calls that
// nobody waits for keep their place in the lane until they end.
type guard struct {
	reads   *reader
	inner   shared
	budget  time.Duration
	request chan struct{}
	change  chan struct{}
	repair  chan struct{}
	faults  *faults
	running *work
	observe store.Observer // nil: nobody
}

func newGuard(inner shared, budget time.Duration, f *faults, running *work, o store.Observer) *guard {
	return &guard{
		reads: newReader(inner, budget, f.of(opRead), o), inner: inner, budget: budget, faults: f, running: running, observe: o,
		request: make(chan struct{}, requestLane), change: make(chan struct{}, changeLane), repair: make(chan struct{}, repairLane),
	}
}

// call runs fn and waits for it at most the budget. Its error matches errShared when fn failed or took too long, and errNotAsked
// when fn was not run.
func call[T any](ctx context.Context, g *guard, lane chan struct{}, w store.Work, fn func(context.Context) (T, error)) (_ T, err error) {
	var none T
	ctx, done := store.Begin(ctx, g.observe, w)
	defer func() { done(err) }()
	b := g.faults.of(operationOf(w))
	timer := time.NewTimer(g.budget)
	defer timer.Stop()
	if err := enter(ctx, lane, struct{}{}, timer, b); err != nil {
		return none, err
	}
	if !g.running.begin() {
		<-lane
		return none, errNotAsked
	}
	answers := make(chan answer[T], 1)
	go func() {
		defer g.running.end()
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), g.budget)
		defer cancel()
		value, err := fn(ctx)
		<-lane
		answers <- answer[T]{value, err}
	}()
	return await(ctx, answers, timer, g.budget, b)
}

// write runs fill in the background, or not at all when the lane is full; it reports which.
func (g *guard) write(ctx context.Context, fn func(context.Context) error) bool {
	b := g.faults.of(opWrite)
	if !b.Closed() {
		return false
	}
	select {
	case g.request <- struct{}{}:
	default:
		return false
	}
	if !g.running.begin() {
		<-g.request
		return false
	}
	go func() {
		defer g.running.end()
		defer func() { <-g.request }()
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), g.budget)
		defer cancel()
		ctx, done := store.Begin(ctx, g.observe, store.WorkRedisWrite)
		err := fn(ctx)
		done(err)
		if err != nil {
			b.Failed(err)
			return
		}
		b.Succeeded()
	}()
	return true
}

func (g *guard) mark(ctx context.Context, lane chan struct{}, feed string) (string, error) {
	return call(ctx, g, lane, store.WorkRedisMark, func(ctx context.Context) (string, error) { return g.inner.mark(ctx, feed) })
}

func (g *guard) advance(ctx context.Context, lane chan struct{}, feed string, ids []store.LookupID, prev, last position) (string, error) {
	return call(ctx, g, lane, store.WorkRedisAdvance, func(ctx context.Context) (string, error) { return g.inner.advance(ctx, feed, ids, prev, last) })
}

func (g *guard) publish(ctx context.Context, feed, to, message string) error {
	return g.publishIn(ctx, g.change, feed, to, message)
}

func (g *guard) publishIn(ctx context.Context, lane chan struct{}, feed, to, message string) error {
	_, err := call(ctx, g, lane, store.WorkRedisPublish, func(ctx context.Context) (struct{}, error) {
		return struct{}{}, g.inner.publish(ctx, feed, to, message)
	})
	return err
}

func (g *guard) reset(ctx context.Context, lane chan struct{}, feed string, expected string, to mark) (bool, error) {
	return call(ctx, g, lane, store.WorkRedisReset, func(ctx context.Context) (bool, error) { return g.inner.reset(ctx, feed, expected, to) })
}

// probe tries each kind of calls that is refused or not answered, and reports to the breakers. The
// message must have no effect when it arrives.
func (g *guard) probe(ctx context.Context, feed, to, message string) {
	for op := range opSubscribe {
		b := g.faults.of(op)
		if b.Closed() {
			continue
		}
		var err error
		switch op {
		case opRead: // both commands: a user may be allowed one of them
			_, err = call(ctx, g, g.repair, store.WorkRedisRead, func(ctx context.Context) (string, error) {
				mark, _, err := g.inner.entries(ctx, feed, []store.LookupID{{}})
				return mark, err
			})
			if err == nil {
				_, err = g.mark(ctx, g.repair, feed)
			}
		case opWrite:
			_, err = call(ctx, g, g.repair, store.WorkRedisWrite, func(ctx context.Context) (struct{}, error) {
				return struct{}{}, g.inner.probe(ctx, feed)
			})
		case opPublish:
			err = g.publishIn(ctx, g.repair, feed, to, message)
		}
		if err == nil {
			b.Probed()
		}
	}
}
