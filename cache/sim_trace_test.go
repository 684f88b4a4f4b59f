package cache

import (
	"fmt"
	"sync"
	"time"
)

// trace is a sum of what happened in a run, to compare two runs. It does not depend on the order of
// goroutines that run at the same moment. Optionally it also collects everything as text.
type trace struct {
	mu    sync.Mutex
	sum   uint64
	keep  bool
	lines []string
}

// note adds what a host did at a moment. Texts that differ from run to run, such as random names,
// must not be in it.
func (t *trace) note(at time.Duration, host int, what string, a, b int64) {
	h := mix(uint64(at))
	h = mixText(h^uint64(host+1), what)
	h = mix(h ^ uint64(a))
	h = mix(h + uint64(b))
	t.mu.Lock()
	defer t.mu.Unlock()
	t.sum += h
	if t.keep {
		t.lines = append(t.lines, fmt.Sprintf("%14.6f ms  host %d  %s %d %d", float64(at)/1e6, host, what, a, b))
	}
}

func (t *trace) result() (sum uint64, lines []string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.sum, t.lines
}
