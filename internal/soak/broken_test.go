package soak_test

import (
	"testing"
	"time"
)

// TestTheJudgeNoticesMore runs instances that break the guarantee on purpose. Had it no violation
// to report here, TestSmokeMore would prove nothing.
func TestTheJudgeNoticesMore(t *testing.T) {
	nothing := func(w *world) { w.hold(w.lasting()) }
	for _, c := range []struct {
		broken string
		what   string
		fault  func(w *world)
		want   []verdict
	}{
		{"invalidation", "a cache that nobody tells of changes", nothing, []verdict{lateAccept, lateState, wrongly}},
		{"undecided", "no answer of the store taken for no", func(w *world) {
			w.cutting((*tcpProxy).Cut, w.all[0].redis, w.all[0].db)
		}, []verdict{wrongly}},
		{"retry-after", "503 without Retry-After", func(w *world) {
			w.cutting((*tcpProxy).Cut, w.all[0].redis, w.all[0].db)
		}, []verdict{mute}},
	} {
		t.Run(c.what, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, setup{instances: 2, flags: []string{"-broken", c.broken}}, 1)
			w.script(load{readers: 2, pause: 5 * time.Millisecond, revokers: 2, others: 1, stock: 50}, []fault{{name: c.what, do: c.fault}}, time.Time{})
			seen := map[verdict]int{}
			for _, v := range w.report.violations {
				seen[v.verdict]++
			}
			t.Logf("%d violations, the first of them: %v", w.report.violated, seen)
			for _, v := range c.want {
				if seen[v] == 0 {
					t.Errorf("not noticed: %s", v)
				}
			}
		})
	}
}
