package ratelimit

import (
	"testing"

	"github.com/latchkey-go/latchkey/store/storetest"
)

func TestBreaker(t *testing.T) {
	storetest.Breaker(t, func(t *testing.T) (report func(ok bool), closed func() bool) {
		b := &breaker{}
		return func(ok bool) {
			was := b.closed()
			if changed := b.report(ok); changed != (was != b.closed()) {
				t.Errorf("changed: told %v, closed before %v, after %v", changed, was, b.closed())
			}
		}, b.closed
	})
}
