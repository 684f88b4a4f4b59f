package guard

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"sync"

	"github.com/latchkey-go/latchkey/internal/principal"
	"github.com/latchkey-go/latchkey/store"
)

// Authenticate runs the whole guard, for all doors. It returns the request to continue with, or the
// refusal. h are the headers of the response. clientIP, if not nil, is the door's way to get the
// client's address. There is at most one lookup.
func (g *Guard) Authenticate(h http.Header, r *http.Request, clientIP func(*http.Request) string) (*http.Request, *Refusal) {
	next, refused := g.decide(h, r, clientIP)
	if g.vary != nil { // last, because lookups in an empty header map are cheaper
		switch said := h["Vary"]; {
		case len(said) == 0:
			h["Vary"] = g.vary
		case !slices.Contains(said, g.vary[0]):
			h["Vary"] = append(said, g.vary[0])
		}
	}
	return next, refused
}

// decide is Authenticate without the Vary header.
func (g *Guard) decide(h http.Header, r *http.Request, clientIP func(*http.Request) string) (*http.Request, *Refusal) {
	token, err := g.credential(r)
	if err != nil {
		return nil, g.refuse(h, r, clientIP, "", nil, err)
	}
	if token == "" {
		if g.Errors == ProblemErrors || g.ErrorFunc != nil { // Require uses the same ErrorStyle
			r = r.WithContext(context.WithValue(r.Context(), guardKey{}, g))
		}
		return r, nil
	}
	key, err := g.identify(r, clientIP, token)
	if err == nil {
		err = g.permit(h, r, clientIP, key)
	}
	if err != nil {
		refused := g.refuse(h, r, clientIP, token, key, err)
		g.level(r.Context(), err)
		return nil, refused
	}
	next := &authenticated{ctx: keyContext{principal.Context{Context: r.Context(), Key: key}, g}}
	ctx := context.Context(&next.ctx)
	if isLimited(key) {
		ctx = context.WithValue(ctx, counted{}, key.ID)
	}
	if id := requestID(h, r); id != "" {
		ctx = store.WithRequestID(ctx, id)
	}
	g.logSuccess(ctx, key)
	next.request = *r.WithContext(ctx)
	return &next.request, nil
}

// authenticated is a request together with the context with its key, to save an allocation. While
// the context is referenced, the request stays in memory too.
type authenticated struct {
	request http.Request
	ctx     keyContext
}

// keyContext has the key and the guard that accepted it.
type keyContext struct {
	principal.Context
	guard *Guard
}

func (c *keyContext) Value(name any) any {
	if name == (guardKey{}) {
		return c.guard
	}
	return c.Context.Value(name)
}

// credential returns the one credential of the request, or "" if there is none and none is
// required. It does no I/O.
func (g *Guard) credential(r *http.Request) (string, error) {
	switch {
	case g.ForbidPlainHTTP && !g.IsTLS(r):
		return "", ErrPlainHTTP
	case isPreflight(r): // first: credentials of a preflight do not count
		if g.PassPreflights || g.Optional {
			return "", nil
		}
		return "", errPreflight
	}
	var seen credentials
	for i := range g.places {
		p := &g.places[i]
		if g.Errors == MedusaErrors && p.shared() && g.takes(store.Secret) && sendsSecretAsBearer(r) {
			return "", errSecretAsBearer
		}
		if p.extract != nil {
			if err := seen.extract(p, r); err != nil {
				return "", err
			}
			continue
		}
		for _, value := range r.Header[p.header] {
			for _, read := range p.notations {
				found, ok := read(value)
				if !ok {
					continue
				}
				if err := seen.add(found, p); err != nil {
					return "", err
				}
				break // a value has one notation
			}
		}
	}
	token := seen.token
	if token == "" && !g.Optional {
		token = seen.foreign
	}
	switch {
	case token == "" && !g.Optional:
		return "", ErrNoCredential
	case g.ForbidBrowserOrigins && strings.HasPrefix(token, "sk_") && isForeign(r):
		return "", ErrForeignOrigin
	}
	return token, nil
}

// credentials are the credentials found in a request so far.
type credentials struct {
	token string
	// foreign is a value of Authorization that is not a key: a JWT, or the login of a proxy. It
	// counts, as a malformed credential, only if there is no other credential.
	foreign string
}

// add adds a credential, or returns ErrConflictingCredentials. The order of calls does not matter.
func (c *credentials) add(found string, p *place) error {
	switch {
	case found == "", found == c.token:
	case p.shared() && !couldBeKey(found):
		c.foreign = found
	case c.token == "":
		c.token = found
	default:
		return ErrConflictingCredentials
	}
	return nil
}

// scratch is a pool of buffers for Extractors, because arguments of a function value are allocated
// on the heap.
var scratch = sync.Pool{New: func() any { return new([4]string) }}

// extract adds all credentials that an Extractor finds.
func (c *credentials) extract(p *place, r *http.Request) error {
	buf := scratch.Get().(*[4]string)
	defer func() {
		clear(buf[:])
		scratch.Put(buf)
	}()
	_, found := p.extract(r, buf[:0])
	for _, credential := range found {
		if err := c.add(credential, p); err != nil {
			return err
		}
	}
	return nil
}

// permit checks the restrictions of a good key: addresses, rate limit and scopes. A request from
// another address does not count against the rate limit, or the thief of a key could use up its
// allowance. A request that lacks a scope counts.
func (g *Guard) permit(h http.Header, r *http.Request, clientIP func(*http.Request) string, key *store.Key) error {
	if len(key.AllowedCIDRs) > 0 && !within(g.clientAddr(r, clientIP), key.AllowedCIDRs) {
		return ErrAddressNotAllowed
	}
	if isLimited(key) {
		if err := g.count(r.Context(), h, key); err != nil {
			return err
		}
	}
	return require(key, g.Scopes)
}

// require returns nil if the key has all of the scopes.
func require(key *store.Key, scopes []string) error {
	if !key.Allows(scopes...) {
		return &scopeError{required: scopes}
	}
	return nil
}

// refuse builds, counts and logs the refusal for an error.
func (g *Guard) refuse(h http.Header, r *http.Request, clientIP func(*http.Request) string, token string, key *store.Key, err error) *Refusal {
	refused := g.Refusal(h, r, err)
	g.countDenial(err)
	if err == errPreflight {
		warnOfPreflight(r.Context(), g.Logger)
	}
	g.logRefusal(h, r, clientIP, token, key, refused.Status, err)
	return refused
}

// Require checks that the key in the request's context has the scopes, and returns nil if so.
// Without a key, and for a CORS preflight, it refuses the request like one without a credential.
func Require(h http.Header, r *http.Request, scopes []string) *Refusal {
	err := ErrNoCredential
	if isPreflight(r) {
		err = errPreflight
	} else if key, ok := store.FromContext(r.Context()); ok {
		err = require(key, scopes)
	}
	if err == nil {
		return nil
	}
	return From(r.Context()).Refusal(h, r, err)
}

// Scopes returns a copy of the scopes of a Require. It panics if there is none or one is invalid.
func Scopes(scopes []string) []string {
	if len(scopes) == 0 {
		panic("keyauth: Require needs at least one scope")
	}
	for _, s := range scopes {
		if !isScope(s) {
			panic(invalid("Require was given %.120q, which is no scope (RFC 6749, 3.3)", s))
		}
	}
	return slices.Clone(scopes)
}

// requestID returns the request id for the audit log: X-Request-Id of the response or, if there is
// none, of the request. It must be 1 to 128 visible ASCII characters and must not begin like a key,
// which a client may have sent by mistake. Otherwise the result is "".
func requestID(h http.Header, r *http.Request) string {
	id := first(h["X-Request-Id"])
	if id == "" {
		id = first(r.Header["X-Request-Id"])
	}
	if id == "" || len(id) > 128 || looksLikeKey(id) {
		return ""
	}
	for i := range len(id) {
		if id[i] <= ' ' || id[i] > '~' {
			return ""
		}
	}
	return id
}

func first(values []string) string {
	if len(values) == 0 {
		return ""
	}
	return values[0]
}
