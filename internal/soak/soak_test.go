package soak_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// TestSoak runs all scripts, again and again, for as long as -soak says, in an order that follows
// from -seed. In the first round each has its share of the time, and one fault at least, so that
// none is left out when the time is short. What fails, fails at the end of its script, and ends the
// test.
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
	played := 0
	for round := 0; time.Now().Before(deadline) && !t.Failed(); round++ {
		for _, n := range rng.Perm(len(acts)) {
			if t.Failed() || round > 0 && !time.Now().Before(deadline) {
				break
			}
			act, actSeed, until := acts[n], rng.Uint64(), deadline
			if round == 0 {
				until = time.Now().Add(time.Until(deadline) / time.Duration(len(acts)-played))
			}
			played++
			t.Run(fmt.Sprintf("%d %s", round, act.name), func(t *testing.T) {
				w := newWorld(t, act.setup, actSeed)
				w.script(usual, slices.Concat(instanceFaults(), w.redis.faults(), act.more(w)), until)
				w.report.check(t)
				total.merge(&w.report)
			})
		}
	}
	if played < len(acts) && !t.Failed() {
		t.Errorf("%d of %d scripts were played", played, len(acts))
	}
	t.Logf("all scripts: %s", total.String())
}
