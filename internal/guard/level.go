package guard

import (
	"context"
	"errors"
	"time"
)

const (
	// defaultRefusalTime is longer than a lookup in a nearby database. With a distant one, network
	// latency varies more than the difference to be hidden.
	defaultRefusalTime = 5 * time.Millisecond
	// pauseTime is the last part of the delay, for Pause: longer than a timer can be late.
	pauseTime = 2 * time.Millisecond
	// maxPauses limits concurrent pauses, because each takes a thread. When more requests wait, the
	// scheduler runs often and timers are exact.
	maxPauses = 16
)

// Pause waits for the last part of the delay. Tests with another clock replace it.
var Pause = pause

// level delays a refusal until RefusalTime after the lookup began, so that timing does not reveal
// whether the key exists: the lookup of an existing row takes some microseconds longer. Malformed
// credentials are not delayed. They are not looked up, and the client can see itself that they are
// malformed.
//
// A timer alone is not exact enough. On Linux, an idle Go program sleeps in whole milliseconds,
// counted from when it became idle, so a longer lookup would make the wake-up later by the same
// time (measured: 14 µs of 14). So the last part of the delay is a system pause.
func (g *Guard) level(ctx context.Context, err error) {
	if g.RefusalTime <= 0 || !isFailure(err) {
		return
	}
	var lookup interface{ LookupBegan() time.Time }
	if !errors.As(err, &lookup) {
		return
	}
	left := func() time.Duration { return g.RefusalTime - time.Since(lookup.LookupBegan()) }
	if d := left() - pauseTime; d > 0 && !sleep(ctx, d) {
		return
	}
	select {
	case g.pausing <- struct{}{}:
		defer func() { <-g.pausing }()
		if d := left(); d > 0 {
			Pause(d)
		}
	default:
		if d := left(); d > 0 {
			sleep(ctx, d)
		}
	}
}

// sleep waits for d and returns true, or false if ctx ends first.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
