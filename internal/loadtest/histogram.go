package main

import (
	"math/bits"
	"sync/atomic"
	"time"
)

// histogram counts durations in buckets whose width is a 32nd of what they hold, at most:
// percentiles are exact to 3 %. It may be used from many goroutines at once; the zero value is
// empty.
type histogram struct {
	buckets [64 * steps]atomic.Int64
	count   atomic.Int64
}

const steps = 32 // buckets for each power of two

func (h *histogram) note(d time.Duration) {
	h.buckets[bucket(d)].Add(1)
	h.count.Add(1)
}

func bucket(d time.Duration) int {
	n := uint64(max(d, 0))
	if n < steps {
		return int(n)
	}
	shift := bits.Len64(n) - bits.Len64(steps) // n>>shift has as many bits as steps: from 32 to 63
	return (shift+1)*steps + int(n>>shift) - steps
}

// upper returns the greatest duration of a bucket.
func upper(b int) time.Duration {
	if b < steps {
		return time.Duration(b)
	}
	shift := b/steps - 1
	return time.Duration(uint64(b%steps+steps+1)<<shift - 1)
}

// percentile returns the duration that so many percent of all do not exceed; 0 when there are none.
func (h *histogram) percentile(p float64) time.Duration {
	left := int64(p/100*float64(h.count.Load()) + 0.999999)
	for b := range h.buckets {
		if n := h.buckets[b].Load(); n > 0 {
			if left -= n; left <= 0 {
				return upper(b)
			}
		}
	}
	return 0
}
