package cache

import (
	"context"
	"time"

	"github.com/latchkey-go/latchkey/internal/observe"
	"github.com/latchkey-go/latchkey/store"
)

// Limits of concurrent Redis calls. A call that its caller gave up counts until it ends.
const (
	lookupLimit = 256 // for writes of lookups; as many reads may queue besides
	changeLimit = 256 // for changes: their own, so that hanging lookups do not starve them
	repairLimit = 4   // for background repairs
)

// The names of the calls for an Observer.
const (
	redisRead    = "redis.read"
	redisWrite   = "redis.write"
	redisMark    = "redis.mark"
	redisAdvance = "redis.advance"
	redisReset   = "redis.reset"
	redisPublish = "redis.publish"
)

// boundedClient calls Redis and never takes longer than its budget. (Lookups read through the
// batcher.) go-redis does not cancel a call in flight when its context ends, so each call runs on
// its own goroutine and the caller waits for it only for the budget. The number of these goroutines
// is limited; a call occupies its slot until it ends.
type boundedClient struct {
	batcher     *batcher
	inner       l2Store
	budget      time.Duration
	lookupSlots chan struct{}
	changeSlots chan struct{}
	repairSlots chan struct{}
	faults      *faults
	tasks       *tasks
	observer    store.Observer // may be nil
}

func newBoundedClient(inner l2Store, budget time.Duration, f *faults, tasks *tasks, o store.Observer) *boundedClient {
	return &boundedClient{
		batcher: newBatcher(inner, budget, f.of(opRead), o),
		inner:   inner, budget: budget, faults: f, tasks: tasks, observer: o,
		lookupSlots: make(chan struct{}, lookupLimit),
		changeSlots: make(chan struct{}, changeLimit),
		repairSlots: make(chan struct{}, repairLimit),
	}
}

// call runs fn and waits for it at most for the budget. Its error matches errRedis when fn failed
// or took too long, and errNotCalled when fn did not run.
func call[T any](ctx context.Context, c *boundedClient, slots chan struct{}, name string,
	fn func(context.Context) (T, error),
) (_ T, err error) {
	var none T
	ctx, done := observe.Begin(ctx, c.observer, name)
	defer func() { done(err) }()
	b := c.faults.of(operationOf(name))
	timer := time.NewTimer(c.budget)
	defer timer.Stop()
	if err := enqueue(ctx, slots, struct{}{}, timer, b); err != nil {
		return none, err
	}
	if !c.tasks.begin() {
		<-slots
		return none, errNotCalled
	}
	answers := make(chan result[T], 1)
	go func() {
		defer c.tasks.end()
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), c.budget)
		defer cancel()
		value, err := fn(ctx)
		<-slots
		answers <- result[T]{value, err}
	}()
	return await(ctx, answers, timer, c.budget, b)
}

// write runs fn in the background. It reports false, and does nothing, when all slots are taken or
// the breaker is open.
func (c *boundedClient) write(ctx context.Context, fn func(context.Context) error) bool {
	b := c.faults.of(opWrite)
	if !b.Closed() {
		return false
	}
	select {
	case c.lookupSlots <- struct{}{}:
	default:
		return false
	}
	if !c.tasks.begin() {
		<-c.lookupSlots
		return false
	}
	go func() {
		defer c.tasks.end()
		defer func() { <-c.lookupSlots }()
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), c.budget)
		defer cancel()
		ctx, done := observe.Begin(ctx, c.observer, redisWrite)
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

func (c *boundedClient) watermark(ctx context.Context, slots chan struct{}, feed string) (string, error) {
	return call(ctx, c, slots, redisMark, func(ctx context.Context) (string, error) {
		return c.inner.watermark(ctx, feed)
	})
}

func (c *boundedClient) advance(ctx context.Context, slots chan struct{}, feed string, ids []store.LookupID,
	prev, last position,
) (string, error) {
	return call(ctx, c, slots, redisAdvance, func(ctx context.Context) (string, error) {
		return c.inner.advance(ctx, feed, ids, prev, last)
	})
}

func (c *boundedClient) publish(ctx context.Context, feed, to, message string) error {
	return c.publishIn(ctx, c.changeSlots, feed, to, message)
}

func (c *boundedClient) publishIn(ctx context.Context, slots chan struct{}, feed, to, message string) error {
	_, err := call(ctx, c, slots, redisPublish, func(ctx context.Context) (struct{}, error) {
		return struct{}{}, c.inner.publish(ctx, feed, to, message)
	})
	return err
}

func (c *boundedClient) reset(ctx context.Context, slots chan struct{}, feed, expected string,
	to watermark,
) (bool, error) {
	return call(ctx, c, slots, redisReset, func(ctx context.Context) (bool, error) {
		return c.inner.reset(ctx, feed, expected, to)
	})
}

// probe tries each kind of call whose breaker is open, and reports to the breaker. The message must
// have no effect when it arrives.
func (c *boundedClient) probe(ctx context.Context, feed, to, message string) {
	for op := range opSubscribe {
		b := c.faults.of(op)
		if b.Closed() {
			continue
		}
		var err error
		switch op {
		case opRead: // both commands: the user may be allowed only one of them
			_, err = call(ctx, c, c.repairSlots, redisRead, func(ctx context.Context) (string, error) {
				watermark, _, err := c.inner.entries(ctx, feed, []store.LookupID{{}})
				return watermark, err
			})
			if err == nil {
				_, err = c.watermark(ctx, c.repairSlots, feed)
			}
		case opWrite:
			_, err = call(ctx, c, c.repairSlots, redisWrite, func(ctx context.Context) (struct{}, error) {
				return struct{}{}, c.inner.probe(ctx, feed)
			})
		case opPublish:
			err = c.publishIn(ctx, c.repairSlots, feed, to, message)
		}
		if err == nil {
			b.Probed()
		}
	}
}
