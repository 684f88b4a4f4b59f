package keyauth_test

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/labstack/echo/v4"
	echo5 "github.com/labstack/echo/v5"
	"go.uber.org/goleak"

	"github.com/latchkey-go/latchkey/internal/guard"
	keyauth "github.com/latchkey-go/latchkey/middleware"
	echoauth "github.com/latchkey-go/latchkey/middleware/echov4"
	echoauth5 "github.com/latchkey-go/latchkey/middleware/echov5"
	"github.com/latchkey-go/latchkey/store"
)

func TestMain(m *testing.M) {
	guard.Pause = time.Sleep // the time of a synctest bubble is not the system's
	goleak.VerifyTestMain(m)
}

const pepper = "0123456789abcdefghijklmnopqrstuvwxyzABCDEF"

// spy counts the lookups that reach the store, and can make them fail or lie.
type spy struct {
	store.Store
	calls atomic.Int64
	fail  atomic.Pointer[error]
	forge atomic.Bool
}

func (s *spy) Lookup(ctx context.Context, id store.LookupID, redacted string) (store.Found, error) {
	s.calls.Add(1)
	if err := s.fail.Load(); err != nil {
		return store.Found{}, *err
	}
	found, err := s.Store.Lookup(ctx, id, redacted)
	if s.forge.Load() && found.Record != nil {
		found.Record = found.Record.Clone()
		found.Record.Key.Scopes = nil // somebody made the key unrestricted, straight in the database
	}
	return found, err
}

func (s *spy) failWith(err error) { s.fail.Store(&err) }

// world is a store with one key of every sort, by the names of the fields.
type world struct {
	keys   *store.Keys
	spy    *spy
	sealer *store.Sealer
	now    func() time.Time

	secret, other, medusa, publishable, publishable2, scoped, powerless, bound, revoked, expired, unknown string

	ids map[string]string // token to key id
}

func newWorld(t testing.TB) *world {
	t.Helper()
	ctx := t.Context()
	var clock atomic.Int64
	clock.Store(time.Now().UnixMilli())
	sealer, err := store.NewSealer([]string{pepper})
	if err != nil {
		t.Fatal(err)
	}
	options := store.Options{Sealer: sealer, Now: func() time.Time { return time.UnixMilli(clock.Load()) }, Logger: quiet(), FlushInterval: -1}
	w := &world{spy: &spy{Store: store.NewMemory()}, sealer: sealer, now: options.Now, ids: map[string]string{}}
	w.keys, err = options.New(w.spy)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.keys.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	create := func(in store.NewKey) string {
		t.Helper()
		made, err := w.keys.Create(ctx, in)
		if err != nil {
			t.Fatal(err)
		}
		w.ids[made.Token.Reveal()] = made.Key.ID
		return made.Token.Reveal()
	}
	w.secret = create(store.NewKey{Type: store.Secret, Title: "ERP"})
	w.other = create(store.NewKey{Type: store.Secret})
	w.publishable = create(store.NewKey{Type: store.Publishable, SalesChannelIDs: []string{"sc_web"}})
	w.publishable2 = create(store.NewKey{Type: store.Publishable})
	w.scoped = create(store.NewKey{Type: store.Secret, Scopes: []string{"orders:read"}})
	w.powerless = create(store.NewKey{Type: store.Secret, Scopes: []string{}})
	w.bound = create(store.NewKey{Type: store.Secret, AllowedCIDRs: []netip.Prefix{netip.MustParsePrefix("10.1.0.0/16"), netip.MustParsePrefix("2001:db8::/32")}})
	w.expired = create(store.NewKey{Type: store.Secret, ExpiresAt: time.UnixMilli(clock.Load()).Add(time.Minute)})
	w.revoked = create(store.NewKey{Type: store.Secret})
	if _, err := w.keys.Revoke(ctx, w.ids[w.revoked]); err != nil {
		t.Fatal(err)
	}
	clock.Add(time.Hour.Milliseconds())
	w.medusa = "sk_" + "8d1f6b0e37c94a52d8e1f05b6c3a9724f1e7d05a8b42c6930d7e1b5f4a86c2e9"
	imported, _, err := w.keys.ImportToken(ctx, w.medusa, store.NewKey{})
	if err != nil {
		t.Fatal(err)
	}
	w.ids[w.medusa] = imported.ID

	elsewhere, err := store.New(store.NewMemory()).Create(ctx, store.NewKey{Type: store.Secret})
	if err != nil {
		t.Fatal(err)
	}
	w.unknown = elsewhere.Token.Reveal()
	w.spy.calls.Store(0) // what making the world took does not count
	return w
}

func quiet() *slog.Logger { return slog.New(slog.NewTextHandler(io.Discard, nil)) }

// config is a quiet Config for this world's keys.
func (w *world) config(types ...store.Type) keyauth.Config {
	return keyauth.Config{Keys: w.keys, Types: types, Logger: quiet()}
}

// door is one of the ways to put a guard in front of a handler.
type door struct {
	name string
	app  func() *app
}

// app is a router of a door's kind, with what tests do to it. Middlewares are of the door's own
// type.
type app struct {
	http.Handler
	guard   func(keyauth.Config) any
	require func(scopes ...string) any
	skip    func(skipper func(r *http.Request, pattern string) bool, guard any) any // nil: there is none
	any     func(prefix, path string, h http.HandlerFunc, chain ...any)             // for every method, in a group
	keyed   func(path string, chain ...any)                                         // answers with the id of Key(c)
	mount   func(prefix string, h http.Handler, chain ...any)                       // chain is the group's
	extract func(ip func(r *http.Request) string)                                   // nil: there is no IPExtractor
	onError func(f func(w http.ResponseWriter, r *http.Request, err error))         // nil: there is no error handler
}

func doors() []door {
	return []door{{"Echo v4", newEcho4}, {"Echo v5", newEcho5}, {"net/http", newHTTP}}
}

func newEcho4() *app {
	e := echo.New()
	list := func(chain []any) (all []echo.MiddlewareFunc) {
		for _, m := range chain {
			all = append(all, m.(echo.MiddlewareFunc))
		}
		return all
	}
	return &app{
		Handler: e,
		guard:   func(c keyauth.Config) any { return echoauth.WithConfig(c) },
		require: func(scopes ...string) any { return echoauth.Require(scopes...) },
		skip: func(skipper func(*http.Request, string) bool, guard any) any {
			return echoauth.Skip(func(c echo.Context) bool { return skipper(c.Request(), c.Path()) }, guard.(echo.MiddlewareFunc))
		},
		any: func(prefix, path string, h http.HandlerFunc, chain ...any) {
			e.Group(prefix).Any(path, echo.WrapHandler(h), list(chain)...)
		},
		keyed: func(path string, chain ...any) {
			e.GET(path, func(c echo.Context) error { return c.String(http.StatusOK, echoauth.Key(c).ID) }, list(chain)...)
		},
		mount:   func(prefix string, h http.Handler, chain ...any) { echoauth.Mount(e.Group(prefix, list(chain)...), h) },
		extract: func(ip func(*http.Request) string) { e.IPExtractor = ip },
		onError: func(f func(http.ResponseWriter, *http.Request, error)) {
			e.HTTPErrorHandler = func(err error, c echo.Context) {
				if !c.Response().Committed {
					f(c.Response(), c.Request(), err)
				}
			}
		},
	}
}

func newEcho5() *app {
	e := echo5.New()
	list := func(chain []any) (all []echo5.MiddlewareFunc) {
		for _, m := range chain {
			all = append(all, m.(echo5.MiddlewareFunc))
		}
		return all
	}
	return &app{
		Handler: e,
		guard:   func(c keyauth.Config) any { return echoauth5.WithConfig(c) },
		require: func(scopes ...string) any { return echoauth5.Require(scopes...) },
		skip: func(skipper func(*http.Request, string) bool, guard any) any {
			return echoauth5.Skip(func(c *echo5.Context) bool { return skipper(c.Request(), c.Path()) }, guard.(echo5.MiddlewareFunc))
		},
		any: func(prefix, path string, h http.HandlerFunc, chain ...any) {
			e.Group(prefix).Any(path, echo5.WrapHandler(h), list(chain)...)
		},
		keyed: func(path string, chain ...any) {
			e.GET(path, func(c *echo5.Context) error { return c.String(http.StatusOK, echoauth5.Key(c).ID) }, list(chain)...)
		},
		mount:   func(prefix string, h http.Handler, chain ...any) { echoauth5.Mount(e.Group(prefix, list(chain)...), h) },
		extract: func(ip func(*http.Request) string) { e.IPExtractor = ip },
		onError: func(f func(http.ResponseWriter, *http.Request, error)) {
			e.HTTPErrorHandler = func(c *echo5.Context, err error) {
				if response, _ := echo5.UnwrapResponse(c.Response()); response != nil && !response.Committed {
					f(c.Response(), c.Request(), err)
				}
			}
		},
	}
}

func newHTTP() *app {
	mux := http.NewServeMux()
	wrap := func(h http.Handler, chain []any) http.Handler {
		for i := len(chain) - 1; i >= 0; i-- {
			h = chain[i].(func(http.Handler) http.Handler)(h)
		}
		return h
	}
	return &app{
		Handler: mux,
		guard:   func(c keyauth.Config) any { return keyauth.WithConfig(c) },
		require: func(scopes ...string) any { return keyauth.Require(scopes...) },
		any: func(prefix, path string, h http.HandlerFunc, chain ...any) {
			mux.Handle(strings.TrimSuffix(prefix+path, "*"), wrap(h, chain))
		},
		keyed: func(path string, chain ...any) {
			mux.Handle(path, wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, whoIs(r)) }), chain))
		},
		mount: func(prefix string, h http.Handler, chain ...any) {
			mux.Handle(prefix+"/", wrap(http.StripPrefix(prefix, h), chain))
		},
	}
}

// open returns a guard in front of a handler that answers 200 and the id of the key in the context.
func (d door) open(_ testing.TB, config keyauth.Config, scopes ...string) http.Handler {
	a := d.app()
	chain := []any{a.guard(config)}
	if len(scopes) > 0 {
		chain = append(chain, a.require(scopes...))
	}
	a.any("", "/*", func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, whoIs(r)) }, chain...)
	return a
}

func whoIs(r *http.Request) string {
	if key, ok := keyauth.KeyFrom(r.Context()); ok {
		return key.ID
	}
	return "nobody"
}

// request is a GET with the given header lines, name and value in turn.
func request(lines ...string) *http.Request {
	r := httptest.NewRequest(http.MethodGet, "/products", nil)
	for i := 0; i < len(lines); i += 2 {
		r.Header.Add(lines[i], lines[i+1])
	}
	return r
}

func serve(h http.Handler, r *http.Request) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}
