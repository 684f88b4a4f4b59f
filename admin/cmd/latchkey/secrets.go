package main

import "regexp"

// checkNoSecrets refuses arguments that look like a secret token: the process list shows them to
// all users, and shells store them in a file.
func checkNoSecrets(args []string) error {
	for _, arg := range args {
		if secretLike.MatchString(arg) {
			return usagef("an argument looks like a secret token. The process list and the shell's history show it: " +
				"treat the token as leaked, and roll or revoke its key by id. To find the id, pass the token to verify " +
				"in a file or on standard input")
		}
	}
	return nil
}

// secretLike matches a secret token, or the first half of one.
var secretLike = regexp.MustCompile(`sk_[0-9A-Za-z_]{20}`)
