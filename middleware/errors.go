package middleware

import (
	"errors"
	"fmt"
	"strings"
)

// Why a guard refuses, beside the errors of package store (ErrUnauthenticated and its kinds, ErrWrongType, ErrUnavailable). In Echo
// they are inside the *echo.HTTPError, where errors.Is finds them. None ever holds a token.
var (
	// ErrNoCredential: none of the places that the guard reads holds a credential, or the request
	// is a CORS preflight, where none counts.
	ErrNoCredential = errors.New("keyauth: no credential")
	// ErrConflictingCredentials: the places that the guard reads hold two different credentials.
	// Neither is looked up. What is no key in Authorization (a JWT, a proxy's login) is no second
	// one.
	ErrConflictingCredentials = errors.New("keyauth: two different credentials")
	// ErrInsufficientScope: the key is good but lacks a scope that is required.
	ErrInsufficientScope = errors.New("keyauth: insufficient scope")
	// ErrAddressNotAllowed: the key is good but may not be used from the client's address, or that address is not known.
	ErrAddressNotAllowed = errors.New("keyauth: address not allowed")
	// ErrPlainHTTP: the request did not come over TLS (Config.ForbidPlainHTTP).
	ErrPlainHTTP = errors.New("keyauth: plain HTTP")
	// ErrForeignOrigin: a browser page of another origin sent a secret key (Config.ForbidBrowserOrigins).
	ErrForeignOrigin = errors.New("keyauth: secret key sent by a page of another origin")
	// ErrRateLimited: the key is good and has made as many requests as its RateLimit allows.
	ErrRateLimited = errors.New("keyauth: rate limited")
	// ErrTooManyFailures: too many bad credentials came from the client's address (Config.MaxFailures). Nothing is looked up.
	ErrTooManyFailures = errors.New("keyauth: too many failed authentications from this address")

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
