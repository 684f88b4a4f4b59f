package middleware

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/latchkey-go/latchkey/store"
)

// KeyFrom returns the key that authenticated the request of this context, and whether there is one: behind an Optional guard, or on
// a CORS preflight, there may be none. The key is shared and must not be modified.
func KeyFrom(ctx context.Context) (*store.Key, bool) { return store.FromContext(ctx) }

// authenticate is the whole guard, for both doors: it returns the request to go on with, or why not. h are the headers of
// the response; clientIP, if not nil, is how the door tells the client's address. There is at most one lookup.
func (g *guard) authenticate(h http.Header, r *http.Request, clientIP func(*http.Request) string) (*http.Request, *refusal) {
	if isPreflight(r) {
		return r, nil
	}
	if g.vary != "" && !slices.Contains(h["Vary"], g.vary) {
		h["Vary"] = append(h["Vary"], g.vary)
	}
	token, err := g.credential(r)
	if err != nil {
		return nil, g.refuse(h, r, clientIP, "", nil, err)
	}
	if token == "" {
		return r, nil
	}
	key, err := g.identify(r, clientIP, token)
	if err == nil {
		err = g.permit(h, r, clientIP, key)
	}
	if err != nil {
		return nil, g.refuse(h, r, clientIP, token, key, err)
	}
	ctx := store.NewContext(r.Context(), key)
	if isLimited(key) {
		ctx = context.WithValue(ctx, counted{}, key.ID)
	}
	if id := requestID(h, r); id != "" {
		ctx = store.WithRequestID(ctx, id)
	}
	g.logSuccess(ctx, key)
	return r.WithContext(ctx), nil
}

// scratch holds what extractors find. It is pooled because what is handed to a function value is allocated.
var scratch = sync.Pool{New: func() any { return new([4]string) }}

// credential returns the one credential of the request, or "" when there is none and none is needed. It does no I/O.
func (g *guard) credential(r *http.Request) (string, error) {
	if g.ForbidPlainHTTP && !g.IsTLS(r) {
		return "", ErrPlainHTTP
	}
	token := ""
	buf := scratch.Get().(*[4]string)
	defer func() {
		clear(buf[:])
		scratch.Put(buf)
	}()
	for _, p := range g.places {
		if p.shared && g.Errors == MedusaErrors && g.takes(store.Secret) && sendsSecretAsBearer(r) {
			return "", errSecretAsBearer
		}
		_, found := p.extract(r, buf[:0])
		for _, credential := range found {
			switch {
			case credential == "":
			case g.Optional && p.shared && !looksLikeKey(credential):
			case token == "":
				token = credential
			case token != credential:
				return "", ErrConflictingCredentials
			}
		}
	}
	switch {
	case token == "" && !g.Optional:
		return "", ErrNoCredential
	case g.ForbidBrowserOrigins && strings.HasPrefix(token, "sk_") && isForeign(r):
		return "", ErrForeignOrigin
	}
	return token, nil
}

// permit asks what goes beyond "is the key good": from where it may be used, how often, and what for. Requests from elsewhere do not
// count, or whoever has stolen a key could use up what its owner is allowed; those that lack a scope do.
func (g *guard) permit(h http.Header, r *http.Request, clientIP func(*http.Request) string, key *store.Key) error {
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

// require returns nil when the key has all of the scopes.
func require(key *store.Key, scopes []string) error {
	if !key.Allows(scopes...) {
		return &scopeError{required: scopes}
	}
	return nil
}

// refuse turns an error into what is told and logged about it.
func (g *guard) refuse(h http.Header, r *http.Request, clientIP func(*http.Request) string, token string, key *store.Key, err error) *refusal {
	a := answerTo(err)
	if g.Errors == MedusaErrors {
		a = medusaAnswerTo(err, !g.takes(store.Secret))
	}
	retryAfter := g.retryAfter
	var limited *waitError
	if errors.As(err, &limited) {
		retryAfter = strconv.FormatInt(seconds(limited.wait), 10)
	}
	a.setHeaders(h, g.realm, retryAfter)
	g.logRefusal(h, r, clientIP, token, key, a.status, err)
	return &refusal{answer: a, cause: err}
}

// requireKey is Require for both doors: it asks the key that a guard has put into the request's context. Without one, whatever the
// reason, it refuses as if no credential had been sent.
func requireKey(h http.Header, r *http.Request, scopes []string) *refusal {
	if isPreflight(r) {
		return nil
	}
	err := ErrNoCredential
	if key, ok := KeyFrom(r.Context()); ok {
		err = require(key, scopes)
	}
	if err == nil {
		return nil
	}
	a := answerTo(err)
	a.setHeaders(h, "", "")
	return &refusal{answer: a, cause: err}
}

// checkRequired panics for lists that no route can mean.
func checkRequired(scopes []string) []string {
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

// requestID returns the id that the response or, failing that, the request carries in X-Request-Id, if it is fit for an audit log: 1 to
// 128 visible ASCII characters. Anything else is taken for absent.
func requestID(h http.Header, r *http.Request) string {
	id := first(h["X-Request-Id"])
	if id == "" {
		id = first(r.Header["X-Request-Id"])
	}
	if len(id) > 128 {
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
