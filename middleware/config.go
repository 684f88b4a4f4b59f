package keyauth

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"github.com/latchkey-go/latchkey/internal/guard"
	"github.com/latchkey-go/latchkey/store"
)

// Config is a guard in full. Only Keys is required; with nothing else set, the guard takes secret keys. [Secret], [Publishable] and
// [Any] are the common ones in short.
type Config struct {
	// Keys is what authenticates.
	// Required.
	Keys *store.Keys

	// Types are the types of key that are let in. Any other is refused by its prefix, without a lookup.
	// Optional. Default: store.Secret alone, because publishable keys are public.
	Types []store.Type

	// Extractors are the places where a key may stand. All of them are read; two different keys are
	// refused. In the Authorization header, what does not begin with sk_ or pk_ is no key: beside
	// one it is ignored. Optional. Default by Types: Bearer, Basic and Header("x-api-key") for
	// secret keys, Header("x-publishable-api-key") and Header("x-api-key") for publishable ones,
	// and all four for both. Never query or cookie.
	Extractors []Extractor

	// Scopes are what a key must have, all of them (store.Key.Allows).
	// Optional. Default: none.
	Scopes []string

	// Optional lets requests without a credential through, without a key: KeyFrom then says no. A bad credential is refused all
	// the same. In the Authorization header, whatever does not begin with sk_ or pk_ counts as no credential, so that the app's own
	// login (a JWT, eyJ…) can stand behind or beside the guard; without Optional it is a malformed one. A key that an outer guard has
	// let in stays in the context. CORS preflights are requests without a credential, and pass too.
	// Optional. Default: false.
	Optional bool

	// PassPreflights lets CORS preflights through, without a key and whatever they carry, for apps
	// whose CORS stands behind the guard. What stands behind it sees requests that everybody can
	// forge, with a body too: CORS must answer them before any handler and before Require, which
	// refuses them. Prefer CORS in front of the guard: then pages can also read its refusals, and
	// this is not needed. Optional. Default: false; a preflight is refused as a request without a
	// credential.
	PassPreflights bool

	// Errors chooses the words of refusals: StandardErrors, MedusaErrors or ProblemErrors.
	// Optional. Default: StandardErrors.
	Errors ErrorStyle

	// ErrorFunc may change the status, the headers and the body that Errors has chosen for a refusal.
	// It must give everything that matches store.ErrUnauthenticated the same answer, or the answer
	// tells which tokens exist. Optional. Default: none.
	ErrorFunc func(r *http.Request, refusal *Refusal)

	// Realm is the realm in WWW-Authenticate: printable ASCII.
	// Optional. Default: none.
	Realm string

	// RetryAfter is what answers that could not be decided (503) say in Retry-After, rounded up to whole seconds. Those to whom too
	// much came (429) say when there is room again.
	// Optional. Default: 1 s.
	RetryAfter time.Duration

	// RefusalTime is what a refusal takes whose credential had to be looked up: an unknown, a revoked and an expired key are answered no
	// sooner than this, so that the time does not tell which of them it was. A request that waits holds its goroutine and nothing else.
	// Optional. Default: 5 ms. Negative: no waiting.
	RefusalTime time.Duration

	// Limiter counts the requests of keys that have a RateLimit; no others are counted, and they cost nothing. Answers to limited keys
	// have the fields RateLimit-Policy and RateLimit (draft-ietf-httpapi-ratelimit-headers-11), refusals Retry-After too. Pages of other
	// origins can read them only if CORS says so: Access-Control-Expose-Headers: RateLimit, RateLimit-Policy, Retry-After.
	// Optional. Default: Keys.Limiter(), which counts in the memory of this process, for all guards with the same Keys. Programs that run
	// as several instances want the one of package middleware/ratelimit.
	Limiter Limiter

	// MaxFailures limits failed authentications by client address: the 401s of credentials that were sent and are bad, however that is
	// told. Beyond, the address is answered 429 without a lookup, with good keys too, until its failures have run out. {20, time.Minute} allows
	// 20 at once and 20 a minute. An IPv6 client is its /64, and clients without a known address are one: behind a proxy, tell whom it
	// speaks for (ClientIP, or Echo's IPExtractor), or a single bad client locks out all. Nothing is counted for requests
	// without a credential, wrong types and missing scopes. Each guard counts by itself, in the memory of its process (10 MB at most).
	// Optional. Default: no limit.
	MaxFailures store.RateLimit

	// ClientIP returns the address of a request's client, for keys that are bound to addresses and for MaxFailures. It must not believe
	// headers that the client itself can set; Echo's IPExtractors fit here.
	// Optional. Default: Echo's IPExtractor where an Echo door has one, else the host in RemoteAddr.
	ClientIP func(r *http.Request) string

	// ForbidPlainHTTP refuses every request that did not come over TLS with the same 403, without looking at the key: one that is
	// refused only sometimes tells an eavesdropper which keys are good (draft-ietf-httpapi-privacy).
	// Optional. Default: false.
	ForbidPlainHTTP bool

	// IsTLS reports whether a request came over TLS. Behind a proxy that ends TLS, tell it from a header that only the proxy can set.
	// Optional. Default: r.TLS is not nil.
	IsTLS func(r *http.Request) bool

	// ForbidBrowserOrigins refuses secret keys that are sent by a browser page of another origin (Sec-Fetch-Site, Origin): such a
	// page has been given a key that every visitor can read.
	// Optional. Default: false.
	ForbidBrowserOrigins bool

	// Logger hears of refusals (Info, at most a few lines a second), of requests that could not be decided (Warn, likewise) and, when
	// it wants Debug, of every key that was let in. Lines name keys by id and tokens by a fingerprint of their digest.
	// Optional. Default: slog.Default().
	Logger *slog.Logger
}

// An ErrorStyle is a set of words for refusals. The zero value is StandardErrors.
type ErrorStyle = guard.ErrorStyle

const (
	// StandardErrors answers as RFC 6750 and RFC 9110 ask, with bodies {"type":…,"message":…}.
	StandardErrors = guard.StandardErrors
	// MedusaErrors answers as Medusa does, to the byte: a guard for publishable keys alone says 400 not_allowed, every other
	// {"message":"Unauthorized"}, and a secret key sent as a Bearer token is refused with Medusa's hint to send it as Basic.
	// What Medusa has no words for (403, 429, 503) is told as in StandardErrors.
	MedusaErrors = guard.MedusaErrors
	// ProblemErrors answers with application/problem+json (RFC 9457): title, status, detail and code,
	// the type of StandardErrors. Statuses and headers are the same.
	ProblemErrors = guard.ProblemErrors
)

// A Refusal is an answer that is about to be sent, for [Config.ErrorFunc].
type Refusal = struct {
	// Status is the HTTP status.
	Status int
	// Header is the header of the response. WWW-Authenticate, Retry-After and Cache-Control are set.
	Header http.Header
	// Body is sent as JSON, by the app's error handler in Echo. A []byte is sent as it is, by the
	// guard itself; set its Content-Type in Header.
	Body any
	// Err says why the request is refused: one of the errors of this package or of package store.
	Err error
}

// A Limiter counts the requests of keys that have a rate limit (store.Key.RateLimit). *store.Limiter counts in the memory of the process,
// package middleware/ratelimit in Redis, for all instances of a program together.
type Limiter = interface {
	// Take must count one request of the key with that id, and say whether limit allows it. A guard asks it once for each request of a
	// key with a limit, and for no other. It must be safe for concurrent use, and quick: the request waits for it. An error means that nobody knows;
	// the request is then refused with 503. A Limiter that would rather let it through must say so itself.
	Take(ctx context.Context, keyID string, limit store.RateLimit) (store.Decision, error)
}
