//go:build !race

package cache

// simulatedSeeds is how many seeds both tiers have together.
const simulatedSeeds = 2000
