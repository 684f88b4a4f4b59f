package cache

import (
	"context"
	"fmt"
	"time"

	"github.com/latchkey-go/latchkey/internal/redisfault"
)

// sleepContext waits for d and reports whether it has passed; it returns at once when ctx ends.
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

// enqueue puts v into a queue of calls of the shared memory, if there is room before the timer fires. Its errors match errNotCalled.
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

// await waits for the answer to a call of the shared memory until the timer fires, which it does when the budget is over, and tells the
// breaker what came of it. Its errors match errRedis.
func await[T any](ctx context.Context, answers <-chan result[T], timer *time.Timer, budget time.Duration, b *redisfault.Breaker) (T, error) {
	var none T
	select {
	case a := <-answers:
		return finish(a, b)
	case <-timer.C:
		err := fmt.Errorf("%w: no answer within %v", errRedis, budget)
		b.Failed(err)
		return none, err
	case <-ctx.Done():
		return none, fmt.Errorf("%w: %w", errRedis, ctx.Err())
	}
}

// finish is await for an answer that has come.
func finish[T any](a result[T], b *redisfault.Breaker) (T, error) {
	if a.err != nil {
		var none T
		b.Failed(a.err)
		return none, fmt.Errorf("%w: %w", errRedis, a.err)
	}
	b.Succeeded()
	return a.value, nil
}
