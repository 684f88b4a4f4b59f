package cache

import "time"

// instant is one reading of both clocks of this machine. Go's monotonic clock stops while a machine
// is suspended; the wall clock may be set back. Each shows what the other misses (protocol 1.1).
type instant struct {
	mono time.Duration // since an arbitrary moment of this process
	wall time.Duration // since 1970
}

// elapsed returns the time since an earlier instant: the longer one of the two clocks.
func (now instant) elapsed(since instant) time.Duration {
	return max(now.mono-since.mono, now.wall-since.wall)
}

// time returns the wall-clock time.
func (now instant) time() time.Time { return time.Unix(0, int64(now.wall)) }

// clock is the source of time of the protocol. Simulations replace it.
type clock interface {
	now() instant
	// read returns now, and the same moment as a time.Time. The time.Time is no field of instant,
	// so that an instant is passed in registers.
	read() (instant, time.Time)
}

// systemClock reads the clocks of the machine.
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
