//go:build !race

package cache

// simulatedSeeds is how many seeds a test run has.
const simulatedSeeds = 2000
