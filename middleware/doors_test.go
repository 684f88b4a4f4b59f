package keyauth_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/labstack/echo/v4"
	echo5 "github.com/labstack/echo/v5"

	keyauth "github.com/latchkey-go/latchkey/middleware"
	echoauth "github.com/latchkey-go/latchkey/middleware/echov4"
	echoauth5 "github.com/latchkey-go/latchkey/middleware/echov5"
	"github.com/latchkey-go/latchkey/store"
)

func TestTheShorthandsTakeTheirTypes(t *testing.T) {
	w := newWorld(t)
	four, five, mux := echo.New(), echo5.New(), http.NewServeMux()
	id := func(c echo.Context) error { return c.String(200, echoauth.Key(c).ID) }
	four.GET("/shop", id, echoauth.Publishable(w.keys))
	four.GET("/api", id, echoauth.Secret(w.keys))
	four.GET("/both", id, echoauth.Any(w.keys))
	id5 := func(c *echo5.Context) error { return c.String(200, echoauth5.Key(c).ID) }
	five.GET("/shop", id5, echoauth5.Publishable(w.keys))
	five.GET("/api", id5, echoauth5.Secret(w.keys))
	five.GET("/both", id5, echoauth5.Any(w.keys))
	plain := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = w.Write([]byte(whoIs(r))) })
	mux.Handle("/shop", keyauth.Publishable(w.keys)(plain))
	mux.Handle("/api", keyauth.Secret(w.keys)(plain))
	mux.Handle("/both", keyauth.Any(w.keys)(plain))
	for name, h := range map[string]http.Handler{"Echo v4": four, "Echo v5": five, "net/http": mux} {
		for _, row := range []struct {
			path, token string
			status      int
		}{
			{"/shop", w.publishable, 200}, {"/shop", w.secret, 403},
			{"/api", w.publishable, 403}, {"/api", w.secret, 200},
			{"/both", w.publishable, 200}, {"/both", w.secret, 200},
		} {
			r := request("X-Api-Key", row.token)
			r.URL.Path = row.path
			got := serve(h, r)
			if got.Code != row.status || got.Code == 200 && got.Body.String() != w.ids[row.token] {
				t.Errorf("%s, %s: %d %s, want %d", name, row.path, got.Code, got.Body, row.status)
			}
		}
	}
}

// styles are what Config.Errors and Config.ErrorFunc can ask for.
var styles = map[string]func(*keyauth.Config){
	"standard": func(*keyauth.Config) {},
	"Medusa":   func(c *keyauth.Config) { c.Errors = keyauth.MedusaErrors },
	"problem":  func(c *keyauth.Config) { c.Errors = keyauth.ProblemErrors },
	"the app's own": func(c *keyauth.Config) {
		c.ErrorFunc = func(r *http.Request, refusal *keyauth.Refusal) {
			refusal.Status++
			refusal.Header.Set("X-App", r.URL.Path)
			refusal.Body = map[string]string{"oops": "<" + http.StatusText(refusal.Status) + ">"}
		}
	},
	"the app's own bytes": func(c *keyauth.Config) {
		c.ErrorFunc = func(_ *http.Request, refusal *keyauth.Refusal) {
			refusal.Header.Set("Content-Type", "text/plain")
			refusal.Body = []byte("<no & no>")
		}
	},
}

// Every refusal is the same through all doors: status, headers and body, to the byte, over real
// connections.
func TestEveryRefusalIsTheSameThroughAllDoors(t *testing.T) {
	w := newWorld(t)
	limited := w.create(t, store.NewKey{Type: store.Secret, RateLimit: store.RateLimit{Requests: 1, Window: time.Hour}})
	if _, err := w.keys.Limiter().Take(t.Context(), w.ids[limited], store.RateLimit{Requests: 1, Window: time.Hour}); err != nil {
		t.Fatal(err)
	}
	forbid := func(c *keyauth.Config) { c.ForbidPlainHTTP = true }
	realm := func(c *keyauth.Config) { c.Realm = "shop" }
	wary := func(c *keyauth.Config) { c.MaxFailures = store.RateLimit{Requests: 1, Window: time.Hour} }
	browsers := func(c *keyauth.Config) { c.ForbidBrowserOrigins = true }
	optional := func(c *keyauth.Config) { c.Optional = true }
	for _, row := range []struct {
		name    string
		config  func(*keyauth.Config)
		scopes  []string
		lines   []string
		before  int // requests of this kind that come first
		fail    error
		method  string
		status  int
		message string
		problem string // the problem's code
	}{
		{name: "no credential", status: 401, message: "Unauthorized", problem: "unauthorized"},
		{name: "no credential, HEAD", method: "HEAD", status: 401},
		{name: "a preflight", method: "OPTIONS", lines: []string{"Origin", "https://shop.example", "Access-Control-Request-Method", "GET"}, status: 401},
		{name: "a realm", config: realm, lines: []string{"X-Api-Key", w.unknown}, status: 401},
		{name: "malformed", lines: []string{"X-Api-Key", "sk_nonsense"}, status: 401},
		{name: "unknown", lines: []string{"X-Api-Key", w.unknown}, status: 401},
		{name: "revoked", lines: []string{"Authorization", "Basic " + w.revoked}, status: 401},
		{name: "expired", lines: []string{"X-Api-Key", w.expired}, status: 401},
		{name: "a secret key as Bearer", lines: []string{"Authorization", "Bearer " + w.revoked}, status: 401},
		{name: "two keys", lines: []string{"X-Api-Key", w.secret, "X-Api-Key", w.other}, status: 400, message: "Two different API keys were sent; send one", problem: "invalid_request"},
		{name: "another type", lines: []string{"X-Api-Key", w.publishable}, status: 403, message: "This type of API key is not accepted here", problem: "forbidden"},
		{name: "a scope of the guard's", config: func(c *keyauth.Config) { c.Scopes = []string{"a&b<c>"} }, lines: []string{"X-Api-Key", w.scoped}, status: 403},
		{name: "a scope of the route's", scopes: []string{"orders:write", "a&b<c>"}, lines: []string{"X-Api-Key", w.scoped}, status: 403, message: "The API key lacks a required scope: orders:write a&b<c>", problem: "forbidden"},
		{name: "a scope of the route's, with a realm", config: realm, scopes: []string{"orders:write"}, lines: []string{"X-Api-Key", w.scoped}, status: 403},
		{name: "nobody, where a scope is required", config: optional, scopes: []string{"orders:write"}, status: 401, message: "Unauthorized", problem: "unauthorized"},
		{name: "an address", lines: []string{"X-Api-Key", w.bound}, status: 403},
		{name: "plain HTTP", config: forbid, lines: []string{"X-Api-Key", w.secret}, status: 403},
		{name: "a page of another origin", config: browsers, lines: []string{"X-Api-Key", w.secret, "Origin", "https://evil.example"}, status: 403},
		{name: "too often", lines: []string{"X-Api-Key", limited}, status: 429, message: "Too many requests; try again later", problem: "too_many_requests"},
		{name: "too many failures", config: wary, before: 2, lines: []string{"X-Api-Key", w.unknown}, status: 429},
		{name: "undecided", lines: []string{"X-Api-Key", w.secret}, fail: store.ErrUnavailable, status: 503, message: "The API key cannot be checked at the moment; try again", problem: "unavailable"},
	} {
		for style, set := range styles {
			t.Run(row.name+"/"+style, func(t *testing.T) {
				w.spy.fail.Store(nil)
				if row.fail != nil {
					w.spy.failWith(row.fail)
				}
				var want string
				for _, d := range doors() {
					config := w.config(store.Secret)
					config.RefusalTime = -1
					set(&config)
					if row.config != nil {
						row.config(&config)
					}
					h := d.open(t, config, row.scopes...)
					server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
						w.Header().Set("Content-Type", "text/html") // of the answer that is not given
						h.ServeHTTP(w, r)
					}))
					defer server.Close()
					var got, body string
					var status int
					for range row.before + 1 {
						status, got, body = dump(t, server.URL, row.method, row.lines)
					}
					if row.method == http.MethodHead { // Echo's handler says nothing of a body that it does not send
						got = ofBodies.ReplaceAllString(got, "")
					}
					if want == "" {
						want = got
					}
					if got != want {
						t.Errorf("%s: answered\n%s\nwhere %s answered\n%s", d.name, got, doors()[0].name, want)
					}
					if style == "standard" && status != row.status {
						t.Errorf("%s: %d, want %d", d.name, status, row.status)
					}
					if style == "standard" && row.message != "" && !strings.Contains(got, "Content-Type: application/json\r\n") {
						t.Errorf("%s: no JSON: %s", d.name, got)
					}
					if style == "problem" && row.message != "" {
						problem, err := json.Marshal(map[string]any{"title": http.StatusText(row.status), "status": row.status, "detail": row.message, "code": row.problem})
						if err != nil {
							t.Fatal(err)
						}
						if !sameJSON(t, body, string(problem)) || !strings.Contains(got, "Content-Type: application/problem+json\r\n") {
							t.Errorf("%s: %s, want %s", d.name, got, problem)
						}
					}
					if style == "the app's own" && row.message != "" && (status != row.status+1 || !strings.Contains(got, "X-App: /products") || !strings.HasPrefix(body, `{"oops":"\u003c`)) {
						t.Errorf("%s: %s", d.name, got)
					}
					if style == "the app's own bytes" && row.message != "" && (status != row.status || body != "<no & no>" || !strings.Contains(got, "Content-Type: text/plain\r\n")) {
						t.Errorf("%s: %s", d.name, got)
					}
				}
			})
		}
	}
}

// ofBodies are the fields of an answer that say how long and of what kind its body is.
var ofBodies = regexp.MustCompile(`(?m)^(Content-Length|Content-Type|Connection): .*\r\n`)

// dump sends a request over a connection and returns the answer, without its date.
func dump(t *testing.T, url, method string, lines []string) (status int, all, body string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url+"/products", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header = request(lines...).Header
	response, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := httputil.DumpResponse(response, true)
	if err != nil {
		t.Fatal(err)
	}
	_, body, _ = strings.Cut(string(text), "\r\n\r\n")
	return response.StatusCode, date.ReplaceAllString(string(text), ""), body
}

func sameJSON(t *testing.T, a, b string) bool {
	t.Helper()
	var x, y any
	if err := errors.Join(json.Unmarshal([]byte(a), &x), json.Unmarshal([]byte(b), &y)); err != nil {
		t.Error(err)
	}
	return reflect.DeepEqual(x, y)
}

func TestTheAppsErrorHandlerStaysInCharge(t *testing.T) {
	w := newWorld(t)
	for name, row := range map[string]struct {
		lines   []string
		cause   error
		message string
	}{
		"no credential": {nil, keyauth.ErrNoCredential, "Unauthorized"},
		"revoked":       {[]string{"X-Api-Key", w.revoked}, store.ErrRevoked, "Unauthorized"},
		"two keys":      {[]string{"X-Api-Key", w.secret, "Authorization", "Bearer " + w.other}, keyauth.ErrConflictingCredentials, "Two different API keys were sent; send one"},
		"wrong type":    {[]string{"X-Api-Key", w.publishable}, store.ErrWrongType, "This type of API key is not accepted here"},
		"scope":         {[]string{"X-Api-Key", w.scoped}, keyauth.ErrInsufficientScope, "The API key lacks a required scope: orders:write"},
		"address":       {[]string{"X-Api-Key", w.bound}, keyauth.ErrAddressNotAllowed, "The API key may not be used from this address"},
	} {
		for _, d := range doors() {
			if d.app().onError == nil {
				continue
			}
			t.Run(d.name+"/"+name, func(t *testing.T) {
				ask := func(handle func(http.ResponseWriter, *http.Request, error)) *httptest.ResponseRecorder {
					a := d.app()
					if handle != nil {
						a.onError(handle)
					}
					a.any("", "/products", func(http.ResponseWriter, *http.Request) {}, a.guard(w.config(store.Secret)), a.require("orders:write"))
					return serve(a, request(row.lines...))
				}
				standard := ask(nil)

				var seen error
				got := ask(func(w http.ResponseWriter, _ *http.Request, err error) {
					seen = err
					w.WriteHeader(http.StatusTeapot)
					_, _ = w.Write([]byte("the app's own words"))
				})
				if got.Code != http.StatusTeapot || got.Body.String() != "the app's own words" {
					t.Errorf("%d %s", got.Code, got.Body)
				}
				if got.Header().Get("Cache-Control") != "no-store" || got.Header().Get("WWW-Authenticate") == "" {
					t.Errorf("the guard's headers are gone: %v", got.Header())
				}
				if !errors.Is(seen, row.cause) {
					t.Fatalf("the handler was given %#v, want an error with %v inside", seen, row.cause)
				}
				switch told := seen.(type) {
				case *echo.HTTPError:
					if text := told.Message.(string); told.Code != standard.Code || text != row.message { // must not panic
						t.Errorf("message %q", text)
					}
					inner := told.Internal.(*echo.HTTPError)
					body, err := json.Marshal(inner.Message)
					if err != nil || inner.Code != standard.Code || string(body) != strings.TrimSpace(standard.Body.String()) {
						t.Errorf("inner: %d %s %v", inner.Code, body, err)
					}
				default:
					body, err := json.Marshal(told)
					if err != nil || echo5.StatusCode(told) != standard.Code || string(body) != strings.TrimSpace(standard.Body.String()) {
						t.Errorf("%d %s %v", echo5.StatusCode(told), body, err)
					}
				}

				for how, wrap := range map[string]func(error) error{
					"as it is": func(err error) error { return err },
					"wrapped":  func(err error) error { return fmt.Errorf("the app: %w", err) },
				} {
					again := ask(func(w http.ResponseWriter, r *http.Request, err error) { keyauth.WriteError(w, r, wrap(err)) })
					if again.Code != standard.Code || again.Body.String() != standard.Body.String() || !reflect.DeepEqual(again.Header(), standard.Header()) {
						t.Errorf("WriteError, %s: %d %s %v, want %d %s %v", how, again.Code, again.Body, again.Header(), standard.Code, standard.Body, standard.Header())
					}
				}
			})
		}
	}
}

// A body that is exact has been sent when the error is returned.
func TestExactBodiesAreSentBeforeTheErrorHandlerIsAsked(t *testing.T) {
	w := newWorld(t)
	for _, d := range doors() {
		a := d.app()
		if a.onError == nil {
			continue
		}
		called := 0
		a.onError(func(http.ResponseWriter, *http.Request, error) { called++ })
		config := w.config(store.Secret)
		config.Errors = keyauth.MedusaErrors
		a.any("", "/products", func(http.ResponseWriter, *http.Request) {}, a.guard(config))
		if got := serve(a, request()); got.Code != 401 || got.Body.String() != `{"message":"Unauthorized"}` || called != 0 {
			t.Errorf("%s: %d %s, and the handler was called %d times", d.name, got.Code, got.Body, called)
		}
	}
	t.Run("and WriteError does not send them again", func(t *testing.T) {
		config := w.config(store.Secret)
		config.Errors = keyauth.MedusaErrors
		four, five := echo.New(), echo5.New()
		four.HTTPErrorHandler = func(err error, c echo.Context) { keyauth.WriteError(c.Response(), c.Request(), err) }
		five.HTTPErrorHandler = func(c *echo5.Context, err error) { keyauth.WriteError(c.Response(), c.Request(), err) }
		four.GET("/products", nil, echoauth.WithConfig(config))
		five.GET("/products", func(*echo5.Context) error { return nil }, echoauth5.WithConfig(config))
		for name, h := range map[string]http.Handler{"Echo v4": four, "Echo v5": five} {
			if got := serve(h, request()); got.Code != 401 || got.Body.String() != `{"message":"Unauthorized"}` {
				t.Errorf("%s: %d %s", name, got.Code, got.Body)
			}
		}
	})
}

// WriteError speaks like the guard that has let the request in.
func TestWriteErrorUsesTheGuardsWords(t *testing.T) {
	w := newWorld(t)
	for name, row := range map[string]struct {
		set      func(*keyauth.Config)
		optional bool
		err      error
		status   int
		body     string
		header   map[string]string
	}{
		"standard":  {styles["standard"], false, store.ErrRevoked, 401, unauthorized + "\n", map[string]string{"WWW-Authenticate": invalidToken, "Content-Type": "application/json", "Cache-Control": "no-store"}},
		"Medusa":    {styles["Medusa"], false, store.ErrRevoked, 401, `{"message":"Unauthorized"}`, map[string]string{"Content-Type": "application/json; charset=utf-8"}},
		"problem":   {styles["problem"], false, store.ErrRevoked, 401, `{"title":"Unauthorized","status":401,"detail":"Unauthorized","code":"unauthorized"}` + "\n", map[string]string{"Content-Type": "application/problem+json"}},
		"nobody":    {styles["problem"], true, store.ErrUnavailable, 503, "", map[string]string{"Content-Type": "application/problem+json", "Retry-After": "3"}},
		"its realm": {func(c *keyauth.Config) { c.Realm = "shop" }, false, store.ErrRevoked, 401, unauthorized + "\n", map[string]string{"WWW-Authenticate": `Bearer realm="shop", error="invalid_token"`}},
		"foreign":   {styles["standard"], false, errors.New("disk on fire"), 503, "", map[string]string{"Retry-After": "3"}},
		"no scope":  {styles["standard"], false, fmt.Errorf("x: %w", keyauth.ErrNoCredential), 401, unauthorized + "\n", map[string]string{"WWW-Authenticate": "Bearer"}},
	} {
		t.Run(name, func(t *testing.T) {
			config := w.config(store.Secret)
			config.RetryAfter, config.Optional = 3*time.Second, row.optional
			row.set(&config)
			lines := []string{"X-Api-Key", w.secret}
			if row.optional {
				lines = nil
			}
			for _, d := range doors() {
				a := d.app()
				a.any("", "/products", func(w http.ResponseWriter, r *http.Request) { keyauth.WriteError(w, r, row.err) }, a.guard(config))
				got := serve(a, request(lines...))
				if got.Code != row.status || row.body != "" && got.Body.String() != row.body {
					t.Errorf("%s: %d %s", d.name, got.Code, got.Body)
				}
				for header, want := range row.header {
					if got.Header().Get(header) != want {
						t.Errorf("%s: %s: %q, want %q", d.name, header, got.Header().Get(header), want)
					}
				}
			}
		})
	}
	for _, d := range doors() { // before a key is let in, the words are in the error
		a := d.app()
		if a.onError == nil {
			continue
		}
		a.onError(func(w http.ResponseWriter, r *http.Request, err error) { keyauth.WriteError(w, r, err) })
		config := w.config(store.Secret)
		config.Errors = keyauth.ProblemErrors
		a.any("", "/products", func(http.ResponseWriter, *http.Request) {}, a.guard(config))
		if got := serve(a, request()); got.Code != 401 || !strings.HasPrefix(got.Body.String(), `{"title":"Unauthorized"`) {
			t.Errorf("%s: %d %s", d.name, got.Code, got.Body)
		}
	}
	rec := httptest.NewRecorder()
	keyauth.WriteError(rec, request(), store.ErrUnavailable)
	if rec.Code != 503 || rec.Header().Get("Retry-After") != "1" {
		t.Errorf("without a guard: %d %v", rec.Code, rec.Header())
	}
}

func TestSkippedRequestsAreNotLookedAt(t *testing.T) {
	w := newWorld(t)
	for _, d := range doors() {
		a := d.app()
		if a.skip == nil {
			continue
		}
		w.spy.calls.Store(0)
		guard := a.skip(func(r *http.Request, pattern string) bool { return pattern == "/healthz" && r.URL.Path == pattern }, a.guard(w.config(store.Secret)))
		who := func(w http.ResponseWriter, r *http.Request) { _, _ = w.Write([]byte(whoIs(r))) }
		a.any("", "/healthz", who, guard)
		a.any("", "/products", who, guard)
		r := request("X-Api-Key", w.secret)
		r.URL.Path = "/healthz"
		if got := serve(a, r); got.Code != 200 || got.Body.String() != "nobody" || got.Header().Get("Vary") != "" || w.spy.calls.Load() != 0 {
			t.Errorf("%s: %d %s %v, %d lookups", d.name, got.Code, got.Body, got.Header(), w.spy.calls.Load())
		}
		if got := serve(a, request()); got.Code != 401 {
			t.Errorf("%s: not skipped: %d, want 401", d.name, got.Code)
		}
		if got := serve(a, request("X-Api-Key", w.secret)); got.Body.String() != w.ids[w.secret] {
			t.Errorf("%s: not skipped, with a key: %d %s", d.name, got.Code, got.Body)
		}
	}
}

func TestKeyPanicsOnAnUnguardedRoute(t *testing.T) {
	for name, f := range map[string]func(){
		"Echo v4": func() { echoauth.Key(echo.New().NewContext(request(), nil)) },
		"Echo v5": func() { echoauth5.Key(echo5.New().NewContext(request(), httptest.NewRecorder())) },
	} {
		func() {
			defer func() {
				if p, ok := recover().(string); !ok || !strings.Contains(p, "guard") {
					t.Errorf("%s: panic: %v", name, p)
				}
			}()
			f()
			t.Errorf("%s: no panic", name)
		}()
	}
}

func TestRequireFailsClosedOnAnUnguardedRoute(t *testing.T) {
	w := newWorld(t)
	for _, d := range doors() {
		a := d.app()
		a.any("", "/products", func(http.ResponseWriter, *http.Request) {}, a.require("orders:read"))
		got := serve(a, request("X-Api-Key", w.secret))
		if got.Code != 401 || strings.TrimSpace(got.Body.String()) != unauthorized || got.Header().Get("WWW-Authenticate") != "Bearer" || got.Header().Get("Cache-Control") != "no-store" {
			t.Errorf("%s: %d %s %v", d.name, got.Code, got.Body, got.Header())
		}
	}
}

// throughProxy is how an app believes X-Forwarded-For of httptest's client alone.
func throughProxy(t *testing.T) func(*http.Request) string {
	_, peer, err := net.ParseCIDR("192.0.2.0/24")
	if err != nil {
		t.Fatal(err)
	}
	return echo.ExtractIPFromXFFHeader(echo.TrustLoopback(false), echo.TrustLinkLocal(false), echo.TrustPrivateNet(false), echo.TrustIPRange(peer))
}

func TestTheClientsAddressIsWhatTheIPExtractorSays(t *testing.T) {
	w := newWorld(t)
	for _, d := range doors() {
		a := d.app()
		if a.extract == nil {
			continue
		}
		guard := a.guard(w.config(store.Secret))
		a.any("", "/products", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(204) }, guard)
		a.mount("/mounted", keyauth.Secret(w.keys)(http.NotFoundHandler()))
		a.mount("/own", keyauth.WithConfig(keyauth.Config{Keys: w.keys, Logger: quiet(), ClientIP: func(*http.Request) string { return "10.1.9.9" }})(http.NotFoundHandler()))
		ask := func(path, client string) int {
			r := request("X-Api-Key", w.bound, "X-Forwarded-For", client)
			r.URL.Path = path
			return serve(a, r).Code
		}
		if got := ask("/products", "10.1.2.3"); got != 403 {
			t.Errorf("%s: X-Forwarded-For was believed without an IPExtractor: %d", d.name, got)
		}
		if got := ask("/mounted/x", "10.1.2.3"); got != 403 {
			t.Errorf("%s: X-Forwarded-For was believed without an IPExtractor below Mount: %d", d.name, got)
		}
		a.extract(throughProxy(t))
		for path, good := range map[string]int{"/products": 204, "/mounted/x": 404} {
			if got := ask(path, "10.1.2.3"); got != good {
				t.Errorf("%s, %s: the IPExtractor was not asked: %d", d.name, path, got)
			}
			if got := ask(path, "172.16.0.1"); got != 403 {
				t.Errorf("%s, %s: the IPExtractor's answer did not count: %d", d.name, path, got)
			}
		}
		if got := ask("/own/x", "172.16.0.1"); got != 404 {
			t.Errorf("%s: ClientIP does not go first: %d", d.name, got)
		}
	}
}

func TestNestedGuardsSayVaryOnceAndTheInnerKeyCounts(t *testing.T) {
	w := newWorld(t)
	for _, d := range doors() {
		a := d.app()
		config := w.config(store.Secret)
		config.Extractors = []keyauth.Extractor{keyauth.Bearer}
		outer := w.config(store.Publishable)
		a.keyed("/products", a.guard(outer), a.guard(outer), a.guard(config))
		got := serve(a, request("X-Publishable-Api-Key", w.publishable, "Authorization", "Bearer "+w.secret))
		if got.Body.String() != w.ids[w.secret] {
			t.Errorf("%s: %d %s", d.name, got.Code, got.Body)
		}
		if vary := strings.Join(got.Header().Values("Vary"), "; "); vary != "X-Publishable-Api-Key, X-Api-Key; Authorization" {
			t.Errorf("%s: Vary: %s", d.name, vary)
		}
	}
}

func TestNoRefusalHoldsTheToken(t *testing.T) {
	w := newWorld(t)
	for _, d := range doors() {
		for _, token := range []string{w.revoked, w.unknown, w.expired, w.scoped, w.bound, w.publishable, "sk_" + strings.Repeat("canary", 10)} {
			a := d.app()
			var all bytes.Buffer
			if a.onError != nil {
				a.onError(func(w http.ResponseWriter, r *http.Request, err error) {
					fmt.Fprintf(&all, "%v %+v", err, err)
					keyauth.WriteError(w, r, err)
				})
			}
			a.any("", "/products", func(http.ResponseWriter, *http.Request) {}, a.guard(w.config(store.Secret)), a.require("x"))
			got := serve(a, request("X-Api-Key", token))
			if got.Code < 400 {
				t.Errorf("%s: %d", d.name, got.Code)
			}
			_ = got.Result().Write(&all)
			if secret := token[3:]; strings.Contains(all.String(), secret) || strings.Contains(all.String(), secret[:12]) {
				t.Errorf("%s: a token, or the beginning of one, is in:\n%s", d.name, all.String())
			}
		}
	}
}

// listed is a handler that tells what comes to it, and lists routes.
type listed struct{ seen []string }

func (l *listed) Routes() []string { return []string{"GET /things/{id}", "POST /things/{id}/end"} }

func (l *listed) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	l.seen = append(l.seen, r.Method+" "+r.URL.Path+" "+r.URL.RawPath+"?"+r.URL.RawQuery)
	_, _ = w.Write([]byte(whoIs(r)))
}

// Paths below a group are those that net/http's StripPrefix leaves, however they are escaped.
func TestMountLeavesThePathBelowTheGroup(t *testing.T) {
	for prefix, below := range map[string]string{"": "", "/admin": "/admin", "/a/b": "/a/b", "/shops/:shop/admin": "/shops/a%20b/admin"} {
		for target, want := range map[string]string{
			"/":                      "/ ",
			"/things":                "/things ",
			"/things/7":              "/things/7 ",
			"/things/7/":             "/things/7/ ",
			"/things/7/end?a=b%2Fc":  "/things/7/end ?a=b%2Fc",
			"/things/a%2Fb":          "/things/a/b /things/a%2Fb",
			"/things/a%25b%20%C3%A9": "/things/a%b é ",
			"/things/a%2Fb%25/end":   "/things/a/b%/end /things/a%2Fb%25/end",
			"/other/%2e%2e/x":        "/other/../x /other/%2e%2e/x",
			"//things":               "//things ",
		} {
			for _, d := range doors() {
				if d.name == "net/http" && (strings.Contains(prefix, ":") || prefix == "" || strings.Contains(target, "//") || strings.Contains(target, "%2e")) {
					continue // has no such patterns, and cleans paths by itself
				}
				a, h := d.app(), &listed{}
				a.mount(prefix, h)
				r := httptest.NewRequest("GET", "http://shop"+below+target, nil)
				serve(a, r)
				if !strings.Contains(want, "?") {
					want += "?"
				}
				if len(h.seen) != 1 || strings.Replace(h.seen[0], " ?", "?", 1) != "GET "+strings.Replace(want, " ?", "?", 1) {
					t.Errorf("%s, below %q: %s came as %q, want %q", d.name, prefix, target, h.seen, "GET "+want)
				}
			}
		}
	}
}

func TestMountKnowsAnEncodedSlashInItsOwnParameter(t *testing.T) {
	for _, d := range doors() {
		if d.name == "net/http" {
			continue // has no parameters in what it strips
		}
		a, h := d.app(), &listed{}
		a.mount("/shops/:shop/admin", h)
		serve(a, httptest.NewRequest("GET", "/shops/a%2Fb/admin/things/7", nil))
		serve(a, httptest.NewRequest("GET", "/shops/a%2Fb/admin/things/7%2F8", nil))
		if got := strings.Join(h.seen, ", "); got != "GET /things/7 /things/7?, GET /things/7/8 /things/7%2F8?" {
			t.Errorf("%s: came as %s", d.name, got)
		}
	}
}

func TestMountServesTheGroupItselfEveryMethodAndBehindItsMiddleware(t *testing.T) {
	w := newWorld(t)
	for _, d := range doors() {
		a, h := d.app(), &listed{}
		a.mount("/admin", h, a.guard(w.config(store.Secret)))
		for _, method := range []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"} {
			for _, path := range []string{"/admin/", "/admin/things", "/admin/things/7", "/admin/things/7/end"} {
				h.seen = nil
				r := httptest.NewRequest(method, path, nil)
				if got := serve(a, r); got.Code != 401 || len(h.seen) != 0 {
					t.Errorf("%s: %s %s without a key: %d, came %q", d.name, method, path, got.Code, h.seen)
				}
				r.Header.Set("X-Api-Key", w.secret)
				if got := serve(a, r); got.Code != 200 || len(h.seen) != 1 || got.Body.String() != w.ids[w.secret] {
					t.Errorf("%s: %s %s: %d %s, came %q", d.name, method, path, got.Code, got.Body, h.seen)
				}
			}
		}
		if d.name == "net/http" {
			continue // redirects
		}
		h.seen = nil
		r := httptest.NewRequest("GET", "/admin", nil)
		r.Header.Set("X-Api-Key", w.secret)
		if serve(a, r); len(h.seen) != 1 || h.seen[0] != "GET / ?" {
			t.Errorf("%s: the group itself came as %q", d.name, h.seen)
		}
	}
}

func TestRoutesOfAMountedHandlerAreInEchosList(t *testing.T) {
	want := map[string]bool{"GET /s/:s/things/:id": true, "HEAD /s/:s/things/:id": true, "POST /s/:s/things/:id/end": true}
	four, five := echo.New(), echo5.New()
	echoauth.Mount(four.Group("/s/:s"), &listed{})
	echoauth5.Mount(five.Group("/s/:s"), &listed{})
	lists := map[string]map[string]bool{"v4": {}, "v5": {}}
	for _, r := range four.Routes() {
		lists["v4"][r.Method+" "+r.Path] = true
	}
	for _, r := range five.Router().Routes() {
		lists["v5"][r.Method+" "+r.Path] = true
	}
	for name, list := range lists {
		maps.DeleteFunc(list, func(route string, _ bool) bool {
			return strings.Contains(route, "*") || strings.HasPrefix(route, "echo_route")
		})
		if !maps.Equal(list, want) {
			t.Errorf("%s lists %v", name, list)
		}
	}
}

// The Echo context is there while the request is served, and not after that, when Echo uses it for
// others.
func TestContextIsThereWhileTheRequestIs(t *testing.T) {
	var kept *http.Request
	var there bool
	var param string
	four, five := echo.New(), echo5.New()
	echoauth.Mount(four.Group("/s/:s"), http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		var c echo.Context
		if c, there = echoauth.Context(r); there {
			param = c.Param("s")
		}
		kept = r
	}))
	echoauth5.Mount(five.Group("/s/:s"), http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		var c *echo5.Context
		if c, there = echoauth5.Context(r); there {
			param = c.Param("s")
		}
		kept = r
	}))
	is4 := func(r *http.Request) bool { _, ok := echoauth.Context(r); return ok }
	is5 := func(r *http.Request) bool { _, ok := echoauth5.Context(r); return ok }
	for name, row := range map[string]struct {
		h          http.Handler
		own, other func(*http.Request) bool
	}{"v4": {four, is4, is5}, "v5": {five, is5, is4}} {
		kept, there, param = nil, false, ""
		r := httptest.NewRequest("GET", "/s/seven/x", nil)
		serve(row.h, r)
		if !there || param != "seven" {
			t.Errorf("%s: while it is served: %v %q", name, there, param)
		}
		if row.own(kept) || row.other(kept) || row.own(r) {
			t.Errorf("%s: there is one when the request is over, or of the other version, or without Mount", name)
		}
	}
}
