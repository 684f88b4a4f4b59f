package ratelimit

import (
	"context"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/latchkey-go/latchkey/internal/redisfault"
	"github.com/latchkey-go/latchkey/store"
)

// maxCalls is the number of concurrent calls, including those that no request waits for any more.
// At 1 ms a call, that is 256 000 calls a second.
const maxCalls = 256

// counter counts in storage that instances share. take counts one request of the key. It returns
// how much of room was used before.
type counter interface {
	take(ctx context.Context, keyID string, interval, room time.Duration) (time.Duration, error)
}

// Limiter counts the requests of keys in Redis, and in this process while Redis does not answer. It
// implements middleware.Limiter. Use one Limiter for all guards. Its methods are safe for
// concurrent use.
type Limiter struct {
	shared  counter // nil: no Redis
	timeout time.Duration
	log     *slog.Logger
	local   store.Limiter
	breaker redisfault.Breaker
	slots   chan struct{}

	counted, fallback, failed atomic.Uint64
}

func newLimiter(o Options, shared counter) *Limiter {
	l := &Limiter{shared: shared, timeout: o.Timeout, log: o.Logger, slots: make(chan struct{}, maxCalls)}
	l.breaker.OnChange = l.logFault
	return l
}

// Take counts one request of the key with that id and returns whether limit allows it. It waits for
// Redis up to the timeout. It returns an error only if ctx ends first.
func (l *Limiter) Take(ctx context.Context, keyID string, limit store.RateLimit) (store.Decision, error) {
	if l.shared == nil {
		return l.local.Take(ctx, keyID, limit)
	}
	if l.breaker.WantsProbe() { // the probe counts as a request of this key
		go func() { _, _ = l.takeShared(context.WithoutCancel(ctx), keyID, limit) }()
	}
	if l.breaker.Closed() {
		taken, err := l.takeShared(ctx, keyID, limit)
		if err == nil {
			l.counted.Add(1)
			_, decision := limit.Spend(taken)
			return decision, nil
		}
		if ctx.Err() != nil {
			return store.Decision{}, fmt.Errorf("ratelimit: %w", ctx.Err())
		}
	}
	l.fallback.Add(1)
	return l.local.Take(ctx, keyID, limit)
}

type result struct {
	taken time.Duration
	err   error
}

// takeShared counts the request in Redis and waits for the result up to the timeout. go-redis does
// not cancel a read when its context ends. So the call runs in a goroutine, which holds its slot
// until it ends.
func (l *Limiter) takeShared(ctx context.Context, keyID string, limit store.RateLimit) (time.Duration, error) {
	timer := time.NewTimer(l.timeout)
	defer timer.Stop()
	select {
	case l.slots <- struct{}{}:
	case <-timer.C:
		return 0, l.recordFailure(fmt.Errorf("%d calls are waiting for an answer", cap(l.slots)))
	case <-ctx.Done():
		return 0, ctx.Err()
	}
	call, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel() // stops an unsent command
	results := make(chan result, 1)
	go func() {
		interval, room := limit.Pace()
		taken, err := l.shared.take(call, keyID, interval, room)
		<-l.slots
		results <- result{taken, err}
	}()
	select {
	case a := <-results:
		if a.err != nil {
			return 0, l.recordFailure(a.err)
		}
		l.breaker.Succeeded()
		if _, decision := limit.Spend(a.taken); decision.Allowed { // Redis writes only then
			l.breaker.Probed()
		}
		return a.taken, nil
	case <-timer.C:
		return 0, l.recordFailure(fmt.Errorf("no answer within %v", l.timeout))
	case <-ctx.Done():
		return 0, ctx.Err() // not a failure of Redis
	}
}

func (l *Limiter) recordFailure(err error) error {
	l.failed.Add(1)
	l.breaker.Failed(err)
	return err
}

func (l *Limiter) logFault(was, is redisfault.Fault, err error) {
	switch is.Word {
	case "":
		l.log.Info("latchkey: Redis counts rate limits again", "after", time.Since(was.Since).Round(time.Millisecond))
	case redisfault.Unreachable:
		l.log.Warn("latchkey: Redis does not answer in time; until it does, this instance counts rate limits by itself", "error", err)
	default:
		l.log.Warn("latchkey: Redis refuses to count rate limits; until it does, this instance counts them by itself",
			"word", is.Word, "error", err)
	}
}

// Stats are counts since the start of the Limiter.
type Stats struct {
	Counted  uint64 // requests counted in Redis
	Fallback uint64 // requests counted in this process, because Redis did not answer in time
	Errors   uint64 // Redis calls that failed or timed out
	Redis    bool   // whether Redis is in use now
	Fault    Fault  // why Redis is not in use
}

// Fault is why Redis does not count requests. The zero value: it does, or no Redis is configured.
type Fault struct {
	Word  string // as in cache.Fault: READONLY, NOPERM, UNREACHABLE, …
	Since time.Time
}

// Stats returns the current counts.
func (l *Limiter) Stats() Stats {
	return Stats{
		Counted: l.counted.Load(), Fallback: l.fallback.Load(), Errors: l.failed.Load(),
		Redis: l.shared != nil && l.breaker.Closed(), Fault: Fault(l.breaker.Fault()),
	}
}
