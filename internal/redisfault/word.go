// Package redisfault classifies failed Redis calls: whether Redis answered, and with which word.
// Its Breaker prevents calls that would fail too.
package redisfault

import (
	"errors"
	"slices"
	"strings"
)

// Words for errors for which Redis has no word.
const (
	Unreachable    = "UNREACHABLE"     // no answer, or none in time
	Other          = "ERR"             // an error of Redis that is not listed below
	unknownCommand = "unknown_command" // Redis starts this error with ERR, like most others
)

// refusals are the first words of errors that are about the server or the user: any other call of
// the same kind fails too. WRONGTYPE, for example, is about one key and not among them.
var refusals = []string{
	"NOPERM", "NOAUTH", "WRONGPASS", "READONLY", "MISCONF", "OOM", "LOADING", "BUSY",
	"MASTERDOWN", "CLUSTERDOWN", "NOREPLICAS", "MOVED", "DENIED", unknownCommand,
}

// Words returns every word that Word can return for an error. Metrics have one label value for
// each.
func Words() []string { return append(slices.Clone(refusals), Unreachable, Other) }

// Word returns the word for err, "" for nil. It returns no other text of the error, which may
// contain user input.
func Word(err error) string {
	var answered interface {
		error
		RedisError() // marks an answer of the server in go-redis
	}
	switch {
	case err == nil:
		return ""
	case !errors.As(err, &answered):
		return Unreachable
	}
	text := answered.Error()
	first, _, _ := strings.Cut(text, " ")
	switch {
	case slices.Contains(refusals, first):
		return first
	case strings.HasPrefix(text, "ERR unknown command"), strings.HasPrefix(text, "ERR Unknown Redis command"):
		return unknownCommand
	case strings.HasPrefix(text, "ERR The user executing the script can't "):
		return "NOPERM" // Redis 7.0 omits the word if a script calls a forbidden command
	}
	for _, word := range refusals { // Redis 6 wraps the error of a script
		if strings.HasPrefix(text, "ERR Error running script") && strings.Contains(text, ": -"+word+" ") {
			return word
		}
	}
	return Other
}

// Refused reports whether err is an answer of Redis, and calls of the same kind fail until the
// server, the user or the program changes.
func Refused(err error) bool { return isRefusal(Word(err)) }

func isRefusal(word string) bool { return slices.Contains(refusals, word) }
