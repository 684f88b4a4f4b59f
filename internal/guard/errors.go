package guard

import (
	"errors"
	"fmt"
	"strings"
)

// Why a guard refuses; keyauth explains them.
var (
	ErrNoCredential           = errors.New("keyauth: no credential")
	ErrConflictingCredentials = errors.New("keyauth: two different credentials")
	ErrInsufficientScope      = errors.New("keyauth: insufficient scope")
	ErrAddressNotAllowed      = errors.New("keyauth: address not allowed")
	ErrPlainHTTP              = errors.New("keyauth: plain HTTP")
	ErrForeignOrigin          = errors.New("keyauth: secret key sent by a page of another origin")
	ErrRateLimited            = errors.New("keyauth: rate limited")
	ErrTooManyFailures        = errors.New("keyauth: too many failed authentications from this address")

	// errPreflight is an ErrNoCredential whose cause is known.
	errPreflight = fmt.Errorf("%w: the request is a CORS preflight", ErrNoCredential)
	// errSecretAsBearer: Medusa takes secret keys as Basic only.
	errSecretAsBearer = errors.New("keyauth: secret key sent as a Bearer token")
)

// scopeError is an ErrInsufficientScope that knows what was required.
type scopeError struct{ required []string }

func (e *scopeError) Error() string {
	return ErrInsufficientScope.Error() + ": " + e.scopes()
}

func (e *scopeError) Is(target error) bool { return target == ErrInsufficientScope }

// scopes is the list as RFC 6750 wants it in WWW-Authenticate.
func (e *scopeError) scopes() string { return strings.Join(e.required, " ") }
