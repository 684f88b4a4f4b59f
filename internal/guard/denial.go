package guard

import (
	"errors"

	"github.com/latchkey-go/latchkey/internal/observe"
	"github.com/latchkey-go/latchkey/store"
)

// countDenial counts a refusal that is not counted elsewhere. Keys.Authenticate has already counted
// bad keys and those that could not be checked.
func (g *Guard) countDenial(err error) {
	if errors.Is(err, store.ErrUnauthenticated) {
		return
	}
	for _, d := range denials {
		if errors.Is(err, d.err) {
			g.Keys.CountDenial(d.as)
			return
		}
	}
}

// denials are in the order of their frequency. Missing scopes are not counted: most come from
// Require, which has no Keys.
var denials = []struct {
	err error
	as  observe.Denial
}{
	{ErrNoCredential, observe.NoCredential},
	{ErrRateLimited, observe.RateLimited},
	{ErrTooManyFailures, observe.FailuresLimited},
	{ErrConflictingCredentials, observe.Conflict},
	{ErrAddressNotAllowed, observe.Address},
	{ErrPlainHTTP, observe.PlainHTTP},
	{ErrForeignOrigin, observe.ForeignOrigin},
}
