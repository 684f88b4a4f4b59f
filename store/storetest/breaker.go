package storetest

import (
	"testing"
	"testing/synctest"
	"time"
)

// Breaker tests when a circuit breaker opens: after 8 failures, and half of all calls, within a
// second or without a success between them. Each case creates a breaker in a synctest bubble.
// report records the result of a call.
func Breaker(t *testing.T, newBreaker func(t *testing.T) (report func(ok bool), closed func() bool)) {
	t.Helper()
	for _, test := range []struct {
		name  string
		every time.Duration
		calls string // + has succeeded, - has failed
		opens bool
	}{
		{"eight failures", time.Millisecond, "--------", true},
		{"seven failures", time.Millisecond, "-------", false},
		{"eight failures, however rare", time.Minute, "--------", true},
		{"eight failures after successes", time.Millisecond, "++++++++--------", true},
		{"eight failures among more successes", time.Millisecond, "-+-+-+-+-+-+-++-+", false},
		{"successes long ago do not count", 100 * time.Millisecond, "++++++++++++++++++++------------------", true},
		{"failures of other seconds do not count", 300 * time.Millisecond, "-----+-----+-----+", false},
		{"a success closes it", time.Millisecond, "--------+", false},
		{"and all begins again", time.Millisecond, "--------+-------", false},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				report, closed := newBreaker(t)
				for _, call := range test.calls {
					time.Sleep(test.every)
					report(call == '+')
				}
				if closed() == test.opens {
					t.Errorf("%s: closed: %v", test.calls, closed())
				}
			})
		})
	}
}
