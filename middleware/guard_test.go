package keyauth_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"regexp"
	"strings"
	"testing"
	"time"

	keyauth "github.com/latchkey-go/latchkey/middleware"
	"github.com/latchkey-go/latchkey/store"
)

const (
	unauthorized = `{"type":"unauthorized","message":"Unauthorized"}`
	invalidToken = `Bearer error="invalid_token"`
)

// TestStatusTable holds the guards to the table of statuses, row by row, through both doors.
func TestStatusTable(t *testing.T) {
	rows := []struct {
		name      string
		types     store.Type
		config    func(*keyauth.Config)
		prepare   func(*world)
		request   func(*world) *http.Request
		require   []string
		status    int
		body      string // a prefix up to the message where the table leaves it open
		challenge string
		lookups   int64
	}{
		{name: "no credential is 401 without an error code", types: store.Secret,
			request: func(*world) *http.Request { return request() },
			status:  401, body: unauthorized, challenge: "Bearer"},
		{name: "no credential at a publishable guard is 401 without an error code", types: store.Publishable,
			request: func(w *world) *http.Request { return request("Authorization", "Bearer eyJhbGciOi") },
			status:  401, body: unauthorized, challenge: "Bearer"},
		{name: "an empty header counts as none", types: store.Secret,
			request: func(*world) *http.Request { return request("X-Api-Key", "", "Authorization", "Bearer ") },
			status:  401, body: unauthorized, challenge: "Bearer"},
		{name: "a malformed token is 401 without a lookup", types: store.Secret,
			request: func(w *world) *http.Request {
				return request("Authorization", "Bearer "+w.secret[:len(w.secret)-1]+"!")
			},
			status: 401, body: unauthorized, challenge: invalidToken},
		{name: "a bad checksum is 401 without a lookup", types: store.Secret,
			request: func(w *world) *http.Request { return request("X-Api-Key", swapTail(w.secret)) },
			status:  401, body: unauthorized, challenge: invalidToken},
		{name: "an over-long token is 401 without a lookup", types: store.Secret,
			request: func(w *world) *http.Request { return request("X-Api-Key", w.secret+strings.Repeat("a", 200)) },
			status:  401, body: unauthorized, challenge: invalidToken},
		{name: "a token that is not ASCII is 401 without a lookup", types: store.Secret,
			request: func(w *world) *http.Request { return request("X-Api-Key", w.secret[:30]+"é"+w.secret[32:]) },
			status:  401, body: unauthorized, challenge: invalidToken},
		{name: "a JWT at a guard that reads Authorization is a malformed credential", types: store.Secret,
			request: func(w *world) *http.Request { return request("Authorization", "Bearer eyJhbGciOi.e30.sig") },
			status:  401, body: unauthorized, challenge: invalidToken},
		{name: "an unknown token is 401", types: store.Secret,
			request: func(w *world) *http.Request { return request("X-Api-Key", w.unknown) },
			status:  401, body: unauthorized, challenge: invalidToken, lookups: 1},
		{name: "a revoked key is 401", types: store.Secret,
			request: func(w *world) *http.Request { return request("X-Api-Key", w.revoked) },
			status:  401, body: unauthorized, challenge: invalidToken, lookups: 1},
		{name: "an expired key is 401", types: store.Secret,
			request: func(w *world) *http.Request { return request("X-Api-Key", w.expired) },
			status:  401, body: unauthorized, challenge: invalidToken, lookups: 1},
		{name: "a forged record is 401", types: store.Secret,
			prepare: func(w *world) { w.spy.forge.Store(true) },
			request: func(w *world) *http.Request { return request("X-Api-Key", w.scoped) },
			status:  401, body: unauthorized, challenge: invalidToken, lookups: 1},
		{name: "the realm stands before the error, with its quotes escaped", types: store.Secret,
			config:  func(c *keyauth.Config) { c.Realm = `the "shop"` },
			request: func(w *world) *http.Request { return request("X-Api-Key", w.unknown) },
			status:  401, body: unauthorized, challenge: `Bearer realm="the \"shop\"", error="invalid_token"`, lookups: 1},
		{name: "the realm stands alone when no credential was sent", types: store.Secret,
			config:  func(c *keyauth.Config) { c.Realm = "shop" },
			request: func(w *world) *http.Request { return request() },
			status:  401, body: unauthorized, challenge: `Bearer realm="shop"`},
		{name: "two different keys in two headers are 400 without a lookup", types: store.Secret,
			request: func(w *world) *http.Request {
				return request("X-Api-Key", w.secret, "Authorization", "Bearer "+w.other)
			},
			status: 400, body: `{"type":"invalid_request","message":"`, challenge: `Bearer error="invalid_request"`},
		{name: "two different keys in the same header are 400 without a lookup", types: store.Publishable,
			request: func(w *world) *http.Request {
				return request("X-Publishable-Api-Key", w.publishable, "X-Publishable-Api-Key", w.publishable2)
			},
			status: 400, body: `{"type":"invalid_request","message":"`, challenge: `Bearer error="invalid_request"`},
		{name: "a JWT alone is a malformed key: 401 without a lookup", types: store.Secret,
			request: func(w *world) *http.Request { return request("Authorization", "Bearer eyJhbGciOi.e30.sig") },
			status:  401, body: unauthorized, challenge: invalidToken},
		{name: "a publishable key at a secret guard is 403 without a lookup", types: store.Secret,
			request: func(w *world) *http.Request { return request("Authorization", "Bearer "+w.publishable) },
			status:  403, body: `{"type":"forbidden","message":"`, challenge: `Bearer error="insufficient_scope"`},
		{name: "a secret key at a publishable guard is 403 without a lookup", types: store.Publishable,
			request: func(w *world) *http.Request { return request("X-Publishable-Api-Key", w.secret) },
			status:  403, body: `{"type":"forbidden","message":"`, challenge: `Bearer error="insufficient_scope"`},
		{name: "a scope that the config asks for and the key lacks is 403 and named", types: store.Secret,
			config:  func(c *keyauth.Config) { c.Scopes = []string{"orders:read", "orders:write"} },
			request: func(w *world) *http.Request { return request("X-Api-Key", w.scoped) },
			status:  403, body: `{"type":"forbidden","message":"`, challenge: `Bearer error="insufficient_scope", scope="orders:read orders:write"`, lookups: 1},
		{name: "a scope that the route requires and the key lacks is 403 and named", types: store.Secret,
			request: func(w *world) *http.Request { return request("X-Api-Key", w.scoped) }, require: []string{"orders:write"},
			status: 403, body: `{"type":"forbidden","message":"`, challenge: `Bearer error="insufficient_scope", scope="orders:write"`, lookups: 1},
		{name: "an empty scope list grants nothing", types: store.Secret,
			request: func(w *world) *http.Request { return request("X-Api-Key", w.powerless) }, require: []string{"orders:read"},
			status: 403, body: `{"type":"forbidden","message":"`, challenge: `Bearer error="insufficient_scope", scope="orders:read"`, lookups: 1},
		{name: "an address that the key is not bound to is 403", types: store.Secret,
			request: func(w *world) *http.Request { return request("X-Api-Key", w.bound) },
			status:  403, body: `{"type":"forbidden","message":"`, challenge: `Bearer error="insufficient_scope"`, lookups: 1},
		{name: "a store that is out is 503", types: store.Secret,
			prepare: func(w *world) { w.spy.failWith(store.ErrUnavailable) },
			request: func(w *world) *http.Request { return request("X-Api-Key", w.secret) },
			status:  503, body: `{"type":"unavailable","message":"`, lookups: 1},
		{name: "an error that nobody knows is 503", types: store.Secret,
			prepare: func(w *world) { w.spy.failWith(errors.New("cosmic rays")) },
			request: func(w *world) *http.Request { return request("X-Api-Key", w.secret) },
			status:  503, body: `{"type":"unavailable","message":"`, lookups: 1},
		{name: "a lookup that fails with the word revoked is 503 all the same", types: store.Secret,
			prepare: func(w *world) { w.spy.failWith(store.ErrRevoked) },
			request: func(w *world) *http.Request { return request("X-Api-Key", w.secret) },
			status:  503, body: `{"type":"unavailable","message":"`, lookups: 1},
		{name: "a request whose client is gone is 503", types: store.Secret,
			request: func(w *world) *http.Request {
				ctx, cancel := context.WithCancel(context.Background())
				cancel()
				return request("X-Api-Key", w.secret).WithContext(ctx)
			},
			status: 503, body: `{"type":"unavailable","message":"`, lookups: 1},
		{name: "plain HTTP is 403 for a good key, where forbidden", types: store.Secret,
			config:  func(c *keyauth.Config) { c.ForbidPlainHTTP = true },
			request: func(w *world) *http.Request { return request("X-Api-Key", w.secret) },
			status:  403, body: `{"type":"forbidden","message":"HTTPS is required; replace any API key that was sent over plain HTTP"}`},
		{name: "plain HTTP is the same 403 for a bad key, where forbidden", types: store.Secret,
			config:  func(c *keyauth.Config) { c.ForbidPlainHTTP = true },
			request: func(w *world) *http.Request { return request("X-Api-Key", "sk_nonsense") },
			status:  403, body: `{"type":"forbidden","message":"HTTPS is required; replace any API key that was sent over plain HTTP"}`},
		{name: "a secret key sent by a page of another origin is 403, where forbidden", types: store.Secret,
			config: func(c *keyauth.Config) { c.ForbidBrowserOrigins = true },
			request: func(w *world) *http.Request {
				return request("X-Api-Key", w.secret, "Origin", "https://evil.example")
			},
			status: 403, body: `{"type":"forbidden","message":"A secret API key may not be used by a browser page of another origin`, challenge: `Bearer error="insufficient_scope"`},
	}
	for _, d := range doors() {
		for _, row := range rows {
			t.Run(d.name+": "+row.name, func(t *testing.T) {
				w := newWorld(t)
				if row.prepare != nil {
					row.prepare(w)
				}
				config := w.config(row.types)
				if row.config != nil {
					row.config(&config)
				}
				got := serve(d.open(t, config, row.require...), row.request(w))
				body := strings.TrimSuffix(got.Body.String(), "\n") // Echo's error handler ends its lines
				if got.Code != row.status || !strings.HasPrefix(body, row.body) || !strings.HasSuffix(body, `"}`) {
					t.Errorf("got %d %s, want %d %s", got.Code, body, row.status, row.body)
				}
				if c := got.Header().Get("WWW-Authenticate"); c != row.challenge {
					t.Errorf("WWW-Authenticate: %q, want %q", c, row.challenge)
				}
				if cc := got.Header().Get("Cache-Control"); cc != "no-store" {
					t.Errorf("Cache-Control: %q, want no-store", cc)
				}
				if ct := got.Header().Get("Content-Type"); ct != "application/json" {
					t.Errorf("Content-Type: %q", ct)
				}
				wantRetry := ""
				if row.status == 503 {
					wantRetry = "1"
				}
				if ra := got.Header().Get("Retry-After"); ra != wantRetry {
					t.Errorf("Retry-After: %q, want %q", ra, wantRetry)
				}
				if n := w.spy.calls.Load(); n != row.lookups {
					t.Errorf("%d lookups, want %d", n, row.lookups)
				}
			})
		}
	}
}

func TestRowsOfTheTableBesideWhatRequestsReach(t *testing.T) {
	for err, message := range map[error]string{
		keyauth.ErrRateLimited:     "Too many requests; try again later",
		keyauth.ErrTooManyFailures: "Too many failed attempts from this address; try again later",
	} {
		told := keyauth.Tell(fmt.Errorf("key apk_1: %w", err))
		if told.Status != 429 || told.Body != `{"type":"too_many_requests","message":"`+message+`"}` {
			t.Errorf("%v: %+v", err, told)
		}
		if h := http.Header(told.Header); h.Get("Retry-After") != "7" || h.Get("Cache-Control") != "no-store" || h.Get("WWW-Authenticate") != "" {
			t.Errorf("%v: headers %v", err, h)
		}
	}
	for _, err := range []error{errors.New("?"), context.Canceled, context.DeadlineExceeded, store.ErrNotFound, store.ErrClosed, store.ErrForbidden} {
		if told := keyauth.Tell(err); told.Status != 503 {
			t.Errorf("%v: %d, want 503", err, told.Status)
		}
	}
}

func swapTail(token string) string {
	last := byte('0')
	if token[len(token)-1] == '0' {
		last = '1'
	}
	return token[:len(token)-1] + string(last)
}

var date = regexp.MustCompile(`(?m)^Date: .*\r\n`)

func TestRequirement07RefusalsOfATokenAreByteIdentical(t *testing.T) {
	for _, d := range doors() {
		for _, style := range []keyauth.ErrorStyle{keyauth.StandardErrors, keyauth.MedusaErrors} {
			t.Run(fmt.Sprintf("%s, style %d", d.name, style), func(t *testing.T) {
				w := newWorld(t)
				config := w.config(store.Secret)
				config.Errors = style
				server := httptest.NewServer(d.open(t, config))
				defer server.Close()
				dump := func(token string) string {
					t.Helper()
					r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL, nil)
					if err != nil {
						t.Fatal(err)
					}
					r.Header.Set("Authorization", "Basic "+token)
					response, err := server.Client().Do(r)
					if err != nil {
						t.Fatal(err)
					}
					defer response.Body.Close()
					bytes, err := httputil.DumpResponse(response, true)
					if err != nil {
						t.Fatal(err)
					}
					return date.ReplaceAllString(string(bytes), "")
				}
				want := dump("sk_nonsense")
				if !strings.HasPrefix(want, "HTTP/1.1 401 ") {
					t.Fatalf("malformed: %s", want)
				}
				for name, token := range map[string]string{"unknown": w.unknown, "revoked": w.revoked, "expired": w.expired, "bad checksum": swapTail(w.secret)} {
					if got := dump(token); got != want {
						t.Errorf("%s differs from malformed:\n%s\n%s", name, got, want)
					}
				}
				w.spy.forge.Store(true)
				if got := dump(w.scoped); got != want {
					t.Errorf("forged differs from malformed:\n%s\n%s", got, want)
				}
			})
		}
	}
}

func TestWhatIsLetIn(t *testing.T) {
	rows := []struct {
		name    string
		types   []store.Type
		config  func(*keyauth.Config)
		require []string
		request func(*world) *http.Request
		token   func(*world) string // nil: nobody
		lookups int64
	}{
		{name: "a secret key", types: []store.Type{store.Secret}, lookups: 1,
			request: func(w *world) *http.Request { return request("Authorization", "Bearer "+w.secret) },
			token:   func(w *world) string { return w.secret }},
		{name: "a secret key where no type is configured", lookups: 1,
			request: func(w *world) *http.Request { return request("Authorization", "Bearer "+w.secret) },
			token:   func(w *world) string { return w.secret }},
		{name: "a key in Medusa's form", types: []store.Type{store.Secret}, lookups: 1,
			request: func(w *world) *http.Request { return request("Authorization", "Basic "+w.medusa) },
			token:   func(w *world) string { return w.medusa }},
		{name: "a publishable key, whatever stands in Authorization", types: []store.Type{store.Publishable}, lookups: 1,
			request: func(w *world) *http.Request {
				return request("X-Publishable-Api-Key", w.publishable, "Authorization", "Bearer eyJhbGciOi.e30.sig")
			},
			token: func(w *world) string { return w.publishable }},
		{name: "a publishable key, even beside a secret one that the guard does not read", types: []store.Type{store.Publishable}, lookups: 1,
			request: func(w *world) *http.Request {
				return request("X-Publishable-Api-Key", w.publishable, "Authorization", "Bearer "+w.secret)
			},
			token: func(w *world) string { return w.publishable }},
		{name: "either type where both are taken", types: []store.Type{store.Secret, store.Publishable}, lookups: 1,
			request: func(w *world) *http.Request { return request("X-Api-Key", w.publishable) },
			token:   func(w *world) string { return w.publishable }},
		{name: "the same key in three places and notations, looked up once", types: []store.Type{store.Secret}, lookups: 1,
			request: func(w *world) *http.Request {
				return request("X-Api-Key", w.secret, "X-Api-Key", w.secret, "Authorization", "Basic "+b64(w.secret+":"), "Authorization", "Bearer "+w.secret)
			},
			token: func(w *world) string { return w.secret }},
		{name: "a key beside headers that are empty", types: []store.Type{store.Secret}, lookups: 1,
			request: func(w *world) *http.Request {
				return request("Authorization", "Bearer "+w.secret, "Authorization", "Basic ", "X-Api-Key", "")
			},
			token: func(w *world) string { return w.secret }},
		{name: "a key with the scopes that are asked for", types: []store.Type{store.Secret}, lookups: 1,
			config: func(c *keyauth.Config) { c.Scopes = []string{"orders:read"} }, require: []string{"orders:read"},
			request: func(w *world) *http.Request { return request("X-Api-Key", w.scoped) },
			token:   func(w *world) string { return w.scoped }},
		{name: "a key without scope list, whatever is required", types: []store.Type{store.Secret}, lookups: 1,
			require: []string{"orders:write"},
			request: func(w *world) *http.Request { return request("X-Api-Key", w.secret) },
			token:   func(w *world) string { return w.secret }},
		{name: "a key from the address it is bound to", types: []store.Type{store.Secret}, lookups: 1,
			request: func(w *world) *http.Request {
				r := request("X-Api-Key", w.bound)
				r.RemoteAddr = "10.1.2.3:4711"
				return r
			},
			token: func(w *world) string { return w.bound }},
		{name: "a key from its address written as IPv6", types: []store.Type{store.Secret}, lookups: 1,
			request: func(w *world) *http.Request {
				r := request("X-Api-Key", w.bound)
				r.RemoteAddr = "[::ffff:10.1.2.3]:4711"
				return r
			},
			token: func(w *world) string { return w.bound }},
		{name: "a key from an IPv6 network with a zone", types: []store.Type{store.Secret}, lookups: 1,
			request: func(w *world) *http.Request {
				r := request("X-Api-Key", w.bound)
				r.RemoteAddr = "[2001:db8::1%eth0]:4711"
				return r
			},
			token: func(w *world) string { return w.bound }},
		{name: "nobody, where a key is optional", types: []store.Type{store.Secret},
			config:  func(c *keyauth.Config) { c.Optional = true },
			request: func(w *world) *http.Request { return request() }},
		{name: "nobody with a JWT, where a key is optional", types: []store.Type{store.Secret},
			config:  func(c *keyauth.Config) { c.Optional = true },
			request: func(w *world) *http.Request { return request("Authorization", "Bearer eyJhbGciOi.e30.sig") }},
		{name: "nobody with a user name and password, where a key is optional", types: []store.Type{store.Secret},
			config:  func(c *keyauth.Config) { c.Optional = true },
			request: func(w *world) *http.Request { return request("Authorization", "Basic "+b64("ann:secret")) }},
		{name: "a key beside a JWT", types: []store.Type{store.Secret}, lookups: 1,
			request: func(w *world) *http.Request {
				return request("Authorization", "Bearer eyJhbGciOi.e30.sig", "X-Api-Key", w.secret)
			},
			token: func(w *world) string { return w.secret }},
		{name: "a key beside a JWT, where a key is optional", types: []store.Type{store.Secret}, lookups: 1,
			config: func(c *keyauth.Config) { c.Optional = true },
			request: func(w *world) *http.Request {
				return request("Authorization", "Bearer eyJhbGciOi.e30.sig", "X-Api-Key", w.secret)
			},
			token: func(w *world) string { return w.secret }},
		{name: "TLS, where plain HTTP is forbidden", types: []store.Type{store.Secret}, lookups: 1,
			config: func(c *keyauth.Config) { c.ForbidPlainHTTP = true },
			request: func(w *world) *http.Request {
				r := request("X-Api-Key", w.secret)
				r.TLS = &tls.ConnectionState{}
				return r
			},
			token: func(w *world) string { return w.secret }},
		{name: "what the app says is TLS, where plain HTTP is forbidden", types: []store.Type{store.Secret}, lookups: 1,
			config: func(c *keyauth.Config) {
				c.ForbidPlainHTTP = true
				c.IsTLS = func(r *http.Request) bool { return r.Header.Get("X-Scheme") == "https" }
			},
			request: func(w *world) *http.Request { return request("X-Api-Key", w.secret, "X-Scheme", "https") },
			token:   func(w *world) string { return w.secret }},
		{name: "a page of the same origin, where others are forbidden", types: []store.Type{store.Secret}, lookups: 1,
			config: func(c *keyauth.Config) { c.ForbidBrowserOrigins = true },
			request: func(w *world) *http.Request {
				return request("X-Api-Key", w.secret, "Origin", "https://example.com") // httptest's Host
			},
			token: func(w *world) string { return w.secret }},
		{name: "a server without Origin, where foreign pages are forbidden", types: []store.Type{store.Secret}, lookups: 1,
			config:  func(c *keyauth.Config) { c.ForbidBrowserOrigins = true },
			request: func(w *world) *http.Request { return request("X-Api-Key", w.secret) },
			token:   func(w *world) string { return w.secret }},
		{name: "a publishable key of a foreign page, which is what they are for", types: []store.Type{store.Secret, store.Publishable}, lookups: 1,
			config: func(c *keyauth.Config) { c.ForbidBrowserOrigins = true },
			request: func(w *world) *http.Request {
				return request("X-Api-Key", w.publishable, "Sec-Fetch-Site", "cross-site")
			},
			token: func(w *world) string { return w.publishable }},
	}
	for _, d := range doors() {
		for _, row := range rows {
			t.Run(d.name+": "+row.name, func(t *testing.T) {
				w := newWorld(t)
				config := w.config(row.types...)
				if row.config != nil {
					row.config(&config)
				}
				got := serve(d.open(t, config, row.require...), row.request(w))
				want := "nobody"
				if row.token != nil {
					want = w.ids[row.token(w)]
				}
				if got.Code != 200 || got.Body.String() != want {
					t.Errorf("got %d %s, want 200 %s", got.Code, got.Body, want)
				}
				for _, name := range []string{"WWW-Authenticate", "Cache-Control", "Retry-After"} {
					if v := got.Header().Get(name); v != "" {
						t.Errorf("%s: %q on an answer that is not ours", name, v)
					}
				}
				if n := w.spy.calls.Load(); n != row.lookups {
					t.Errorf("%d lookups, want %d", n, row.lookups)
				}
			})
		}
	}
}

func TestOptionalStillRefusesBadCredentials(t *testing.T) {
	for _, d := range doors() {
		t.Run(d.name, func(t *testing.T) {
			w := newWorld(t)
			config := w.config(store.Secret)
			config.Optional = true
			h := d.open(t, config)
			for name, r := range map[string]*http.Request{
				"a revoked key":                           request("Authorization", "Bearer "+w.revoked),
				"an unknown key":                          request("Authorization", "Bearer "+w.unknown),
				"something that begins like a key":        request("Authorization", "Bearer sk_nonsense"),
				"a JWT in a header that is for keys only": request("X-Api-Key", "eyJhbGciOi.e30.sig"),
			} {
				if got := serve(h, r); got.Code != 401 || got.Header().Get("WWW-Authenticate") != invalidToken {
					t.Errorf("%s: %d %v", name, got.Code, got.Header())
				}
			}
			if got := serve(d.open(t, config, "orders:read"), request()); got.Code != 401 || got.Header().Get("WWW-Authenticate") != "Bearer" {
				t.Errorf("Require behind an optional guard let nobody through: %d %v", got.Code, got.Header())
			}
		})
	}
}

func TestRequirement22VaryNamesEveryHeaderRead(t *testing.T) {
	w := newWorld(t)
	custom := func(r *http.Request, found []string) (string, []string) {
		return "x-shop-token", append(found, r.Header.Get("X-Shop-Token"))
	}
	rows := []struct {
		name   string
		config func(*keyauth.Config)
		want   string
	}{
		{"secret keys", func(c *keyauth.Config) {}, "Authorization, X-Api-Key"},
		{"publishable keys", func(c *keyauth.Config) { c.Types = []store.Type{store.Publishable} }, "X-Publishable-Api-Key, X-Api-Key"},
		{"both", func(c *keyauth.Config) { c.Types = []store.Type{store.Publishable, store.Secret} }, "Authorization, X-Publishable-Api-Key, X-Api-Key"},
		{"a cookie and the app's own extractor", func(c *keyauth.Config) {
			c.Extractors = []keyauth.Extractor{keyauth.Cookie("key"), custom, keyauth.Query("key")}
		}, "Cookie, X-Shop-Token"},
		{"foreign pages forbidden", func(c *keyauth.Config) { c.ForbidBrowserOrigins = true }, "Authorization, X-Api-Key, Origin, Sec-Fetch-Site"},
		{"the URL alone", func(c *keyauth.Config) { c.Extractors = []keyauth.Extractor{keyauth.Query("key")} }, ""},
	}
	for _, d := range doors() {
		for _, row := range rows {
			t.Run(d.name+": "+row.name, func(t *testing.T) {
				config := w.config(store.Secret)
				config.Optional = true
				row.config(&config)
				h := d.open(t, config)
				for _, r := range []*http.Request{request(), request("X-Api-Key", "sk_bad")} {
					rec := httptest.NewRecorder()
					rec.Header().Add("Vary", "Origin-Of-The-App")
					h.ServeHTTP(rec, r)
					got := strings.Join(rec.Header().Values("Vary"), "; ")
					want := strings.TrimSuffix("Origin-Of-The-App; "+row.want, "; ")
					if got != want {
						t.Errorf("%d: Vary %q, want %q", rec.Code, got, want)
					}
				}
			})
		}
	}
}

func TestRequirement20ForeignPages(t *testing.T) {
	w := newWorld(t)
	config := w.config(store.Secret)
	config.ForbidBrowserOrigins = true
	h := keyauth.WithConfig(config)(http.NotFoundHandler())
	for _, row := range []struct {
		lines  []string
		status int
	}{
		{[]string{"Sec-Fetch-Site", "cross-site"}, 403},
		{[]string{"Sec-Fetch-Site", "same-site"}, 403},
		{[]string{"Sec-Fetch-Site", "same-origin", "Origin", "https://proxied.example"}, 404},
		{[]string{"Sec-Fetch-Site", "none"}, 404},
		{[]string{"Origin", "null"}, 403},
		{[]string{"Origin", "https://example.com:8443"}, 403},
		{[]string{"Origin", "https://EXAMPLE.com"}, 404},
		{[]string{"Origin", "::"}, 403},
	} {
		got := serve(h, request(append(row.lines, "X-Api-Key", w.secret)...))
		if got.Code != row.status {
			t.Errorf("%q: %d, want %d", row.lines, got.Code, row.status)
		}
		if got.Code == 403 && !strings.Contains(got.Body.String(), "a browser page of another origin: everybody who opens the page can read it") {
			t.Errorf("%q: the answer does not say why: %s", row.lines, got.Body)
		}
	}
	r := request("Origin", "null", "X-Api-Key", w.secret)
	r.Host = ""
	if got := serve(h, r); got.Code != 403 {
		t.Errorf("no host to compare with: %d, want 403", got.Code)
	}
}

func TestRequirement08AddressesThatAreNotKnownAreNotAllowed(t *testing.T) {
	w := newWorld(t)
	for _, remote := range []string{"", "@", "10.1.2.3", "nonsense:1", "192.0.2.1:1"} {
		r := request("X-Api-Key", w.bound, "X-Forwarded-For", "10.1.2.3", "X-Real-Ip", "10.1.2.3", "Forwarded", "for=10.1.2.3")
		r.RemoteAddr = remote
		for _, d := range doors() {
			if got := serve(d.open(t, w.config(store.Secret)), r); got.Code != 403 {
				t.Errorf("%s: RemoteAddr %q: %d, want 403", d.name, remote, got.Code)
			}
		}
	}
	config := w.config(store.Secret)
	config.ClientIP = func(r *http.Request) string { return r.Header.Get("X-Trusted") }
	for _, d := range doors() {
		h := d.open(t, config)
		if got := serve(h, request("X-Api-Key", w.bound, "X-Trusted", "10.1.2.3")); got.Code != 200 {
			t.Errorf("%s: ClientIP was not asked: %d", d.name, got.Code)
		}
		if got := serve(h, request("X-Api-Key", w.bound, "X-Trusted", "")); got.Code != 403 {
			t.Errorf("%s: ClientIP does not know, and the key was let in: %d", d.name, got.Code)
		}
	}
}

func TestRetryAfterIsRoundedUp(t *testing.T) {
	w := newWorld(t)
	w.spy.failWith(store.ErrUnavailable)
	config := w.config(store.Secret)
	config.RetryAfter = 2100 * time.Millisecond
	if got := serve(keyauth.WithConfig(config)(http.NotFoundHandler()), request("X-Api-Key", w.secret)); got.Header().Get("Retry-After") != "3" {
		t.Errorf("Retry-After: %q, want 3", got.Header().Get("Retry-After"))
	}
}

func TestTheKeyIsInTheContextOfTheRequestAloneAndForStoreToo(t *testing.T) {
	w := newWorld(t)
	var seen *http.Request
	h := keyauth.WithConfig(w.config(store.Secret))(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { seen = r }))
	before := request("X-Api-Key", w.secret)
	serve(h, before)
	key, ok := store.FromContext(seen.Context())
	if !ok || key.ID != w.ids[w.secret] {
		t.Errorf("store.FromContext: %v %v", key, ok)
	}
	if _, ok := keyauth.KeyFrom(before.Context()); ok {
		t.Error("the caller's own request was altered")
	}
}

func TestRequestIDsReachTheAuditLogOnlyWhenTheyAreSane(t *testing.T) {
	w := newWorld(t)
	var id string
	h := keyauth.WithConfig(w.config(store.Secret))(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		made, err := w.keys.Create(r.Context(), store.NewKey{Type: store.Publishable})
		if err != nil {
			t.Error(err)
			return
		}
		id = made.Key.ID
	}))
	logged := func(r *http.Request, rec *httptest.ResponseRecorder) string {
		t.Helper()
		h.ServeHTTP(rec, r)
		events, err := w.keys.Events(t.Context(), store.EventQuery{KeyID: id})
		if err != nil || len(events) != 1 {
			t.Fatalf("%d events, %v", len(events), err)
		}
		return events[0].RequestID
	}
	for sent, want := range map[string]string{
		"req-1": "req-1", "": "", "two words": "", "line\nbreak": "", "é": "", w.secret: "", "sk_": "",
		strings.Repeat("x", 128): strings.Repeat("x", 128), strings.Repeat("x", 129): "",
	} {
		if got := logged(request("X-Api-Key", w.secret, "X-Request-Id", sent), httptest.NewRecorder()); got != want {
			t.Errorf("request id %q was logged as %q, want %q", sent, got, want)
		}
	}
	rec := httptest.NewRecorder()
	rec.Header().Set("X-Request-Id", "ours")
	if got := logged(request("X-Api-Key", w.secret, "X-Request-Id", "theirs"), rec); got != "ours" {
		t.Errorf("logged %q; the id that the app gave the response goes first", got)
	}
}
