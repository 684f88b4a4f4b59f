package keyauth

import (
	"context"
	"errors"
	"net/http"

	"github.com/latchkey-go/latchkey/internal/guard"
	"github.com/latchkey-go/latchkey/store"
)

// Publishable returns a guard that accepts publishable keys in x-publishable-api-key or x-api-key.
// It panics if keys is nil.
func Publishable(keys *store.Keys) func(next http.Handler) http.Handler {
	return WithConfig(Config{Keys: keys, Types: []store.Type{store.Publishable}})
}

// Secret returns a guard that accepts secret keys in Authorization (Bearer or Basic) or x-api-key.
// It panics if keys is nil.
func Secret(keys *store.Keys) func(next http.Handler) http.Handler {
	return WithConfig(Config{Keys: keys, Types: []store.Type{store.Secret}})
}

// Any returns a guard that accepts keys of both types, in any of the headers of [Secret] and
// [Publishable]. It panics if keys is nil.
func Any(keys *store.Keys) func(next http.Handler) http.Handler {
	return WithConfig(Config{Keys: keys, Types: []store.Type{store.Secret, store.Publishable}})
}

// WithConfig returns a guard with the given configuration, for net/http, chi and every router that
// accepts func(http.Handler) http.Handler. [KeyFrom] returns the key from the request's context.
// WithConfig panics if config is invalid, with an error that matches store.ErrInvalid.
func WithConfig(config Config) func(next http.Handler) http.Handler {
	g := guard.Must(guard.Config(config))
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			r, refused := g.Authenticate(w.Header(), r, nil)
			if refused != nil {
				refused.Write(w)
				return
			}
			next.ServeHTTP(w, r)
		})
	}
}

// Require returns a middleware to put behind a guard. It refuses keys that lack one of the scopes
// with 403. Keys without a scope list are unrestricted. A request without a key (no guard in front,
// or one with Optional) and every CORS preflight is refused with the 401 of a missing credential.
// Require panics if there is no scope, or one that is invalid by RFC 6749.
func Require(scopes ...string) func(next http.Handler) http.Handler {
	scopes = guard.Scopes(scopes)
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if refused := guard.Require(w.Header(), r, scopes); refused != nil {
				refused.Write(w)
				return
			}
			next.ServeHTTP(w, r)
		})
	}
}

// KeyFrom returns the key that authenticated the request of this context, and whether there is one.
// Behind a guard with Optional or PassPreflights there may be no key. The key is shared and must
// not be modified.
func KeyFrom(ctx context.Context) (*store.Key, bool) { return store.FromContext(ctx) }

// WriteError writes the refusal for err, in the ErrorStyle of the guard that accepted r. It is for
// handlers that detect an error later, for example from [store.Keys.Reauthenticate]. An err that
// the guard of an Echo door returned is written in that guard's style. Any error that does not come
// from this package or package store is 503, so write your own errors yourself.
func WriteError(w http.ResponseWriter, r *http.Request, err error) {
	var refused *guard.Refusal
	if !errors.As(err, &refused) {
		refused = guard.From(r.Context()).Refusal(w.Header(), r, err)
	}
	refused.Write(w)
}
