// Package echoauth is the door of package keyauth for Echo v5:
//
//	import echoauth "github.com/latchkey-go/latchkey/middleware/echov5" // or echov4
//
//	shop := e.Group("/store", echoauth.Publishable(keys))
//	shop.GET("/products", products) // echoauth.Key(c).SalesChannelIDs
//	api := e.Group("/api", echoauth.Secret(keys))
//	api.POST("/orders", orders, echoauth.Require("orders:write"))
//	echoauth.Mount(e.Group("/admin"), admin.New(keys, admin.Options{}))
//
// A refusal goes to the app's error handler as an error with a StatusCode, which is written as the
// JSON that its MarshalJSON returns, and in which errors.Is finds the cause. keyauth.WriteError
// writes it from your own handler. The headers are set already. A body that is exact to the byte
// (keyauth.MedusaErrors) has been written when the error is returned; Echo's own handler leaves a
// committed response alone, and so must others.
package echoauth

import (
	"net/http"
	"strings"

	"github.com/labstack/echo/v5"

	"github.com/latchkey-go/latchkey/internal/guard"
	keyauth "github.com/latchkey-go/latchkey/middleware"
	"github.com/latchkey-go/latchkey/store"
)

// Publishable is keyauth.Publishable for Echo. It panics when keys is nil.
func Publishable(keys *store.Keys) echo.MiddlewareFunc {
	return WithConfig(keyauth.Config{Keys: keys, Types: []store.Type{store.Publishable}})
}

// Secret is keyauth.Secret for Echo. It panics when keys is nil.
func Secret(keys *store.Keys) echo.MiddlewareFunc {
	return WithConfig(keyauth.Config{Keys: keys, Types: []store.Type{store.Secret}})
}

// Any is keyauth.Any for Echo. It panics when keys is nil.
func Any(keys *store.Keys) echo.MiddlewareFunc {
	return WithConfig(keyauth.Config{Keys: keys, Types: []store.Type{store.Secret, store.Publishable}})
}

// WithConfig returns the guard that config describes. The client's address is what config.ClientIP
// returns, else what the app's IPExtractor does. It panics on a bad config, with an error that
// matches store.ErrInvalid.
func WithConfig(config keyauth.Config) echo.MiddlewareFunc {
	g := guard.Must(guard.Config(config))
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c *echo.Context) error {
			r, refused := g.Authenticate(c.Response().Header(), c.Request(), c.Echo().IPExtractor)
			if refused != nil {
				return refuse(c, refused)
			}
			c.SetRequest(r)
			return next(c)
		}
	}
}

// Skip returns a guard that lets the requests for which skipper returns true pass without looking
// at them.
func Skip(skipper func(c *echo.Context) bool, guard echo.MiddlewareFunc) echo.MiddlewareFunc {
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		guarded := guard(next)
		return func(c *echo.Context) error {
			if skipper(c) {
				return next(c)
			}
			return guarded(c)
		}
	}
}

// Require is keyauth.Require for Echo: it stands behind a guard, and refuses keys that lack one of
// the scopes. Where there is no key, it refuses too. It panics when no scope is given, or one that
// RFC 6749 would not call a scope.
func Require(scopes ...string) echo.MiddlewareFunc {
	scopes = guard.Scopes(scopes)
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c *echo.Context) error {
			if refused := guard.Require(c.Response().Header(), c.Request(), scopes); refused != nil {
				return refuse(c, refused)
			}
			return next(c)
		}
	}
}

// Key returns the key that authenticated the request. It panics where there is none: on a route
// without guard, or behind one with Optional or PassPreflights (use keyauth.KeyFrom there). The key
// is shared and must not be modified.
func Key(c *echo.Context) *store.Key {
	key, ok := keyauth.KeyFrom(c.Request().Context())
	if !ok {
		panic("echoauth: Key was called where no guard has let a key in; guard the route, or use keyauth.KeyFrom")
	}
	return key
}

// Mount serves h below group, as if the group's prefix were not there: admin.New(keys,
// admin.Options{}), for example. Guards of h know the client's address from the app's IPExtractor.
// Routes that h lists are in Echo's list. It panics when group or h is nil.
func Mount(group *echo.Group, h http.Handler) {
	if group == nil || h == nil {
		panic(store.Errorf(store.ErrInvalid, "echoauth: Mount needs a group and a handler"))
	}
	var prefix string
	serve := func(c *echo.Context) error {
		m := guard.Mounted{Prefix: prefix, Pattern: c.Path(), ClientIP: c.Echo().IPExtractor}
		m.Serve(c.Response(), c.Request(), h, c)
		return nil
	}
	for _, route := range guard.Routes(h) {
		group.Add(route.Method, route.Path, serve)
	}
	prefix = strings.TrimSuffix(group.Any("/*", serve).Path, "/*")
	group.RouteNotFound("", serve)
}

// Context returns the Echo context of a request that has come through [Mount], for functions that
// are given the request alone. There is none when the request is over: Echo uses it for others.
func Context(r *http.Request) (*echo.Context, bool) {
	c, ok := guard.Door(r).(*echo.Context)
	return c, ok
}

// refuse hands a refusal to Echo, and writes it before that where its body is exact.
func refuse(c *echo.Context, refused *guard.Refusal) error {
	if text, exact := refused.Exact(); exact {
		refused.Sent = true
		if err := c.Blob(refused.Status, c.Response().Header().Get(echo.HeaderContentType), text); err != nil {
			return err
		}
	}
	return refused
}
