package admin

import (
	"net/http"
	"net/url"

	"github.com/labstack/echo/v4"

	"github.com/latchkey-go/latchkey/store"
)

// Mount serves the API under an Echo group, every request of it behind guard: admin.Mount(e.Group("/admin"), keys,
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
	handler := func(ctx echo.Context) error {
		a.ServeHTTP(ctx.Response(), below(ctx.Request(), ctx.Param("*")))
		return nil
	}
	group.Any("", handler, guard)
	group.Any("/*", handler, guard)
	return nil
}

// below returns the request as if the group's prefix were not there. Echo matches the escaped path where there is one, so that rest is
// escaped too, and an encoded slash in an id stays one.
func below(r *http.Request, rest string) *http.Request {
	u := *r.URL
	u.Path, u.RawPath = "/"+rest, ""
	if r.URL.RawPath != "" {
		if decoded, err := url.PathUnescape(rest); err == nil {
			u.Path, u.RawPath = "/"+decoded, "/"+rest
		}
	}
	r = r.WithContext(r.Context())
	r.URL = &u
	return r
}
