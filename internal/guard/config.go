// Package guard is what all doors have in common: it finds the credential of a request, decides
// about it, and puts refusals into words. Package middleware (keyauth) is its door for net/http,
// middleware/echov4 and middleware/echov5 are those for Echo, and admin guards itself with it.
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

// Config has the fields of keyauth.Config, which explains them. Go converts one into the other.
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

// ErrorStyle is a set of words for refusals.
type ErrorStyle int

// The styles; keyauth explains them.
const (
	StandardErrors ErrorStyle = iota
	MedusaErrors
	ProblemErrors
)

// Guard is a Config that has been checked, with everything worked out that does not depend on the request.
type Guard struct {
	Config
	places     []place
	vary       []string // the value of Vary, the headers that are read; nil for none. Full: appending to it makes a copy
	realm      string   // as it stands in WWW-Authenticate
	retryAfter string
	failures   *failures     // nil: not limited
	pausing    chan struct{} // semaphore
	refused    sampler
	undecided  sampler
}

// place is where credentials are looked for.
type place struct {
	header    string     // "": in none
	notations []Notation // of the guard's own places
	extract   Extractor  // of those that the app has given
}

// shared: other schemes stand in the same header.
func (p *place) shared() bool { return p.header == authorization }

// Must returns the guard that c describes. It panics with an error that matches store.ErrInvalid
// when c is bad.
func Must(c Config) *Guard {
	g, err := c.guard()
	if err != nil {
		panic(err)
	}
	return g
}

// guard checks c and fills in its defaults. Errors match store.ErrInvalid.
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

// defaultPlaces are what Extractors says, without functions that take slices: what is handed to those is allocated.
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

// findPlaces works out where to look, and with it Vary. An Extractor is asked which header it reads.
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

// takes reports whether keys of type t are let in.
func (g *Guard) takes(t store.Type) bool { return slices.Contains(g.Types, t) }

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
