package keyauth

import (
	"context"
	"errors"
	"net/http"

	"github.com/latchkey-go/latchkey/internal/guard"
	"github.com/latchkey-go/latchkey/store"
)

// Publishable returns a guard that lets publishable keys in: x-publishable-api-key or x-api-key. It
// panics when keys is nil.
func Publishable(keys *store.Keys) func(next http.Handler) http.Handler {
	return WithConfig(Config{Keys: keys, Types: []store.Type{store.Publishable}})
}

// Secret returns a guard that lets secret keys in: Authorization (Bearer or Basic) or x-api-key. It
// panics when keys is nil.
func Secret(keys *store.Keys) func(next http.Handler) http.Handler {
	return WithConfig(Config{Keys: keys, Types: []store.Type{store.Secret}})
}

// Any returns a guard that lets keys of both types in, from any of the headers of [Secret] and
// [Publishable]. It panics when keys is nil.
func Any(keys *store.Keys) func(next http.Handler) http.Handler {
	return WithConfig(Config{Keys: keys, Types: []store.Type{store.Secret, store.Publishable}})
}

// WithConfig returns the guard that config describes, for net/http, chi and every router that takes
// func(http.Handler) http.Handler. The key is in the request's context ([KeyFrom]). It panics on a
// bad config, with an error that matches store.ErrInvalid.
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

// Require returns a middleware that stands behind a guard and refuses keys that lack one of the
// scopes with 403. Keys without a scope list are unrestricted. Where there is no key at all (no
// guard in front, an Optional one), and on every CORS preflight, it refuses with the 401 of a
// request without credential. It panics when no scope is given, or one that RFC 6749 would not call
// a scope.
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

// KeyFrom returns the key that authenticated the request of this context, and whether there is one:
// behind a guard with Optional or PassPreflights there may be none. The key is shared and must not
// be modified.
func KeyFrom(ctx context.Context) (*store.Key, bool) { return store.FromContext(ctx) }

// WriteError answers r as a guard does that refuses it because of err, in the words of the guard
// that has let r in, for handlers that find out later: by [store.Keys.Reauthenticate], for example.
// An err that a guard of an Echo door has returned, is answered in that guard's words. What is
// neither of this package nor of package store, is 503: write your own errors yourself.
func WriteError(w http.ResponseWriter, r *http.Request, err error) {
	var refused *guard.Refusal
	if !errors.As(err, &refused) {
		refused = guard.From(r.Context()).Refusal(w.Header(), r, err)
	}
	refused.Write(w)
}
