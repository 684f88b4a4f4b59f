package soak_test

import (
	"flag"
	"slices"
	"testing"
	"time"
)

var (
	seedFlag = flag.Uint64("seed", 0, "order of the faults; 0: a new one, which is printed")
	soakFlag = flag.Duration("soak", 0, "how long TestSoak runs; 0: not at all")
)

// newSeed returns the seed that was asked for, or a new one, and prints it.
func newSeed(t testing.TB) uint64 {
	seed := *seedFlag
	if seed == 0 {
		seed = uint64(time.Now().UnixNano())
	}
	t.Logf("seed %d", seed)
	return seed
}

// TestSmokeMore is each fault once.
func TestSmokeMore(t *testing.T) {
	seed := newSeed(t)
	t.Run("one Redis", func(t *testing.T) {
		w := newWorld(t, setup{}, seed)
		w.script(usual, slices.Concat(instanceFaults(), w.redis.faults()), time.Time{})
		w.report.check(t)
	})
	t.Run("Sentinels", func(t *testing.T) {
		w := newWorld(t, setup{redis: newSentinels}, seed)
		w.script(usual, w.redis.faults(), time.Time{})
		w.report.check(t)
	})
	t.Run("PgBouncer", func(t *testing.T) {
		w := newWorld(t, setup{pooled: true, instances: 3}, seed) // logging in through PgBouncer is dear where five share two cores
		w.script(usual, slices.Concat(databaseFaults(), poolerFaults()), time.Time{})
		w.report.check(t)
	})
}
