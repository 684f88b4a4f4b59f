package cache

import "sync/atomic"

// shardedCounter counts the hits in memory, which every request is. It is spread, or all cores would wait for the cache line that holds the
// number. The time of the hit, which has been read anyway, tells those on different cores apart: nothing is cheaper than its last digits.
type shardedCounter [64]struct {
	atomic.Uint64
	_ [56]byte // a cache line each
}

func (h *shardedCounter) add(now instant) { h[uint64(now.mono)>>4%64].Add(1) }

func (h *shardedCounter) value() (sum uint64) {
	for i := range h {
		sum += h[i].Load()
	}
	return sum
}
