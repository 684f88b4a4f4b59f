package telemetry

import (
	"context"
	"errors"

	"github.com/latchkey-go/latchkey/store"
)

// result is how work ended, as metrics and spans show it.
type result int

const (
	ok          result = iota
	notFound           // no such key
	refused            // by a rule: bad input, a state that forbids it, a principal that may not
	canceled           // the caller left
	unavailable        // it could not be decided
	failed             // anything else: a Redis that does not answer in time, a panic
	results
)

var resultNames = [results]string{"ok", "not_found", "refused", "canceled", "unavailable", "error"}

// isFault reports whether something is broken, and not merely refused.
func (r result) isFault() bool { return r == unavailable || r == failed }

func resultOf(err error) result {
	switch {
	case err == nil:
		return ok
	case errors.Is(err, context.Canceled): // first: what it was in the middle of says nothing
		return canceled
	case errors.Is(err, store.ErrUnavailable):
		return unavailable
	case errors.Is(err, store.ErrNotFound):
		return notFound
	case errors.Is(err, store.ErrInvalid), errors.Is(err, store.ErrNotAllowed), errors.Is(err, store.ErrForbidden), errors.Is(err, store.ErrConflict),
		errors.Is(err, store.ErrUnauthenticated): // a forged record that was to be rolled
		return refused
	default:
		return failed
	}
}
