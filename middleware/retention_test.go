package middleware_test

import (
	"net/http"
	"net/http/httptest"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/labstack/echo/v4"

	keyauth "github.com/latchkey-go/latchkey/middleware"
	"github.com/latchkey-go/latchkey/store"
)

// tracked is a context of Echo that tells when nobody holds it any more.
type tracked struct{ echo.Context }

// Echo uses its contexts again for other requests. Nothing here may hold one when the request is over: not the guard, and not what it
// leaves in the request, which handlers hand on to goroutines of their own.
func TestRequirement30NothingKeepsAnEchoContext(t *testing.T) {
	w := newWorld(t)
	config := w.config(store.Secret, store.Publishable)
	config.Skipper = func(echo.Context) bool { return false }
	config.RefusalTime = -1
	config.MaxFailures = store.RateLimit{Requests: 1e6, Window: time.Minute}
	guard, require := keyauth.WithConfig(config), keyauth.Require("orders:read")
	limited := w.create(t, store.NewKey{Type: store.Secret, RateLimit: store.RateLimit{Requests: 1e6, Window: time.Second}})

	e := echo.New()
	e.IPExtractor = echo.ExtractIPDirect()
	var held []any // what a goroutine that outlives its request might hold
	handle := guard(require(func(c echo.Context) error {
		held = append(held, c.Request().Context(), keyauth.Key(c))
		return c.NoContent(http.StatusNoContent)
	}))
	var made, gone atomic.Int64
	serve := func(token string) {
		c := &tracked{e.NewContext(request("X-Api-Key", token), httptest.NewRecorder())}
		made.Add(1)
		runtime.AddCleanup(c, func(struct{}) { gone.Add(1) }, struct{}{})
		if err := handle(c); err != nil {
			held = append(held, err)
		}
	}
	for _, token := range []string{"", "sk_nonsense", w.secret, w.scoped, w.powerless, w.bound, w.revoked, w.expired, w.unknown, w.publishable, limited} {
		serve(token)
	}
	for deadline := time.Now().Add(20 * time.Second); gone.Load() < made.Load(); time.Sleep(time.Millisecond) {
		runtime.GC()
		if time.Now().After(deadline) {
			t.Fatalf("%d of %d contexts are still held after their requests", made.Load()-gone.Load(), made.Load())
		}
	}
	runtime.KeepAlive(held)
	runtime.KeepAlive(handle)
}
