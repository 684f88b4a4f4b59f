package main

import (
	"net/http"
	"slices"
	"sync"

	"github.com/labstack/echo/v4"
)

// cors lets browser pages of the given origins use a group of routes, in the way that Medusa does: preflights are answered for
// every route that exists, without a key and with whatever headers were asked for, so that x-publishable-api-key is among them; other
// origins get the same answers without Access-Control-Allow-Origin, which makes the browser refuse them. It stands in front of
// the guard, so that pages can read refusals too.
//
// A preflight for a route that does not exist is made an ordinary request, which the guard then refuses.
func cors(e *echo.Echo, origins []string) echo.MiddlewareFunc {
	exists := routesOf(e)
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			r, h := c.Request(), c.Response().Header()
			asked := r.Header.Get(echo.HeaderAccessControlRequestMethod)
			preflight := r.Method == http.MethodOptions && asked != ""
			method := r.Method
			if preflight {
				method = asked
			}
			if !exists(c.Request(), method) {
				if preflight {
					r.Header.Del(echo.HeaderAccessControlRequestMethod)
				}
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

// routesOf returns a function that asks Echo's router whether a path has a route for a method. A path that only a group's
// catch-all fits has none. The list of routes is read at the first question, when it is complete.
func routesOf(e *echo.Echo) func(r *http.Request, method string) bool {
	routes := sync.OnceValue(func() map[string]bool {
		list := map[string]bool{}
		for _, route := range e.Routes() {
			list[route.Method+" "+route.Path] = true
		}
		return list
	})
	return func(r *http.Request, method string) bool {
		probe := e.AcquireContext()
		defer e.ReleaseContext(probe)
		probe.Reset(r, nil)
		e.Router().Find(method, echo.GetPath(r), probe)
		return routes()[method+" "+probe.Path()]
	}
}
