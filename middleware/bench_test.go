package keyauth_test

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/labstack/echo/v4"
	echomiddleware "github.com/labstack/echo/v4/middleware"
	echo5 "github.com/labstack/echo/v5"
	"github.com/maypok86/otter/v2"

	"github.com/latchkey-go/latchkey/cache"
	keyauth "github.com/latchkey-go/latchkey/middleware"
	echoauth "github.com/latchkey-go/latchkey/middleware/echov4"
	echoauth5 "github.com/latchkey-go/latchkey/middleware/echov5"
	"github.com/latchkey-go/latchkey/store"
)

// BenchmarkWarm compares a route behind a guard, whose key is in the cache of the process, with the
// same route without one, behind Echo's own KeyAuth, whose validator compares with the only key
// there is, and behind a floor: what no guard over a cache can do without.
func BenchmarkWarm(b *testing.B) {
	keys := store.New(cache.New(store.NewMemory(), nil))
	closeAfter(b, keys)
	made, err := keys.Create(b.Context(), store.NewKey{Type: store.Secret})
	if err != nil {
		b.Fatal(err)
	}
	token := made.Token.Reveal()
	untracked, err := store.Options{FlushInterval: -1}.New(cache.New(store.NewMemory(), nil))
	if err != nil {
		b.Fatal(err)
	}
	closeAfter(b, untracked)
	if _, _, err := untracked.ImportToken(b.Context(), token, store.NewKey{}); err != nil {
		b.Fatal(err)
	}

	e := echo.New()
	h := func(c echo.Context) error { return c.NoContent(http.StatusNoContent) }
	e.GET("/bare", h)
	e.GET("/keyauth", h, keyAuth(token))
	e.GET("/secret", h, echoauth.Secret(keys))
	e.GET("/scoped", h, echoauth.Secret(keys), echoauth.Require("orders:write"))
	e5 := echo5.New()
	h5 := func(c *echo5.Context) error { return c.NoContent(http.StatusNoContent) }
	e5.GET("/bare", h5)
	e5.GET("/secret", h5, echoauth5.Secret(keys))
	e5.GET("/scoped", h5, echoauth5.Secret(keys), echoauth5.Require("orders:write"))
	floor := newFloor(token, made.Key)
	b.Cleanup(func() { floor.keys.StopAllGoroutines() })
	e.GET("/floor", h, floor.echo)
	plain := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })

	for _, bench := range []struct {
		name, path string
		handler    http.Handler
	}{
		{"Echo/bare", "/bare", e},
		{"Echo/KeyAuth", "/keyauth", e},
		{"Echo/floor", "/floor", e},
		{"Echo/Secret", "/secret", e},
		{"Echo/Secret and Require", "/scoped", e},
		{"Echo v5/bare", "/bare", e5},
		{"Echo v5/Secret", "/secret", e5},
		{"Echo v5/Secret and Require", "/scoped", e5},
		{"http/bare", "/", plain},
		{"http/floor", "/", floor.http(plain)},
		{"http/Secret", "/", keyauth.WithConfig(keyauth.Config{Keys: keys})(plain)},
		{"http/Secret, last use not tracked", "/", keyauth.WithConfig(keyauth.Config{Keys: untracked})(plain)},
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
				d.h["Vary"] = nil // all that a guard has set; the same for all, while to delete it would take longer where it is there
				bench.handler.ServeHTTP(d, r)
			}
		})
	}
}

// keyAuth is Echo's own, for a constant key.
func keyAuth(token string) echo.MiddlewareFunc {
	return echomiddleware.KeyAuth(func(key string, _ echo.Context) (bool, error) {
		return subtle.ConstantTimeCompare([]byte(key), []byte(token)) == 1, nil
	})
}

// floor is a guard written by hand that takes a well-formed bearer token, hashes it, looks it up in
// otter and puts the key into the context. It checks nothing: no checksum, no freshness, no
// revocation, no expiry, no type. Otter has a TTL, which a guard that never checks freshness cannot
// do without, and does its bookkeeping in line: done by another goroutine, on another core, it
// would take processor time that nobody counts here.
type floor struct {
	keys *otter.Cache[[32]byte, *store.Key]
}

func newFloor(token string, key *store.Key) floor {
	f := floor{keys: otter.Must(&otter.Options[[32]byte, *store.Key]{
		MaximumSize:      100_000,
		ExpiryCalculator: otter.ExpiryWriting[[32]byte, *store.Key](time.Minute),
		Executor:         func(task func()) { task() },
	})}
	f.keys.Set(f.digest(token), key)
	return f
}

func (floor) digest(token string) [32]byte {
	var buf [160]byte
	n := copy(buf[:], "latchkey/lookup/1\x00")
	n += copy(buf[n:], token)
	return sha256.Sum256(buf[:n])
}

func (f floor) let(r *http.Request) (*http.Request, bool) {
	token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !ok {
		return nil, false
	}
	key, ok := f.keys.GetIfPresent(f.digest(token))
	if !ok {
		return nil, false
	}
	return r.WithContext(store.NewContext(r.Context(), key)), true
}

func (f floor) echo(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		r, ok := f.let(c.Request())
		if !ok {
			return echo.ErrUnauthorized
		}
		c.SetRequest(r)
		return next(c)
	}
}

func (f floor) http(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r, ok := f.let(r)
		if !ok {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// BenchmarkRefused is what a flood of bad keys costs when it never gets to a lookup.
func BenchmarkRefused(b *testing.B) {
	keys := store.New(store.NewMemory())
	closeAfter(b, keys)
	config := keyauth.Config{Keys: keys, Logger: quiet()}
	h := keyauth.WithConfig(config)(http.NotFoundHandler())
	r := request("Authorization", "Bearer sk_nonsense")
	d := &discard{h: http.Header{}}
	b.ReportAllocs()
	for b.Loop() {
		clear(d.h)
		h.ServeHTTP(d, r)
	}
}

func closeAfter(b *testing.B, keys *store.Keys) {
	b.Helper()
	b.Cleanup(func() {
		if err := keys.Close(context.Background()); err != nil {
			b.Error(err)
		}
	})
}
