package middleware

import (
	"log/slog"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/latchkey-go/latchkey/store"
)

// Config is a guard in full. Only Keys is required; with nothing else set, the guard takes secret keys. [Secret], [Publishable] and
// [Any] are the common ones in short.
type Config struct {
	// Skipper says which requests pass without being looked at. Echo only: in net/http, put the guard around fewer routes.
	// Optional. Default: none.
	Skipper func(c echo.Context) bool

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

	// Errors chooses the words in which refusals are told.
	// Optional. Default: StandardErrors.
	Errors ErrorStyle

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
	// Optional. Default: Echo's IPExtractor where one is set, else the host in RemoteAddr.
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

	pause func(time.Duration) // of tests whose time is not the system's
}

// ErrorStyle is a set of words for refusals. The zero value is StandardErrors.
type ErrorStyle int

const (
	// StandardErrors answers as RFC 6750 and RFC 9110 ask, with bodies {"type":…,"message":…}.
	StandardErrors ErrorStyle = iota
	// MedusaErrors answers as Medusa does, to the byte: a guard for publishable keys alone says 400 not_allowed, every other
	// {"message":"Unauthorized"}, and a secret key sent as a Bearer token is refused with Medusa's hint to send it as Basic.
	// What Medusa has no words for (403, 429, 503) is told as in StandardErrors.
	MedusaErrors
)

// guard is a Config that has been checked, with everything worked out that does not depend on the request.
type guard struct {
	Config
	places     []place
	vary       []string // the value of Vary, the headers that are read; nil for none. Full: appending to it makes a copy
	realm      string   // as it stands in WWW-Authenticate
	retryAfter string
	failures   *failures // nil: not limited
	pause      func(time.Duration)
	pausing    chan struct{} // semaphore
	refused    sampler
	undecided  sampler
}

// place is where credentials are looked for.
type place struct {
	header    string     // "": in none
	notations []notation // of the guard's own places
	extract   Extractor  // of those that the app has given
}

// shared: other schemes stand in the same header.
func (p *place) shared() bool { return p.header == authorization }

// guard checks c and fills in its defaults. Errors match store.ErrInvalid.
func (c Config) guard() (*guard, error) {
	if c.Keys == nil {
		return nil, invalid("Config.Keys is required")
	}
	if len(c.Types) == 0 {
		c.Types = []store.Type{store.Secret}
	}
	c.Types = slices.Clone(c.Types)
	for _, t := range c.Types {
		if t != store.Secret && t != store.Publishable {
			return nil, invalid("Config.Types holds %q, which is no type of key", string(t))
		}
	}
	if c.Extractors != nil && len(c.Extractors) == 0 {
		return nil, invalid("Config.Extractors is empty: there would be no place for a key")
	}
	c.Scopes = slices.Clone(c.Scopes)
	for _, s := range c.Scopes {
		if !isScope(s) {
			return nil, invalid("Config.Scopes holds %.120q, which is no scope (RFC 6749, 3.3)", s)
		}
	}
	if c.Errors != StandardErrors && c.Errors != MedusaErrors {
		return nil, invalid("Config.Errors is %d, which is no ErrorStyle", c.Errors)
	}
	for i := range len(c.Realm) {
		if c.Realm[i] < ' ' || c.Realm[i] > '~' {
			return nil, invalid("Config.Realm holds something other than printable ASCII")
		}
	}
	if c.RefusalTime == 0 {
		c.RefusalTime = defaultRefusalTime
	}
	if c.RetryAfter < 0 {
		return nil, invalid("Config.RetryAfter is negative")
	}
	if c.RetryAfter == 0 {
		c.RetryAfter = time.Second
	}
	c.Limiter = limiterOf(c)
	if f := c.MaxFailures; f != (store.RateLimit{}) && (f.Requests <= 0 || f.Window < time.Second) {
		return nil, invalid("Config.MaxFailures must allow at least one failure in a window of at least one second")
	}
	if c.IsTLS == nil {
		c.IsTLS = func(r *http.Request) bool { return r.TLS != nil }
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	g := &guard{Config: c, retryAfter: strconv.FormatInt(seconds(c.RetryAfter), 10), failures: newFailures(c.MaxFailures), pause: c.pause, pausing: make(chan struct{}, maxPauses)}
	if g.pause == nil {
		g.pause = pause
	}
	if c.Realm != "" {
		g.realm = ` realm="` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(c.Realm) + `"`
	}
	return g, g.findPlaces()
}

// defaultPlaces are what Extractors says, without functions that take slices: what is handed to those is allocated.
func (c Config) defaultPlaces() []place {
	var list []place
	if slices.Contains(c.Types, store.Secret) {
		list = append(list, place{header: authorization, notations: []notation{bearer, basic}})
	}
	if slices.Contains(c.Types, store.Publishable) {
		list = append(list, place{header: "X-Publishable-Api-Key", notations: []notation{whole}})
	}
	return append(list, place{header: "X-Api-Key", notations: []notation{whole}})
}

// findPlaces works out where to look, and with it Vary. An Extractor is asked which header it reads.
func (g *guard) findPlaces() error {
	if g.Extractors == nil {
		g.places = g.defaultPlaces()
	}
	probe, err := http.NewRequest(http.MethodGet, "/", nil)
	if err != nil {
		return err
	}
	for i, extract := range g.Extractors {
		if extract == nil {
			return invalid("Config.Extractors[%d] is nil", i)
		}
		header, _ := extract(probe, nil)
		header = http.CanonicalHeaderKey(header)
		if header != "" && !isHeaderName(header) {
			return invalid("Config.Extractors[%d] reads %.100q, which is no header's name", i, header)
		}
		g.places = append(g.places, place{header: header, extract: extract})
	}
	var names []string
	for _, p := range g.places {
		if p.header != "" && !slices.Contains(names, p.header) {
			names = append(names, p.header)
		}
	}
	if g.ForbidBrowserOrigins {
		names = append(names, "Origin", "Sec-Fetch-Site")
	}
	if len(names) > 0 {
		g.vary = []string{strings.Join(names, ", ")}
	}
	return nil
}

// takes reports whether keys of type t are let in.
func (g *guard) takes(t store.Type) bool { return slices.Contains(g.Types, t) }

func invalid(format string, args ...any) error {
	return store.Errorf(store.ErrInvalid, "keyauth: "+format, args...)
}

// isScope follows the grammar of scope-token in RFC 6749, section 3.3; whatever fits can stand in WWW-Authenticate as it is.
func isScope(s string) bool {
	for i := range len(s) {
		if c := s[i]; c <= ' ' || c == '"' || c == '\\' || c > '~' {
			return false
		}
	}
	return s != ""
}

// isHeaderName follows the grammar of token in RFC 9110, section 5.6.2.
func isHeaderName(s string) bool {
	for i := range len(s) {
		c := s[i]
		alnum := '0' <= c && c <= '9' || 'A' <= c && c <= 'Z' || 'a' <= c && c <= 'z'
		if !alnum && !strings.ContainsRune("!#$%&'*+-.^_`|~", rune(c)) {
			return false
		}
	}
	return s != ""
}
