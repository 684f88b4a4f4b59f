package main

import (
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/latchkey-go/latchkey/admin"
)

// cors lets browser pages of the given origins use a group of routes, in the way that Medusa does:
// preflights are answered for every route that exists, without a key and with whatever headers were
// asked for, so that x-publishable-api-key is among them; other origins get the same answers
// without Access-Control-Allow-Origin, which makes the browser refuse them. It stands in front of
// the guard, so that pages can read refusals too.
//
// A preflight for a route that does not exist is left to the guard, which refuses it.
func cors(exists routeTest, origins []string) echo.MiddlewareFunc {
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			r, h := c.Request(), c.Response().Header()
			asked := r.Header.Get(echo.HeaderAccessControlRequestMethod)
			preflight := r.Method == http.MethodOptions && asked != ""
			method := r.Method
			if preflight {
				method = asked
			}
			if !exists(r, method) {
				return next(c)
			}
			h.Add(echo.HeaderVary, echo.HeaderOrigin)
			h.Set(echo.HeaderAccessControlAllowCredentials, "true")
			if origin := r.Header.Get(echo.HeaderOrigin); slices.Contains(origins, origin) {
				h.Set(echo.HeaderAccessControlAllowOrigin, origin)
			}
			if !preflight {
				return next(c)
			}
			h.Set(echo.HeaderVary, "Origin, Access-Control-Request-Headers")
			h.Set(echo.HeaderAccessControlAllowMethods, "GET,HEAD,PUT,PATCH,POST,DELETE")
			if headers := r.Header.Get(echo.HeaderAccessControlRequestHeaders); headers != "" {
				h.Set(echo.HeaderAccessControlAllowHeaders, headers)
			}
			return c.NoContent(http.StatusNoContent)
		}
	}
}

// bodyFirst stands behind the guard and refuses bodies that cannot be read, whatever the route, and
// without CORS headers: in Medusa bodies are parsed before everything else. (Before the guard we
// read nobody's.)
func bodyFirst(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		_, err := admin.ReadBody(c.Request()) // the route reads it again
		var unread unreadable
		if !errors.As(err, &unread) {
			return next(c)
		}
		h := c.Response().Header()
		for name := range h {
			if strings.HasPrefix(name, "Access-Control-") {
				h.Del(name)
			}
		}
		return err
	}
}
