package keyauth_test

import (
	"net/http"
	"net/http/httptest"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/labstack/echo/v4"
	echo5 "github.com/labstack/echo/v5"

	echoauth "github.com/latchkey-go/latchkey/middleware/echov4"
	echoauth5 "github.com/latchkey-go/latchkey/middleware/echov5"
	"github.com/latchkey-go/latchkey/store"
)

// tracked is a context of Echo that tells when nobody holds it any more.
type tracked struct{ echo.Context }

// Echo uses its contexts again for other requests. Nothing here may hold one when the request is
// over: not the guard, and not what it leaves in the request, which handlers hand on to goroutines
// of their own.
func TestRequirement30NothingKeepsAnEchoContext(t *testing.T) {
	w := newWorld(t)
	config := w.config(store.Secret, store.Publishable)
	config.RefusalTime = -1
	config.MaxFailures = store.RateLimit{Requests: 1e6, Window: time.Minute}
	limited := w.create(t, store.NewKey{Type: store.Secret, RateLimit: store.RateLimit{Requests: 1e6, Window: time.Second}})

	var held []any // what a goroutine that outlives its request might hold
	var made, gone atomic.Int64
	end := func(struct{}) { gone.Add(1) }
	behind := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { held = append(held, r, r.Context()) })

	e := echo.New()
	e.IPExtractor = echo.ExtractIPDirect()
	guard, require := echoauth.Skip(func(echo.Context) bool { return false }, echoauth.WithConfig(config)), echoauth.Require("orders:read")
	var mounted echo.HandlerFunc
	e.OnAddRouteHandler = func(_ string, _ echo.Route, h echo.HandlerFunc, _ []echo.MiddlewareFunc) { mounted = h }
	echoauth.Mount(e.Group(""), behind)
	handle := guard(require(func(c echo.Context) error {
		held = append(held, c.Request().Context(), echoauth.Key(c))
		return mounted(c)
	}))
	serve4 := func(token string) error {
		c := &tracked{e.NewContext(request("X-Api-Key", token), httptest.NewRecorder())}
		made.Add(1)
		runtime.AddCleanup(c, end, struct{}{})
		return handle(c)
	}

	e5 := echo5.New()
	e5.IPExtractor = echo5.ExtractIPDirect()
	guard5, require5 := echoauth5.Skip(func(*echo5.Context) bool { return false }, echoauth5.WithConfig(config)), echoauth5.Require("orders:read")
	var mounted5 echo5.HandlerFunc
	e5.OnAddRoute = func(route echo5.Route) error { mounted5 = route.Handler; return nil }
	echoauth5.Mount(e5.Group(""), behind)
	handle5 := guard5(require5(func(c *echo5.Context) error {
		held = append(held, c.Request().Context(), echoauth5.Key(c))
		return mounted5(c)
	}))
	serve5 := func(token string) error {
		c := e5.NewContext(request("X-Api-Key", token), httptest.NewRecorder())
		made.Add(1)
		runtime.AddCleanup(c, end, struct{}{})
		return handle5(c)
	}

	for _, token := range []string{"", "sk_nonsense", w.secret, w.scoped, w.powerless, w.bound, w.revoked, w.expired, w.unknown, w.publishable, limited} {
		held = append(held, serve4(token), serve5(token))
	}
	for deadline := time.Now().Add(20 * time.Second); gone.Load() < made.Load(); time.Sleep(time.Millisecond) {
		runtime.GC()
		if time.Now().After(deadline) {
			t.Fatalf("%d of %d contexts are still held after their requests", made.Load()-gone.Load(), made.Load())
		}
	}
	runtime.KeepAlive(held)
	runtime.KeepAlive(handle)
	runtime.KeepAlive(handle5)
}
