//go:build race

package cache

// simulatedSeeds is how many seeds a test run has; the race detector makes each several times as slow.
const simulatedSeeds = 200
