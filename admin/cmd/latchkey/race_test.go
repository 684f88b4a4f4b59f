//go:build race

package main

// The program under test then ends with a status of its own when it finds a race.
func buildFlags() []string { return []string{"-race"} }
