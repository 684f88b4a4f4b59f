//go:build race

package cache

// simulatedSeeds is how many seeds both tiers have together; the race detector makes each several
// times as slow.
const simulatedSeeds = 200
