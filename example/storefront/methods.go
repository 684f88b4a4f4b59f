package main

import (
	"net/http"
	"strings"
	"sync"

	"github.com/labstack/echo/v4"
)

// reading is what a route that only reads answers to. The server leaves out the body of an answer
// to HEAD.
var reading = []string{http.MethodGet, http.MethodHead}

// routeTest reports whether the request's path has a route for a method.
type routeTest func(r *http.Request, method string) bool

// routesOf returns a function that asks Echo's router. A path that only a catch-all fits has no
// route. The list of routes is read at the first question, when it is complete.
func routesOf(e *echo.Echo) routeTest {
	routes := sync.OnceValue(func() map[string]bool {
		list := map[string]bool{}
		for _, route := range e.Routes() {
			list[route.Method+" "+route.Path] = !strings.HasSuffix(route.Path, "*")
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

// otherMethods answers 405 where the path has a route for another method. Echo would, but in a
// group with middleware or a catch-all it finds those first. It stands behind the guard: strangers
// learn nothing of the routes.
func otherMethods(exists routeTest) echo.MiddlewareFunc {
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			if exists(c.Request(), c.Request().Method) {
				return next(c)
			}
			var allowed []string
			for _, method := range []string{http.MethodDelete, http.MethodGet, http.MethodHead, http.MethodPost} {
				if exists(c.Request(), method) {
					allowed = append(allowed, method)
				}
			}
			if len(allowed) == 0 {
				return next(c)
			}
			c.Response().Header().Set(echo.HeaderAllow, strings.Join(allowed, ", "))
			return echo.ErrMethodNotAllowed
		}
	}
}
