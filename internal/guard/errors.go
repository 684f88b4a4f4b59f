package guard

import (
	"errors"
	"fmt"
	"strings"
)

// The reasons why a guard refuses; keyauth documents them.
var (
	ErrNoCredential           = errors.New("keyauth: no credential")
	ErrConflictingCredentials = errors.New("keyauth: two different credentials")
	ErrInsufficientScope      = errors.New("keyauth: insufficient scope")
	ErrAddressNotAllowed      = errors.New("keyauth: address not allowed")
	ErrPlainHTTP              = errors.New("keyauth: plain HTTP")
	ErrForeignOrigin          = errors.New("keyauth: secret key sent by a page of another origin")
	ErrRateLimited            = errors.New("keyauth: rate limited")
	ErrTooManyFailures        = errors.New("keyauth: too many failed authentications from this address")

	// errPreflight is an ErrNoCredential of a CORS preflight.
	errPreflight = fmt.Errorf("%w: the request is a CORS preflight", ErrNoCredential)
	// errSecretAsBearer: Medusa accepts secret keys as Basic only.
	errSecretAsBearer = errors.New("keyauth: secret key sent as a Bearer token")
)

// scopeError is an ErrInsufficientScope with the required scopes.
type scopeError struct{ required []string }

func (e *scopeError) Error() string {
	return ErrInsufficientScope.Error() + ": " + e.scopes()
}

func (e *scopeError) Is(target error) bool { return target == ErrInsufficientScope }

// scopes returns the list in the format of WWW-Authenticate (RFC 6750).
func (e *scopeError) scopes() string { return strings.Join(e.required, " ") }
