package cache

import "sync/atomic"

// shardedCounter counts hits in memory. Every request increments it, so it has many cells: with
// one, all cores would wait for its cache line. The last digits of the time, which has been read
// anyway, select the cell; nothing is cheaper.
type shardedCounter [64]struct {
	atomic.Uint64
	_ [56]byte // one cache line per cell
}

func (h *shardedCounter) add(now instant) { h[uint64(now.mono)>>4%64].Add(1) }

func (h *shardedCounter) value() (sum uint64) {
	for i := range h {
		sum += h[i].Load()
	}
	return sum
}
