package middleware

import (
	"github.com/labstack/echo/v4"

	"github.com/latchkey-go/latchkey/store"
)

// Publishable returns a guard that lets publishable keys in: x-publishable-api-key or x-api-key. It panics when keys is nil.
func Publishable(keys *store.Keys) echo.MiddlewareFunc {
	return WithConfig(Config{Keys: keys, Types: []store.Type{store.Publishable}})
}

// Secret returns a guard that lets secret keys in: Authorization (Bearer or Basic) or x-api-key. It panics when keys is nil.
func Secret(keys *store.Keys) echo.MiddlewareFunc {
	return WithConfig(Config{Keys: keys, Types: []store.Type{store.Secret}})
}

// Any returns a guard that lets keys of both types in, from any of the headers of [Secret] and [Publishable]. It panics when keys is nil.
func Any(keys *store.Keys) echo.MiddlewareFunc {
	return WithConfig(Config{Keys: keys, Types: []store.Type{store.Secret, store.Publishable}})
}

// WithConfig returns the guard that config describes. It panics on a bad one; [Config.ToMiddleware] returns the error.
func WithConfig(config Config) echo.MiddlewareFunc {
	guard, err := config.ToMiddleware()
	if err != nil {
		panic(err)
	}
	return guard
}

// ToMiddleware returns the guard that c describes, or an error that matches store.ErrInvalid.
//
// A refusal is an *echo.HTTPError whose Message is a [Body] and whose Internal is the cause. Its headers are set already; writing it
// is left to the app's error handler. With MedusaErrors, whose bodies are exact to the byte, the answer has been written
// when the error is returned (Echo's own handler leaves a committed response alone, and so should others).
func (c Config) ToMiddleware() (echo.MiddlewareFunc, error) {
	g, err := c.guard()
	if err != nil {
		return nil, err
	}
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			if g.Skipper != nil && g.Skipper(c) {
				return next(c)
			}
			r, refused := g.authenticate(c.Response().Header(), c.Request(), c.Echo().IPExtractor)
			if refused != nil {
				return refused.echo(c)
			}
			c.SetRequest(r)
			return next(c)
		}
	}, nil
}

// Require returns a middleware that stands behind a guard and refuses keys that lack one of the
// scopes with 403. Keys without a scope list are unrestricted. Where there is no key at all (no
// guard in front, an Optional one, a skipped request), and on every CORS preflight, it refuses with
// the 401 of a request without credential. It panics when no scope is given, or one that RFC 6749
// would not call a scope.
func Require(scopes ...string) echo.MiddlewareFunc {
	scopes = checkRequired(scopes)
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			if refused := requireKey(c.Response().Header(), c.Request(), scopes); refused != nil {
				return refused.echo(c)
			}
			return next(c)
		}
	}
}

// Key returns the key that authenticated the request. It panics where there is none: on a route
// without guard, or behind one with Optional or PassPreflights (use [KeyFrom] there). The key is
// shared and must not be modified.
func Key(c echo.Context) *store.Key {
	key, ok := KeyFrom(c.Request().Context())
	if !ok {
		panic("keyauth: Key was called where no guard has let a key in; guard the route, or ask KeyFrom")
	}
	return key
}

// echo hands the refusal to Echo.
func (f *refusal) echo(c echo.Context) error {
	told := &echo.HTTPError{Code: f.status, Message: f.body, Internal: f.cause}
	if f.exact {
		if err := c.Blob(f.status, c.Response().Header().Get(echo.HeaderContentType), f.body.json()); err != nil {
			return err
		}
	}
	return told
}
