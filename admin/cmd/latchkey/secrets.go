package main

import "strings"

// noSecrets refuses arguments that hold what looks like a secret token: everybody on the machine can read them in the list of processes, and
// shells keep them in a file.
func noSecrets(args []string) error {
	for _, arg := range args {
		if holdsSecret(arg) {
			return usagef("an argument holds what looks like a secret token. Arguments show in the list of processes and stay in the shell's history: " +
				"consider the token leaked and roll or revoke its key, by the key's id. To look up the id of a token, hand it to verify in a file or on standard input")
		}
	}
	return nil
}

// holdsSecret reports whether s holds a secret token, or most of one.
func holdsSecret(s string) bool {
	const enough = 20 // characters of a token behind sk_
	for {
		_, after, found := strings.Cut(s, "sk_")
		if !found {
			return false
		}
		n := strings.IndexFunc(after, func(c rune) bool {
			return c != '_' && (c < '0' || c > '9') && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z')
		})
		if n < 0 {
			n = len(after)
		}
		if n >= enough {
			return true
		}
		s = after
	}
}
