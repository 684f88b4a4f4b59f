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

// maxCalls is how many calls may be under way at once, those included that nobody waits for any more; at 1 ms a call, 256 000 a second.
const maxCalls = 256

// counter counts in a place that instances share. take counts one request of the key and returns how much of the room was
// taken up before it.
type counter interface {
	take(ctx context.Context, keyID string, interval, room time.Duration) (time.Duration, error)
}

// Limiter counts the requests of keys in Redis, and in this process while Redis does not answer. It is a middleware.Limiter; give the
// same one to all guards. Its methods may be called from many goroutines at once.
type Limiter struct {
	shared  counter // nil: there is no Redis
	budget  time.Duration
	log     *slog.Logger
	local   store.Limiter
	breaker redisfault.Breaker
	lane    chan struct{}

	counted, fallback, failed atomic.Uint64
}

func newLimiter(o Options, shared counter) *Limiter {
	l := &Limiter{shared: shared, budget: o.Timeout, log: o.Logger, lane: make(chan struct{}, maxCalls)}
	l.breaker.OnChange = l.logFault
	return l
}

// Take counts one request of the key with that id and says whether limit allows it. It waits for Redis at most the timeout. The only
// error is that of ctx, when the caller has gone meanwhile.
func (l *Limiter) Take(ctx context.Context, keyID string, limit store.RateLimit) (store.Decision, error) {
	if l.shared == nil {
		return l.local.Take(ctx, keyID, limit)
	}
	if l.breaker.WantsProbe() { // with what is a request of this key, too; nobody waits for it
		go func() { _, _ = l.ask(context.WithoutCancel(ctx), keyID, limit) }()
	}
	if l.breaker.Closed() {
		taken, err := l.ask(ctx, keyID, limit)
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

type answer struct {
	taken time.Duration
	err   error
}

// ask has the request counted by Redis and waits for the answer at most the budget. go-redis does not give up a read in flight when
// its context ends, so the call has a goroutine of its own, which keeps its place in the lane until it ends.
func (l *Limiter) ask(ctx context.Context, keyID string, limit store.RateLimit) (time.Duration, error) {
	timer := time.NewTimer(l.budget)
	defer timer.Stop()
	select {
	case l.lane <- struct{}{}:
	case <-timer.C:
		return 0, l.failure(fmt.Errorf("%d calls are waiting for an answer", cap(l.lane)))
	case <-ctx.Done():
		return 0, ctx.Err()
	}
	call, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel() // nobody waits any more: what is still to be sent need not be
	answers := make(chan answer, 1)
	go func() {
		interval, room := limit.Pace()
		taken, err := l.shared.take(call, keyID, interval, room)
		<-l.lane
		answers <- answer{taken, err}
	}()
	select {
	case a := <-answers:
		if a.err != nil {
			return 0, l.failure(a.err)
		}
		l.breaker.Succeeded()
		if _, decision := limit.Spend(a.taken); decision.Allowed { // only then Redis has written
			l.breaker.Probed()
		}
		return a.taken, nil
	case <-timer.C:
		return 0, l.failure(fmt.Errorf("no answer within %v", l.budget))
	case <-ctx.Done():
		return 0, ctx.Err() // says nothing about Redis
	}
}

func (l *Limiter) failure(err error) error {
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

// Stats are numbers since the start of the Limiter.
type Stats struct {
	Counted  uint64 // requests that were counted in Redis
	Fallback uint64 // requests that were counted in this process, because Redis did not answer in time
	Errors   uint64 // calls of Redis that failed or took too long
	Redis    bool   // whether Redis is being asked at the moment; false without one
	Fault    Fault  // why it is not
}

// Fault is why Redis does not count. The zero value: it does, or there is none.
type Fault struct {
	Word  string // as cache.Fault has it: READONLY, NOPERM, UNREACHABLE, …
	Since time.Time
}

// Stats returns them.
func (l *Limiter) Stats() Stats {
	return Stats{
		Counted: l.counted.Load(), Fallback: l.fallback.Load(), Errors: l.failed.Load(),
		Redis: l.shared != nil && l.breaker.Closed(), Fault: Fault(l.breaker.Fault()),
	}
}
