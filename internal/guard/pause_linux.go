package guard

import (
	"syscall"
	"time"
)

// pause blocks its thread for d, with an error of some 50 µs (nanosleep(2)).
func pause(d time.Duration) {
	left := syscall.NsecToTimespec(int64(d))
	for syscall.Nanosleep(&left, &left) == syscall.EINTR {
	}
}
