//go:build !linux

package guard

import "time"

// pause uses a timer: on these systems the timers of an idle program are finer than a millisecond.
func pause(d time.Duration) { time.Sleep(d) }
