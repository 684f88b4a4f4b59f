//go:build race

package main

// With -race, the program under test is built so too: it then ends with a status of its own when it finds a race.
func buildFlags() []string { return []string{"-race"} }
