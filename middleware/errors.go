package keyauth

import "github.com/latchkey-go/latchkey/internal/guard"

// The reasons why a guard refuses, in addition to the errors of package store (ErrUnauthenticated
// and its kinds, ErrWrongType, ErrUnavailable). errors.Is finds them in the error that an Echo door
// passes to the app's error handler. They contain no token.
var (
	// ErrNoCredential: no place that the guard reads holds a credential, or the request is a CORS
	// preflight, in which credentials do not count.
	ErrNoCredential = guard.ErrNoCredential
	// ErrConflictingCredentials: the request has two different credentials. Neither is looked up. A
	// value of Authorization that is not a key (a JWT, a proxy's login) does not count.
	ErrConflictingCredentials = guard.ErrConflictingCredentials
	// ErrInsufficientScope: the key is good but lacks a required scope.
	ErrInsufficientScope = guard.ErrInsufficientScope
	// ErrAddressNotAllowed: the key is good but may not be used from the client's address, or the
	// address is not known.
	ErrAddressNotAllowed = guard.ErrAddressNotAllowed
	// ErrPlainHTTP: the request did not come over TLS (Config.ForbidPlainHTTP).
	ErrPlainHTTP = guard.ErrPlainHTTP
	// ErrForeignOrigin: a browser page of another origin sent a secret key
	// (Config.ForbidBrowserOrigins).
	ErrForeignOrigin = guard.ErrForeignOrigin
	// ErrRateLimited: the key is good but exceeds its RateLimit.
	ErrRateLimited = guard.ErrRateLimited
	// ErrTooManyFailures: the client's address has sent too many bad credentials
	// (Config.MaxFailures). There is no lookup.
	ErrTooManyFailures = guard.ErrTooManyFailures
)
