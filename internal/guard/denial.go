package guard

import (
	"errors"

	"github.com/latchkey-go/latchkey/store"
)

// countDenial counts a refusal that says nothing about the key. What the key is to blame for, and what could not be decided, has been
// counted where the key was checked.
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

// denials has the most frequent first. Missing scopes are not among them: Require asks for most of those, and knows no Keys.
var denials = []struct {
	err error
	as  store.Denial
}{
	{ErrNoCredential, store.DeniedNoCredential},
	{ErrRateLimited, store.DeniedRateLimited},
	{ErrTooManyFailures, store.DeniedFailuresLimited},
	{ErrConflictingCredentials, store.DeniedConflict},
	{ErrAddressNotAllowed, store.DeniedAddress},
	{ErrPlainHTTP, store.DeniedPlainHTTP},
	{ErrForeignOrigin, store.DeniedForeignOrigin},
}
