package middleware_test

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"sync/atomic"
	"testing"
	"time"

	"github.com/labstack/echo/v4"
	"go.uber.org/goleak"

	keyauth "github.com/latchkey-go/latchkey/middleware"
	"github.com/latchkey-go/latchkey/store"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

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

// door is one of the two ways to put a guard in front of a handler that answers 200 and the id of the key in the context.
type door struct {
	name string
	open func(t testing.TB, config keyauth.Config, scopes ...string) http.Handler
}

func doors() []door {
	return []door{
		{"Echo", func(t testing.TB, config keyauth.Config, scopes ...string) http.Handler {
			guard, err := config.ToMiddleware()
			if err != nil {
				t.Fatal(err)
			}
			chain := []echo.MiddlewareFunc{guard}
			if len(scopes) > 0 {
				chain = append(chain, keyauth.Require(scopes...))
			}
			e := echo.New()
			e.Any("/*", func(c echo.Context) error { return c.String(http.StatusOK, whoIs(c.Request())) }, chain...)
			return e
		}},
		{"net/http", func(t testing.TB, config keyauth.Config, scopes ...string) http.Handler {
			guard, err := config.ToHandler()
			if err != nil {
				t.Fatal(err)
			}
			var h http.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				_, _ = io.WriteString(w, whoIs(r))
			})
			if len(scopes) > 0 {
				h = keyauth.RequireHandler(scopes...)(h)
			}
			return guard(h)
		}},
	}
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
