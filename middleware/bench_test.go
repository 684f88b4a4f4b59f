package middleware_test

import (
	"context"
	"crypto/subtle"
	"net/http"
	"testing"

	"github.com/labstack/echo/v4"
	echomiddleware "github.com/labstack/echo/v4/middleware"

	"github.com/latchkey-go/latchkey/cache"
	keyauth "github.com/latchkey-go/latchkey/middleware"
	"github.com/latchkey-go/latchkey/store"
)

// BenchmarkWarm compares a route behind a guard, whose key is in the cache of the process, with the same route without one and behind
// Echo's own KeyAuth, whose validator compares with the only key there is.
func BenchmarkWarm(b *testing.B) {
	keys := store.New(cache.New(store.NewMemory(), nil))
	b.Cleanup(func() {
		if err := keys.Close(context.Background()); err != nil {
			b.Error(err)
		}
	})
	made, err := keys.Create(b.Context(), store.NewKey{Type: store.Secret})
	if err != nil {
		b.Fatal(err)
	}
	token := made.Token.Reveal()

	e := echo.New()
	h := func(c echo.Context) error { return c.NoContent(http.StatusNoContent) }
	e.GET("/bare", h)
	e.GET("/keyauth", h, echomiddleware.KeyAuth(func(key string, _ echo.Context) (bool, error) {
		return subtle.ConstantTimeCompare([]byte(key), []byte(token)) == 1, nil
	}))
	e.GET("/secret", h, keyauth.Secret(keys))
	e.GET("/scoped", h, keyauth.Secret(keys), keyauth.Require("orders:write"))
	plain := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })

	for _, bench := range []struct {
		name, path string
		handler    http.Handler
	}{
		{"Echo/bare", "/bare", e},
		{"Echo/KeyAuth", "/keyauth", e},
		{"Echo/Secret", "/secret", e},
		{"Echo/Secret and Require", "/scoped", e},
		{"http/bare", "/", plain},
		{"http/Secret", "/", keyauth.Config{Keys: keys}.Handler(plain)},
	} {
		b.Run(bench.name, func(b *testing.B) {
			r := request("Authorization", "Bearer "+token)
			r.URL.Path = bench.path
			if got := serve(bench.handler, r); got.Code != http.StatusNoContent {
				b.Fatalf("%d %s", got.Code, got.Body)
			}
			d := &discard{h: http.Header{}}
			b.ReportAllocs()
			for b.Loop() {
				clear(d.h)
				bench.handler.ServeHTTP(d, r)
			}
		})
	}
}

// BenchmarkRefused is what a flood of bad keys costs when it never gets to a lookup.
func BenchmarkRefused(b *testing.B) {
	keys := store.New(store.NewMemory())
	b.Cleanup(func() {
		if err := keys.Close(context.Background()); err != nil {
			b.Error(err)
		}
	})
	config := keyauth.Config{Keys: keys, Logger: quiet()}
	h := config.Handler(http.NotFoundHandler())
	r := request("Authorization", "Bearer sk_nonsense")
	d := &discard{h: http.Header{}}
	b.ReportAllocs()
	for b.Loop() {
		clear(d.h)
		h.ServeHTTP(d, r)
	}
}
