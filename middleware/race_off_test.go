//go:build !race

package keyauth_test

const underRace = false
