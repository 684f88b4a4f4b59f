package admin_test

import (
	"net/http/httptest"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/latchkey-go/latchkey/admin"
	echoauth "github.com/latchkey-go/latchkey/middleware/echov4"
)

// tracked is a context of Echo that tells when nobody holds it any more.
type tracked struct{ echo.Context }

// Echo uses its contexts again; no admin route may hold one when it has answered.
func TestRequirement30NoAdminRouteKeepsAnEchoContext(t *testing.T) {
	f := open(t, admin.Options{})
	e := echo.New()
	asking := f.secret("ERP")
	echoauth.Mount(e.Group("/admin"), admin.New(f.keys, admin.Options{Guard: secretOf(asking)}))
	var made, gone atomic.Int64
	everyRoute(t, func(t *testing.T, _, method, target, body string) {
		r := httptest.NewRequest(method, "/admin"+strings.Replace(target, "{id}", f.publishable("shop").ID, 1), strings.NewReader(body))
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Authorization", "please")
		c := e.NewContext(r, httptest.NewRecorder())
		e.Router().Find(method, r.URL.Path, c)
		held := &tracked{c}
		made.Add(1)
		runtime.AddCleanup(held, func(struct{}) { gone.Add(1) }, struct{}{})
		if err := c.Handler()(held); err != nil {
			t.Error(err)
		}
	})
	for deadline := time.Now().Add(20 * time.Second); gone.Load() < made.Load(); time.Sleep(time.Millisecond) {
		runtime.GC()
		if time.Now().After(deadline) {
			t.Fatalf("%d of %d contexts are still held after their requests", made.Load()-gone.Load(), made.Load())
		}
	}
	runtime.KeepAlive(e)
}
