package ratelimit

import (
	"context"
	"time"
)

// CounterFunc counts in place of Redis.
type CounterFunc func(ctx context.Context) (taken time.Duration, err error)

func (f CounterFunc) take(ctx context.Context, _ string, _, _ time.Duration) (time.Duration, error) {
	return f(ctx)
}

// NewOver returns a Limiter over f.
func (o Options) NewOver(f CounterFunc) (*Limiter, error) {
	if err := o.setDefaults(); err != nil {
		return nil, err
	}
	return newLimiter(o, f), nil
}

// MaxCalls is how many calls may be under way at once.
const MaxCalls = maxCalls
