package cache

import (
	"context"
	"fmt"
	"time"

	"github.com/latchkey-go/latchkey/internal/redisfault"
)

// sleepContext sleeps for d and reports whether d has passed. It returns false at once when ctx
// ends.
func sleepContext(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// enqueue puts v into a queue of Redis calls if there is room before the timer fires. Its errors
// match errNotCalled.
func enqueue[T any](ctx context.Context, queue chan<- T, v T, timer *time.Timer, b *redisfault.Breaker) error {
	select {
	case queue <- v:
		return nil
	default:
	}
	select {
	case queue <- v:
		return nil
	case <-timer.C:
		err := fmt.Errorf("%w: %d calls are waiting for an answer", errNotCalled, cap(queue))
		b.Failed(err)
		return err
	case <-ctx.Done():
		return fmt.Errorf("%w: %w", errNotCalled, ctx.Err())
	}
}

type result[T any] struct {
	value T
	err   error
}

// await waits for the result of a Redis call until the timer fires at the end of the budget, and
// reports the outcome to the breaker. Its errors match errRedis.
func await[T any](ctx context.Context, results <-chan result[T], timer *time.Timer, budget time.Duration,
	b *redisfault.Breaker,
) (T, error) {
	var none T
	select {
	case a := <-results:
		return finish(a, b)
	case <-timer.C:
		err := fmt.Errorf("%w: no answer within %v", errRedis, budget)
		b.Failed(err)
		return none, err
	case <-ctx.Done():
		return none, fmt.Errorf("%w: %w", errRedis, ctx.Err())
	}
}

// finish reports a result that has arrived to the breaker and returns it.
func finish[T any](a result[T], b *redisfault.Breaker) (T, error) {
	if a.err != nil {
		var none T
		b.Failed(a.err)
		return none, fmt.Errorf("%w: %w", errRedis, a.err)
	}
	b.Succeeded()
	return a.value, nil
}
