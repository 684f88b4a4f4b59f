package cache

import (
	"math/rand/v2"
	"sync/atomic"

	"github.com/maypok86/otter/v2/stats"
)

// hitCounter counts the hits in memory, which every request is, as a stats.Recorder that ignores everything else. Otter's own counter takes a
// twentieth of a warm request more: it asks a pool which stripe to use. A random stripe costs a few nanoseconds, and as many cores as there are
// stripes rarely meet in one.
type hitCounter struct {
	stats.NoopRecorder
	stripes [64]struct {
		atomic.Uint64
		_ [56]byte // a cache line each
	}
}

// RecordHits implements stats.Recorder.
func (h *hitCounter) RecordHits(n int) { h.stripes[rand.Uint32()%64].Add(uint64(n)) }

func (h *hitCounter) value() (sum uint64) {
	for i := range h.stripes {
		sum += h.stripes[i].Load()
	}
	return sum
}
