package ratelimit

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
				var b breaker
				for _, call := range test.calls {
					time.Sleep(test.every)
					was := b.closed()
					if changed := b.report(call == '+'); changed != (was != b.closed()) {
						t.Errorf("changed: told %v, closed before %v, after %v", changed, was, b.closed())
					}
				}
				if b.closed() == test.opens {
					t.Errorf("%s: closed: %v", test.calls, b.closed())
				}
			})
		})
	}
}
