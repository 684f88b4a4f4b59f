package keyauth

import "github.com/latchkey-go/latchkey/internal/guard"

// Why a guard refuses, beside the errors of package store (ErrUnauthenticated and its kinds, ErrWrongType, ErrUnavailable). errors.Is
// finds them in what the Echo doors hand to the app's error handler. None ever holds a token.
var (
	// ErrNoCredential: none of the places that the guard reads holds a credential, or the request
	// is a CORS preflight, where none counts.
	ErrNoCredential = guard.ErrNoCredential
	// ErrConflictingCredentials: the places that the guard reads hold two different credentials.
	// Neither is looked up. What is no key in Authorization (a JWT, a proxy's login) is no second
	// one.
	ErrConflictingCredentials = guard.ErrConflictingCredentials
	// ErrInsufficientScope: the key is good but lacks a scope that is required.
	ErrInsufficientScope = guard.ErrInsufficientScope
	// ErrAddressNotAllowed: the key is good but may not be used from the client's address, or that address is not known.
	ErrAddressNotAllowed = guard.ErrAddressNotAllowed
	// ErrPlainHTTP: the request did not come over TLS (Config.ForbidPlainHTTP).
	ErrPlainHTTP = guard.ErrPlainHTTP
	// ErrForeignOrigin: a browser page of another origin sent a secret key (Config.ForbidBrowserOrigins).
	ErrForeignOrigin = guard.ErrForeignOrigin
	// ErrRateLimited: the key is good and has made as many requests as its RateLimit allows.
	ErrRateLimited = guard.ErrRateLimited
	// ErrTooManyFailures: too many bad credentials came from the client's address (Config.MaxFailures). Nothing is looked up.
	ErrTooManyFailures = guard.ErrTooManyFailures
)
