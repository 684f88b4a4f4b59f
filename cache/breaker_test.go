package cache

import (
	"testing"
	"testing/synctest"
	"time"
)

func TestBreaker(t *testing.T) {
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
				told := false
				b := breaker{clock: newSystemClock(), tell: func(open bool) { told = open }}
				for _, call := range test.calls {
					time.Sleep(test.every)
					if call == '+' {
						b.succeeded()
					} else {
						b.failed()
					}
					if told == b.closed() {
						t.Errorf("told: %v, closed: %v", told, b.closed())
					}
				}
				if b.closed() == test.opens {
					t.Errorf("%s: closed: %v", test.calls, b.closed())
				}
			})
		})
	}
}
