package cache

import "time"

// instant is one reading of both clocks of this machine. Go's monotonic clock stands still while a machine is suspended, the wall
// clock may be set back; what one hides the other shows (protocol 1.1).
type instant struct {
	mono time.Duration // since some moment of this process
	wall time.Duration // since 1970
}

// elapsed returns how long ago since was, by the clock that says more.
func (now instant) elapsed(since instant) time.Duration {
	return max(now.mono-since.mono, now.wall-since.wall)
}

// time returns the moment by the wall clock.
func (now instant) time() time.Time { return time.Unix(0, int64(now.wall)) }

// clock is where the protocol learns what time it is. Simulations have their own.
type clock interface {
	now() instant
	// read is now, and the same moment as a time.Time. It is not a part of instant, which is copied a lot and passes in registers
	// without it.
	read() (instant, time.Time)
}

// systemClock is the real one.
type systemClock struct{ start time.Time }

func newSystemClock() systemClock { return systemClock{start: time.Now()} }

func (c systemClock) now() instant {
	now, _ := c.read()
	return now
}

func (c systemClock) read() (instant, time.Time) {
	t := time.Now()
	return instant{mono: t.Sub(c.start), wall: time.Duration(t.UnixNano())}, t
}
