// Package redisfault says how calls of Redis fail: whether Redis answered, and with which word. Its
// Breaker spares callers the calls that would fail too.
package redisfault

import (
	"errors"
	"slices"
	"strings"
)

// Words for what Redis has no word for.
const (
	Unreachable    = "UNREACHABLE"     // there was no answer, or none in time
	Other          = "ERR"             // Redis answered with an error that is not in the list below
	unknownCommand = "unknown_command" // Redis starts this error with ERR, like most others
)

// refusals are the first words of errors that are about the server or the user: any other call of
// the same kind fails too. WRONGTYPE, for example, is about one key and not among them.
var refusals = []string{
	"NOPERM", "NOAUTH", "WRONGPASS", "READONLY", "MISCONF", "OOM", "LOADING", "BUSY",
	"MASTERDOWN", "CLUSTERDOWN", "NOREPLICAS", "MOVED", "DENIED", unknownCommand,
}

// Words returns every word that Word can return for an error. Metrics have one label value for each.
func Words() []string { return append(slices.Clone(refusals), Unreachable, Other) }

// Word returns the word for err, "" for nil. It never holds other text of the error, which may
// repeat what a user has sent.
func Word(err error) string {
	var answered interface {
		error
		RedisError() // go-redis marks what the server has answered with it
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
		return "NOPERM" // Redis 7.0 leaves the word out when the script calls what the user may not
	}
	for _, word := range refusals { // Redis 6 puts the script's error into one of its own
		if strings.HasPrefix(text, "ERR Error running script") && strings.Contains(text, ": -"+word+" ") {
			return word
		}
	}
	return Other
}

// Refused reports whether Redis has answered err, and calls of the same kind fail until somebody
// changes the server, the user or the program.
func Refused(err error) bool { return isRefusal(Word(err)) }

func isRefusal(word string) bool { return slices.Contains(refusals, word) }
