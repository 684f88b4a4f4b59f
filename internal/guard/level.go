package guard

import (
	"context"
	"errors"
	"time"
)

const (
	// defaultRefusalTime is more than a lookup takes in a database that is near. With one that is far, the way there varies by more than
	// what is to be hidden.
	defaultRefusalTime = 5 * time.Millisecond
	// pauseTime is how much of it is left to pause: more than a timer can be late.
	pauseTime = 2 * time.Millisecond
	// maxPauses bounds how many pause at once, since each takes a thread. Where more wait, goroutines change so often that timers are exact.
	maxPauses = 16
)

// Pause is the last part of a wait. Tests whose time is not the system's replace it.
var Pause = pause

// level waits until as much time has passed since the lookup began as every refusal takes whose credential was looked up: a row that is there is
// read, checked and kept, one that is not is not, and the difference, some microseconds, could be measured. Malformed credentials are not
// looked up, and everybody can see that they are malformed; they cost no waiting.
//
// A timer alone would not do. On Linux, an idle Go program sleeps in whole milliseconds from when it became idle, so it would wake that
// much later as the lookup took longer (measured: by 14 µs of 14). The last part of the wait is therefore a pause of the system's.
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

// sleep reports whether the time has passed; otherwise nobody waits for the answer any more.
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
