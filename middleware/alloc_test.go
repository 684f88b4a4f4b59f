package keyauth_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/labstack/echo/v4"
	echo5 "github.com/labstack/echo/v5"

	keyauth "github.com/latchkey-go/latchkey/middleware"
	echoauth "github.com/latchkey-go/latchkey/middleware/echov4"
	echoauth5 "github.com/latchkey-go/latchkey/middleware/echov5"
	"github.com/latchkey-go/latchkey/store"
)

// discard is a ResponseWriter that is used again and again.
type discard struct{ h http.Header }

func (d *discard) Header() http.Header         { return d.h }
func (d *discard) Write(p []byte) (int, error) { return len(p), nil }
func (d *discard) WriteHeader(int)             {}

// TestAWarmRequestAllocatesLittle bounds what the guard adds to a route: a copy of the request with
// the context that has the key. Keys without a limit pay nothing for those that have one, who pay
// for the fields that tell it; limited failures cost every request the text of its address. A
// middleware of an Echo route costs one more, because Echo puts its chain together for every
// request.
func TestAWarmRequestAllocatesLittle(t *testing.T) {
	if underRace {
		t.Skip("the race detector makes pools forget: allocations cannot be counted")
	}
	w := newWorld(t)
	e := echo.New()
	h := func(c echo.Context) error { return c.NoContent(http.StatusNoContent) }
	e.GET("/bare", h)
	e.GET("/keyauth", h, keyAuth(w.secret))
	e.GET("/secret", h, echoauth.Secret(w.keys))
	e.GET("/shop", h, echoauth.Publishable(w.keys))
	e5 := echo5.New()
	h5 := func(c *echo5.Context) error { return c.NoContent(http.StatusNoContent) }
	e5.GET("/bare", h5)
	e5.GET("/secret", h5, echoauth5.Secret(w.keys))
	e5.GET("/scoped", h5, echoauth5.Secret(w.keys), echoauth5.Require("orders:read"))
	next := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
	plain := keyauth.WithConfig(keyauth.Config{Keys: w.keys, Types: []store.Type{store.Secret}})(next)
	wary := keyauth.WithConfig(keyauth.Config{Keys: w.keys, MaxFailures: store.RateLimit{Requests: 20, Window: time.Minute}})(next)
	limited := w.create(t, store.NewKey{Type: store.Secret, RateLimit: store.RateLimit{Requests: 1e6, Window: time.Second}})

	count := func(h http.Handler, path string, lines ...string) float64 {
		t.Helper()
		r := request(lines...)
		r.URL.Path = path
		d := &discard{h: http.Header{}}
		if got := serve(h, r); got.Code != http.StatusNoContent {
			t.Fatalf("%s: %d %s", path, got.Code, got.Body)
		}
		return testing.AllocsPerRun(200, func() {
			clear(d.h)
			h.ServeHTTP(d, r)
		})
	}
	bareEcho, bareEcho5, bare := count(e, "/bare"), count(e5, "/bare"), count(next, "/")
	theirs := count(e, "/keyauth", "Authorization", "Bearer "+w.secret)
	for _, row := range []struct {
		name      string
		got, most float64
	}{
		{"Bearer", count(e, "/secret", "Authorization", "Bearer "+w.secret) - bareEcho, 2},
		{"Basic", count(e, "/secret", "Authorization", "Basic "+w.secret) - bareEcho, 2},
		{"Basic in base64", count(e, "/secret", "Authorization", "Basic "+b64(w.secret+":")) - bareEcho, 3},
		{"x-api-key", count(e, "/secret", "X-Api-Key", w.secret) - bareEcho, 2},
		{"x-publishable-api-key", count(e, "/shop", "X-Publishable-Api-Key", w.publishable) - bareEcho, 2},
		{"Echo v5", count(e5, "/secret", "Authorization", "Bearer "+w.secret) - bareEcho5, 2},
		{"Echo v5, with Require", count(e5, "/scoped", "Authorization", "Bearer "+w.secret) - bareEcho5, 2},
		{"net/http", count(plain, "/", "Authorization", "Bearer "+w.secret) - bare, 1},
		{"net/http, failures limited", count(wary, "/", "Authorization", "Bearer "+w.secret) - bare, 2},
		{"net/http, a limited key", count(plain, "/", "Authorization", "Bearer "+limited) - bare, 7},
	} {
		if row.got > row.most {
			t.Errorf("%s: %v allocations beyond the bare route, at most %v", row.name, row.got, row.most)
		}
	}
	if ours := count(e, "/secret", "Authorization", "Bearer "+w.secret); ours > theirs {
		t.Errorf("%v allocations, where Echo's KeyAuth has %v", ours, theirs)
	}
}
