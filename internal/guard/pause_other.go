//go:build !linux

package guard

import "time"

// pause is a timer where those of an idle program are finer than a millisecond.
func pause(d time.Duration) { time.Sleep(d) }
