package store

import (
	"sync/atomic"
	"time"
)

// tallyStripes is over how many cache lines a tally is spread.
const counterShards = 16

// tally counts what every request does. It is spread, or all cores would wait for the cache line that holds the number.
type shardedCounter [counterShards]struct {
	n atomic.Uint64
	_ [56]byte
}

// add counts one. The time of the request, which it has read anyway, is what tells requests on different cores apart: nothing is
// cheaper than its last digits.
func (t *shardedCounter) add(now time.Time) { t[now.Nanosecond()>>4%counterShards].n.Add(1) }

func (t *shardedCounter) load() (sum uint64) {
	for i := range t {
		sum += t[i].n.Load()
	}
	return sum
}
