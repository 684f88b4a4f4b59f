// Package guard is the common part of all doors, the middlewares for one HTTP framework each. It
// finds the credential of a request, checks it, and builds the response to a refused request.
// Package middleware (keyauth) is the door for net/http, middleware/echov4 and middleware/echov5
// are the doors for Echo. Package admin uses it directly.
package guard

import (
	"context"
	"log/slog"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/latchkey-go/latchkey/store"
)

// Config has the fields of keyauth.Config, which documents them. Go can convert one into the other.
type Config struct {
	Keys                 *store.Keys
	Types                []store.Type
	Extractors           []Extractor
	Scopes               []string
	Optional             bool
	PassPreflights       bool
	Errors               ErrorStyle
	ErrorFunc            func(r *http.Request, refusal *Answer)
	Realm                string
	RetryAfter           time.Duration
	RefusalTime          time.Duration
	Limiter              Limiter
	MaxFailures          store.RateLimit
	ClientIP             func(r *http.Request) string
	ForbidPlainHTTP      bool
	IsTLS                func(r *http.Request) bool
	ForbidBrowserOrigins bool
	Logger               *slog.Logger
}

// Limiter is keyauth.Limiter.
type Limiter = interface {
	Take(ctx context.Context, keyID string, limit store.RateLimit) (store.Decision, error)
}

// ErrorStyle is the format of refusals.
type ErrorStyle int

// The styles; keyauth documents them.
const (
	StandardErrors ErrorStyle = iota
	MedusaErrors
	ProblemErrors
)

// Guard is a Config that has been validated, with everything precomputed that does not depend on
// the request.
type Guard struct {
	Config
	places     []place
	vary       []string // the value of Vary: the headers that are read, or nil. At full capacity, so append copies it
	realm      string   // as it is in WWW-Authenticate
	retryAfter string
	failures   *failures     // nil: no limit
	pausing    chan struct{} // semaphore
	refused    sampler
	undecided  sampler
}

// place is a place where a credential may be.
type place struct {
	header    string     // "": not in a header
	notations []Notation // for the default places
	extract   Extractor  // for the places of Config.Extractors
}

// shared reports whether the header is also used for credentials of other schemes.
func (p *place) shared() bool { return p.header == authorization }

// Must returns the guard for c. It panics with an error that matches store.ErrInvalid if c is
// invalid.
func Must(c Config) *Guard {
	g, err := c.guard()
	if err != nil {
		panic(err)
	}
	return g
}

// guard validates c and sets its defaults. Errors match store.ErrInvalid.
func (c Config) guard() (*Guard, error) {
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
	if c.Errors < StandardErrors || c.Errors > ProblemErrors {
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
	g := &Guard{
		Config: c, retryAfter: strconv.FormatInt(seconds(c.RetryAfter), 10),
		failures: newFailures(c.MaxFailures), pausing: make(chan struct{}, maxPauses),
	}
	if c.Realm != "" {
		g.realm = ` realm="` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(c.Realm) + `"`
	}
	return g, g.findPlaces()
}

// defaultPlaces returns the places for Config.Types. They use no Extractor, because arguments of a
// function value are allocated on the heap.
func (c Config) defaultPlaces() []place {
	var list []place
	if slices.Contains(c.Types, store.Secret) {
		list = append(list, place{header: authorization, notations: []Notation{Bearer, Basic}})
	}
	if slices.Contains(c.Types, store.Publishable) {
		list = append(list, place{header: "X-Publishable-Api-Key", notations: []Notation{Whole}})
	}
	return append(list, place{header: "X-Api-Key", notations: []Notation{Whole}})
}

// findPlaces sets places and vary. It calls each Extractor once to learn which header it reads.
func (g *Guard) findPlaces() error {
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

// takes reports whether keys of type t are accepted.
func (g *Guard) takes(t store.Type) bool { return slices.Contains(g.Types, t) }

func invalid(format string, args ...any) error {
	return store.Errorf(store.ErrInvalid, "keyauth: "+format, args...)
}

// isScope implements the grammar of scope-token in RFC 6749, section 3.3. Such a scope can be
// written to WWW-Authenticate without quoting.
func isScope(s string) bool {
	for i := range len(s) {
		if c := s[i]; c <= ' ' || c == '"' || c == '\\' || c > '~' {
			return false
		}
	}
	return s != ""
}

// isHeaderName implements the grammar of token in RFC 9110, section 5.6.2.
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
