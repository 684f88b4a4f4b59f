//go:build race

package keyauth_test

// underRace: the race detector lets sync.Pool forget at random, so that allocations cannot be
// counted.
const underRace = true
