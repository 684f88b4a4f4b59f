//go:build race

package main

// With -race, the program under test is built so too: it then ends with a status of its own when it
// finds a race. The other flags are those of the Makefile.
func buildFlags() []string {
	return []string{"-race", "-gcflags=modernc.org/sqlite/lib=-race=false", "-gcflags=golang.org/x/crypto/scrypt=-race=false"}
}
