package soak_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// TestSoak runs all scripts, again and again, for as long as -soak says, in an order that follows from -seed. What fails, fails at the end of its
// script, and ends the test.
func TestSoak(t *testing.T) {
	if *soakFlag == 0 {
		t.Skip("make soak SOAK=10m runs it")
	}
	seed := newSeed(t)
	rng := rand.New(rand.NewPCG(seed, 1))
	deadline := time.Now().Add(*soakFlag)
	acts := []struct {
		name  string
		setup setup
		more  func(w *world) []fault
	}{
		{"one Redis", setup{}, func(*world) []fault { return nil }},
		{"one Redis, strict", setup{strict: true}, func(w *world) []fault {
			several := severalAtOnce(w.redis.(*standalone))
			return []fault{several, several, several, several, several}
		}},
		{"Sentinels", setup{redis: newSentinels}, func(w *world) []fault { return slices.Repeat(w.redis.faults(), 2) }},
		{"Sentinels, strict", setup{redis: newSentinels, strict: true}, func(w *world) []fault { return slices.Repeat(w.redis.faults(), 2) }},
		{"Cluster", setup{redis: newCluster}, func(*world) []fault { return nil }},
	}
	var total report
	for round := 0; time.Now().Before(deadline) && !t.Failed(); round++ {
		for _, n := range rng.Perm(len(acts)) {
			if !time.Now().Before(deadline) || t.Failed() {
				break
			}
			act, actSeed := acts[n], rng.Uint64()
			t.Run(fmt.Sprintf("%d %s", round, act.name), func(t *testing.T) {
				w := newWorld(t, act.setup, actSeed)
				w.script(usual, slices.Concat(instanceFaults(), w.redis.faults(), act.more(w)), deadline)
				w.report.check(t)
				total.merge(&w.report)
			})
		}
	}
	t.Logf("all scripts: %s", total.String())
}
