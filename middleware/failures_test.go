package keyauth_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/labstack/echo/v4"

	keyauth "github.com/latchkey-go/latchkey/middleware"
	"github.com/latchkey-go/latchkey/store"
)

// from is a request with that credential from that address.
func from(addr, token string) *http.Request {
	r := request("X-Api-Key", token)
	r.RemoteAddr = addr
	return r
}

const here, elsewhere = "203.0.113.9:4711", "198.51.100.7:4711"

// Failed authentications are limited per client address, off by default, 429.
func TestRequirement14FailuresAreLimitedByAddress(t *testing.T) {
	inTime(t, func(t *testing.T, d door, w *world) {
		secret := w.create(t, store.NewKey{Type: store.Secret})
		config := w.config(store.Secret)
		config.RefusalTime = -1 // the time that passes here is the test's
		off := d.open(t, config)
		for range 200 {
			if got := serve(off, from(here, w.unknown)); got.Code != 401 {
				t.Fatalf("where nothing is limited: %d", got.Code)
			}
		}
		config.MaxFailures = threeAMinute
		h := d.open(t, config)
		ask := func(addr, token string, status int, retry string) {
			t.Helper()
			before := w.spy.calls.Load()
			got := serve(h, from(addr, token))
			if got.Code != status || got.Header().Get("Retry-After") != retry {
				t.Errorf("%d, Retry-After %q, want %d, %q", got.Code, got.Header().Get("Retry-After"), status, retry)
			}
			if status != 429 {
				return
			}
			if n := w.spy.calls.Load() - before; n != 0 {
				t.Errorf("%d lookups", n)
			}
			if body := strings.TrimSpace(got.Body.String()); body != `{"type":"too_many_requests","message":"Too many failed attempts from this address; try again later"}` {
				t.Errorf("%s", body)
			}
			if got.Header().Get("Cache-Control") != "no-store" || got.Header().Get("WWW-Authenticate") != "" || got.Header().Get("RateLimit") != "" {
				t.Errorf("%v", got.Header())
			}
		}
		ask(here, w.unknown, 401, "")
		ask(here, w.revoked, 401, "")
		ask(here, secret, 200, "") // a success takes nothing, and gives nothing back
		ask(here, "sk_nonsense", 401, "")
		ask(here, w.unknown, 429, "20")
		ask(here, "sk_nonsense", 429, "20")
		ask(here, w.publishable, 429, "20")
		ask(here, secret, 429, "20") // or a guesser would learn which key is good
		ask(elsewhere, secret, 200, "")
		ask(elsewhere, w.unknown, 401, "")
		if got := serve(h, from(here, "")); got.Code != 401 {
			t.Errorf("without a credential, from a limited address: %d, want 401: nobody is guessing", got.Code)
		}
		time.Sleep(19999 * time.Millisecond)
		ask(here, secret, 429, "1")
		time.Sleep(time.Millisecond)
		ask(here, secret, 200, "")
		ask(here, w.unknown, 401, "")
		ask(here, w.unknown, 429, "20")
	})
}

func TestWhatIsAFailure(t *testing.T) {
	for _, d := range doors() {
		for _, row := range []struct {
			name    string
			request func(w *world) *http.Request
			config  func(*keyauth.Config)
			fail    error
			counts  bool
		}{
			{name: "an unknown key", request: func(w *world) *http.Request { return request("X-Api-Key", w.unknown) }, counts: true},
			{name: "a revoked key", request: func(w *world) *http.Request { return request("X-Api-Key", w.revoked) }, counts: true},
			{name: "an expired key", request: func(w *world) *http.Request { return request("X-Api-Key", w.expired) }, counts: true},
			{name: "a malformed key", request: func(w *world) *http.Request { return request("X-Api-Key", "sk_nonsense") }, counts: true},
			{name: "a bad key told in Medusa's words, as 400", request: func(w *world) *http.Request { return request("X-Publishable-Api-Key", "pk_nonsense") }, counts: true,
				config: func(c *keyauth.Config) { c.Errors, c.Types = keyauth.MedusaErrors, []store.Type{store.Publishable} }},
			{name: "a bad key at an optional guard", request: func(w *world) *http.Request { return request("X-Api-Key", w.unknown) }, counts: true,
				config: func(c *keyauth.Config) { c.Optional = true }},
			{name: "no credential", request: func(w *world) *http.Request { return request() }},
			{name: "a login that is no key, at an optional guard", request: func(w *world) *http.Request { return request("Authorization", "Bearer eyJhbGciOi.e30.sig") },
				config: func(c *keyauth.Config) { c.Optional = true }},
			{name: "two keys", request: func(w *world) *http.Request { return request("X-Api-Key", w.unknown, "X-Api-Key", w.revoked) }},
			{name: "a key of the wrong type", request: func(w *world) *http.Request { return request("X-Api-Key", w.publishable) }},
			{name: "a key of the wrong type, told in Medusa's words as 401", request: func(w *world) *http.Request { return request("X-Api-Key", w.publishable) },
				config: func(c *keyauth.Config) { c.Errors = keyauth.MedusaErrors }},
			{name: "a secret key as Bearer, told in Medusa's words as 401", request: func(w *world) *http.Request { return request("Authorization", "Bearer "+w.secret) },
				config: func(c *keyauth.Config) { c.Errors = keyauth.MedusaErrors }},
			{name: "a missing scope", request: func(w *world) *http.Request { return request("X-Api-Key", w.powerless) },
				config: func(c *keyauth.Config) { c.Scopes = []string{"orders:read"} }},
			{name: "an address that is not allowed", request: func(w *world) *http.Request { return request("X-Api-Key", w.bound) }},
			{name: "a store that is out", request: func(w *world) *http.Request { return request("X-Api-Key", w.unknown) }, fail: store.ErrUnavailable},
			{name: "a store that says revoked instead of an answer", request: func(w *world) *http.Request { return request("X-Api-Key", w.unknown) }, fail: store.ErrRevoked},
			{name: "a client that went away", request: func(w *world) *http.Request {
				ctx, cancel := context.WithCancel(context.Background())
				cancel()
				return request("X-Api-Key", w.unknown).WithContext(ctx)
			}},
			{name: "a good key", request: func(w *world) *http.Request { return request("X-Api-Key", w.secret) }},
		} {
			t.Run(d.name+": "+row.name, func(t *testing.T) {
				w := newWorld(t)
				config := w.config(store.Secret)
				config.MaxFailures = store.RateLimit{Requests: 1, Window: time.Hour}
				if row.config != nil {
					row.config(&config)
				}
				if row.fail != nil {
					w.spy.failWith(row.fail)
				}
				h := d.open(t, config)
				first, second := serve(h, row.request(w)), serve(h, row.request(w))
				if first.Code == 429 {
					t.Errorf("the first request: 429")
				}
				if got := second.Code == 429; got != row.counts {
					t.Errorf("%d, then %d; counts: %v, want %v", first.Code, second.Code, got, row.counts)
				}
			})
		}
	}
}

func TestWhoIsOneClient(t *testing.T) {
	for _, row := range []struct {
		a, b string
		same bool
	}{
		{"203.0.113.9:1", "203.0.113.9:2", true},
		{"203.0.113.9:1", "203.0.113.10:1", false},
		{"203.0.113.9:1", "[::ffff:203.0.113.9]:1", true},
		{"[2001:db8:0:1::1]:1", "[2001:db8:0:1:ffff:ffff:ffff:ffff]:1", true}, // one /64
		{"[2001:db8:0:1::1]:1", "[2001:db8:0:2::1]:1", false},
		{"[fe80::1%eth0]:1", "[fe80::2%eth1]:1", true},
		{"[::1]:1", "127.0.0.1:1", false},
		{"", "@", true}, // not known: all of them are one
		{"@", "203.0.113.9:1", false},
		{"@", "[::]:1", false},
		{"@", "0.0.0.0:1", false},
	} {
		w := newWorld(t)
		config := w.config(store.Secret)
		config.MaxFailures = store.RateLimit{Requests: 1, Window: time.Hour}
		h := keyauth.WithConfig(config)(http.NotFoundHandler())
		serve(h, from(row.a, w.unknown))
		if got := serve(h, from(row.b, w.unknown)).Code == 429; got != row.same {
			t.Errorf("%s and %s: one client: %v, want %v", row.a, row.b, got, row.same)
		}
	}
}

func TestFailuresAreCountedForTheAddressThatTheAppTrusts(t *testing.T) {
	w := newWorld(t)
	config := w.config(store.Secret)
	config.MaxFailures = store.RateLimit{Requests: 1, Window: time.Hour}
	forwarded := func(addr string) *http.Request { return request("X-Api-Key", w.unknown, "X-Forwarded-For", addr) }
	test := func(name string, h http.Handler, trusted bool) {
		t.Helper()
		serve(h, forwarded("203.0.113.1"))
		if got := serve(h, forwarded("203.0.113.2")); (got.Code == 401) != trusted {
			t.Errorf("%s: another client behind the same proxy: %d", name, got.Code)
		}
		if got := serve(h, forwarded("203.0.113.1")); got.Code != 429 {
			t.Errorf("%s: the same client: %d", name, got.Code)
		}
	}
	guarded := func(d door, extractor func(*http.Request) string) http.Handler {
		a := d.app()
		if a.extract != nil {
			a.extract(extractor)
		}
		a.any("", "/products", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(204) }, a.guard(config))
		return a
	}
	header := func(r *http.Request) string { return r.Header.Get("X-Forwarded-For") }
	for _, d := range doors() {
		test(d.name+", without an IPExtractor", guarded(d, nil), false)
		if d.app().extract != nil {
			test(d.name+", with an IPExtractor", guarded(d, header), true)
		}
	}
	config.ClientIP = header
	for _, d := range doors() {
		test(d.name+", with ClientIP", guarded(d, echo.ExtractIPDirect()), true)
	}
}

func TestAFloodOfAddressesDoesNotFreeWhoFailed(t *testing.T) {
	w := newWorld(t)
	config := w.config(store.Secret)
	config.MaxFailures = store.RateLimit{Requests: 3, Window: 24 * time.Hour}
	h := keyauth.WithConfig(config)(http.NotFoundHandler())
	for range 3 {
		serve(h, from(here, w.unknown))
	}
	for i := range 120_000 { // more than are remembered
		serve(h, from(fmt.Sprintf("10.%d.%d.%d:1", i>>16, i>>8&255, i&255), "sk_nonsense"))
	}
	if got := serve(h, from(here, w.unknown)); got.Code != 429 {
		t.Errorf("%d, want 429", got.Code)
	}
}

func TestFailuresOfOneGuardAreNoneOfAnothers(t *testing.T) {
	w := newWorld(t)
	config := w.config(store.Secret)
	config.MaxFailures = store.RateLimit{Requests: 1, Window: time.Hour}
	a, b := keyauth.WithConfig(config)(http.NotFoundHandler()), keyauth.WithConfig(config)(http.NotFoundHandler())
	serve(a, from(here, w.unknown))
	if got := serve(b, from(here, w.unknown)); got.Code != 401 {
		t.Errorf("%d, want 401", got.Code)
	}
	if got := serve(a, from(here, w.unknown)); got.Code != 429 {
		t.Errorf("%d, want 429", got.Code)
	}
}

func TestLimitedFailuresAreLoggedLikeOtherRefusals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // so that all falls into one second
		w := newWorld(t)
		var seen []string
		config := w.config(store.Secret)
		config.MaxFailures = store.RateLimit{Requests: 1, Window: time.Hour}
		config.Logger = slog.New(reasons{add: func(reason string) { seen = append(seen, reason) }})
		h := keyauth.WithConfig(config)(http.NotFoundHandler())
		for range 100 {
			serve(h, from(here, w.unknown))
		}
		if len(seen) != 10 || seen[0] != "unknown token" || seen[1] != "keyauth: too many failed authentications from this address" {
			t.Errorf("%d lines: %q", len(seen), seen)
		}
	})
}

// reasons is a log handler that keeps why requests were refused.
type reasons struct{ add func(reason string) }

func (reasons) Enabled(context.Context, slog.Level) bool { return true }
func (r reasons) WithAttrs([]slog.Attr) slog.Handler     { return r }
func (r reasons) WithGroup(string) slog.Handler          { return r }
func (r reasons) Handle(_ context.Context, record slog.Record) error {
	record.Attrs(func(a slog.Attr) bool {
		if a.Key == "reason" {
			r.add(a.Value.String())
		}
		return true
	})
	return nil
}

func TestEchosErrorHandlerSeesTooManyFailures(t *testing.T) {
	w := newWorld(t)
	config := w.config(store.Secret)
	config.MaxFailures = store.RateLimit{Requests: 1, Window: time.Hour}
	for _, d := range doors() {
		a := d.app()
		if a.onError == nil {
			continue
		}
		var seen error
		a.onError(func(_ http.ResponseWriter, _ *http.Request, err error) { seen = err })
		a.any("", "/products", func(http.ResponseWriter, *http.Request) {}, a.guard(config))
		serve(a, request("X-Api-Key", w.unknown))
		serve(a, request("X-Api-Key", w.unknown))
		if !errors.Is(seen, keyauth.ErrTooManyFailures) || errors.Is(seen, store.ErrUnauthenticated) {
			t.Errorf("%s: %v", d.name, seen)
		}
	}
}
