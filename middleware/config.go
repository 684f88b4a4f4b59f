package keyauth

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"github.com/latchkey-go/latchkey/internal/guard"
	"github.com/latchkey-go/latchkey/store"
)

// Config configures a guard. Only Keys is required; without other fields, the guard accepts secret
// keys. [Secret], [Publishable] and [Any] are shortcuts for common configurations.
type Config struct {
	// Keys authenticates the tokens.
	// Required.
	Keys *store.Keys

	// Types are the accepted types of keys. A key of another type is refused by its prefix, without
	// a lookup.
	// Optional. Default: store.Secret only, because publishable keys are public.
	Types []store.Type

	// Extractors are the places where a key may be. All of them are read, and two different keys
	// are refused. In the Authorization header, a value that does not begin with sk_ or pk_ is not
	// a key; it is ignored if there is a key.
	// Optional. Default by Types: Bearer, Basic and Header("x-api-key") for secret keys,
	// Header("x-publishable-api-key") and Header("x-api-key") for publishable keys, and all four
	// for both. Query and cookies are not read by default.
	Extractors []Extractor

	// Scopes are the scopes that a key must have, all of them (store.Key.Allows).
	// Optional. Default: no scopes.
	Scopes []string

	// Optional accepts requests without a credential: KeyFrom then returns false. A bad credential
	// is still refused. In the Authorization header, a value that does not begin with sk_ or pk_
	// counts as no credential, so the app can use its own login (for example a JWT) there; without
	// Optional it is a malformed credential. A key that an outer guard has accepted stays in the
	// context. CORS preflights count as requests without a credential and are accepted too.
	// Optional. Default: false.
	Optional bool

	// PassPreflights accepts CORS preflights, without a key, for apps whose CORS middleware is
	// behind the guard. Any client can forge a preflight, even with a body. So the CORS middleware
	// must answer it before any handler, and before Require, which refuses it. Prefer CORS in front
	// of the guard: then pages can also read refusals, and this field is not needed.
	// Optional. Default: false; a preflight is refused as a request without a credential.
	PassPreflights bool

	// Errors is the format of refusals: StandardErrors, MedusaErrors or ProblemErrors.
	// Optional. Default: StandardErrors.
	Errors ErrorStyle

	// ErrorFunc may change the status, the headers and the body of a refusal. It must give the same
	// response to all errors that match store.ErrUnauthenticated, or the response reveals which
	// tokens exist.
	// Optional. Default: no change.
	ErrorFunc func(r *http.Request, refusal *Refusal)

	// Realm is the realm in WWW-Authenticate: printable ASCII.
	// Optional. Default: no realm.
	Realm string

	// RetryAfter is the value of Retry-After in 503 responses, rounded up to whole seconds. In 429
	// responses, Retry-After is the time until the next request is allowed.
	// Optional. Default: 1 s.
	RetryAfter time.Duration

	// RefusalTime is the minimum time of a refusal after a lookup. Unknown, revoked and expired
	// keys are refused no sooner, so that timing does not reveal which of them it was. A waiting
	// request holds only its goroutine.
	// Optional. Default: 5 ms. Negative: no delay.
	RefusalTime time.Duration

	// Limiter counts the requests of keys that have a RateLimit; it is not called for other keys.
	// Responses for limited keys have the fields RateLimit-Policy and RateLimit
	// (draft-ietf-httpapi-ratelimit-headers-11), and refusals also Retry-After. Pages of other
	// origins can read them only with the CORS header Access-Control-Expose-Headers: RateLimit,
	// RateLimit-Policy, Retry-After.
	// Optional. Default: Keys.Limiter(), which counts in the memory of this process, for all guards
	// with the same Keys. For several instances use package middleware/ratelimit.
	Limiter Limiter

	// MaxFailures limits failed authentications by client address. It counts credentials that are
	// refused as bad (401, or their equivalent in Medusa's format). Above the limit, the address
	// gets 429 without a lookup, even with good keys, until the limit allows a request again. {20,
	// time.Minute} allows 20 at once and 20 a minute. IPv6 addresses are grouped by /64, and
	// clients without a known address count as one. Behind a proxy set ClientIP (or Echo's
	// IPExtractor), or one client can lock out all others. Missing credentials, wrong types and
	// missing scopes are not counted. Each guard counts separately, in the memory of its process
	// (10 MB at most).
	// Optional. Default: no limit.
	MaxFailures store.RateLimit

	// ClientIP returns the address of a request's client, for AllowedCIDRs and MaxFailures. It must
	// not trust headers that the client itself can set. Echo's IPExtractors can be used.
	// Optional. Default: Echo's IPExtractor if an Echo door has one, else the host in RemoteAddr.
	ClientIP func(r *http.Request) string

	// ForbidPlainHTTP refuses every request without TLS with the same 403 and does not look at the
	// key, because different responses would reveal to an eavesdropper which keys are good
	// (draft-ietf-httpapi-privacy).
	// Optional. Default: false.
	ForbidPlainHTTP bool

	// IsTLS reports whether a request came over TLS. Behind a proxy that terminates TLS, use a
	// header that only the proxy can set.
	// Optional. Default: r.TLS is not nil.
	IsTLS func(r *http.Request) bool

	// ForbidBrowserOrigins refuses secret keys that a browser page of another origin sends
	// (Sec-Fetch-Site, Origin), because every visitor of such a page can read the key.
	// Optional. Default: false.
	ForbidBrowserOrigins bool

	// Logger receives refusals (Info, at most a few lines a second), requests that could not be
	// checked (Warn, likewise) and, at level Debug, every accepted key. Lines identify keys by id
	// and tokens by a fingerprint of their digest.
	// Optional. Default: slog.Default().
	Logger *slog.Logger
}

// An ErrorStyle is a format of refusals. The zero value is StandardErrors.
type ErrorStyle = guard.ErrorStyle

const (
	// StandardErrors follows RFC 6750 and RFC 9110, with bodies {"type":…,"message":…}.
	StandardErrors = guard.StandardErrors
	// MedusaErrors returns the same bytes as Medusa. A guard for publishable keys only returns 400
	// not_allowed, any other {"message":"Unauthorized"}. A secret key that is sent as a Bearer
	// token is refused with Medusa's hint to send it as Basic. Refusals that Medusa does not have
	// (403, 429, 503) are as in StandardErrors.
	MedusaErrors = guard.MedusaErrors
	// ProblemErrors returns application/problem+json (RFC 9457): title, status, detail and code.
	// code is the type of StandardErrors. Statuses and headers are the same.
	ProblemErrors = guard.ProblemErrors
)

// A Refusal is a response that is about to be sent, for [Config.ErrorFunc].
type Refusal = struct {
	// Status is the HTTP status.
	Status int
	// Header is the header of the response. WWW-Authenticate, Retry-After and Cache-Control are
	// set.
	Header http.Header
	// Body is encoded as JSON; with Echo the app's error handler writes it. A []byte is written
	// unchanged by the guard itself: set its Content-Type in Header.
	Body any
	// Err is the reason: one of the errors of this package or of package store.
	Err error
}

// A Limiter counts the requests of keys that have a rate limit (store.Key.RateLimit).
// *store.Limiter counts in the memory of the process, package middleware/ratelimit in Redis, for
// all instances of a program together.
type Limiter = interface {
	// Take must count one request of the key with that id and return whether limit allows it. A
	// guard calls it once for each request of a key with a limit, and for no other. It must be safe
	// for concurrent use and fast, because the request waits for it. After an error the request is
	// refused with 503; a Limiter that prefers to accept it must return an allowing Decision.
	Take(ctx context.Context, keyID string, limit store.RateLimit) (store.Decision, error)
}
