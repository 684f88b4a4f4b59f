package admin

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/latchkey-go/latchkey/store"
)

// Mount serves the API under an Echo group, every request behind guard as with [Handler]: admin.Mount(e.Group("/admin"), keys,
// keyauth.Secret(keys)) answers to /admin/api-keys. It panics when group, keys or guard is nil.
func Mount(group *echo.Group, keys *store.Keys, guard echo.MiddlewareFunc) {
	if err := (Config{}).Mount(group, keys, guard); err != nil {
		panic(err)
	}
}

// Mount is the full form of the function of that name. It returns an error that matches store.ErrInvalid where that panics.
func (c Config) Mount(group *echo.Group, keys *store.Keys, guard echo.MiddlewareFunc) error {
	if group == nil {
		return store.Errorf(store.ErrInvalid, "admin: Mount needs a group")
	}
	if guard == nil {
		return store.Errorf(store.ErrInvalid, "admin: Mount needs a guard: without one anybody could make keys")
	}
	a, err := c.newAPI(keys)
	if err != nil {
		return err
	}
	stripped := func(ctx echo.Context, path string) *http.Request {
		return below(ctx.Request(), filled(path, ctx.ParamValues()))
	}
	serve := func(path string) echo.HandlerFunc {
		return func(ctx echo.Context) error {
			a.ServeHTTP(ctx.Response(), stripped(ctx, path))
			return nil
		}
	}
	outside := func(path string) echo.MiddlewareFunc {
		return func(next echo.HandlerFunc) echo.HandlerFunc {
			return func(ctx echo.Context) error {
				r := stripped(ctx, path)
				if answer := a.outside(r); answer != nil {
					answer(ctx.Response(), r)
					return nil
				}
				return next(ctx)
			}
		}
	}
	// All routes would be found behind /* too; by their own paths they are in Echo's list, and what asks that (metrics, CORS) knows them.
	for _, rt := range a.routes() {
		method, path, _ := strings.Cut(rt.pattern, " ")
		path = strings.Replace(path, "{id}", ":id", 1)
		group.Add(method, path, serve(path), guard)
		if method == http.MethodGet {
			group.Add(http.MethodHead, path, serve(path), guard)
		}
	}
	for _, d := range a.documents {
		if d.part {
			continue
		}
		group.Match([]string{http.MethodGet, http.MethodHead}, d.path, serve(d.path), outside(d.path), guard)
	}
	group.Any("/*", serve("/*"), outside("/*"), guard)
	group.RouteNotFound("", serve("/"), guard)
	return nil
}

// filled returns the path with the last of the values in its parameter's place, if it has one: those before are of the group's prefix.
func filled(path string, values []string) string {
	for _, parameter := range []string{":id", "*"} {
		if strings.Contains(path, parameter) {
			return strings.Replace(path, parameter, values[len(values)-1], 1)
		}
	}
	return path
}

// below returns the request as if the group's prefix were not there. Echo matches the escaped path where there is one, so that rest is
// escaped too, and an encoded slash in an id stays one.
func below(r *http.Request, rest string) *http.Request {
	u := *r.URL
	u.Path, u.RawPath = rest, ""
	if r.URL.RawPath != "" {
		if decoded, err := url.PathUnescape(rest); err == nil {
			u.Path, u.RawPath = decoded, rest
		}
	}
	r = r.WithContext(r.Context())
	r.URL = &u
	return r
}
