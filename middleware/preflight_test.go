package keyauth_test

import (
	"bufio"
	"bytes"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/labstack/echo/v4"
	echomiddleware "github.com/labstack/echo/v4/middleware"
	echo5 "github.com/labstack/echo/v5"
	echo5middleware "github.com/labstack/echo/v5/middleware"

	"github.com/latchkey-go/latchkey/internal/guard"
	keyauth "github.com/latchkey-go/latchkey/middleware"
	echoauth "github.com/latchkey-go/latchkey/middleware/echov4"
	echoauth5 "github.com/latchkey-go/latchkey/middleware/echov5"
	"github.com/latchkey-go/latchkey/store"
)

// body counts how often it is read.
type body struct {
	io.Reader
	reads int
}

func (b *body) Read(p []byte) (int, error) { b.reads++; return b.Reader.Read(p) }

// preflight is a CORS preflight as anybody can forge it.
func preflight(lines ...string) *http.Request {
	r := request(append([]string{"Origin", "https://shop.example", "Access-Control-Request-Method", "POST"}, lines...)...)
	r.Method = http.MethodOptions
	return r
}

// router has the shape of chi's: middlewares around handlers that are asked for every method.
type router struct {
	mux  *http.ServeMux
	uses []func(http.Handler) http.Handler
}

func (m *router) Handle(pattern string, h http.Handler) {
	for i := len(m.uses) - 1; i >= 0; i-- {
		h = m.uses[i](h)
	}
	m.mux.Handle(pattern, h)
}

// protected are handlers that act on every method, by what an app would build them with.
func protected(t *testing.T) map[string]http.Handler {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "products"), []byte("apron"), 0o600); err != nil {
		t.Fatal(err)
	}
	upstream := roundTrip(func(r *http.Request) (*http.Response, error) {
		if r.Body != nil {
			_, _ = io.Copy(io.Discard, r.Body)
		}
		return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: http.NoBody, Request: r}, nil
	})
	return map[string]http.Handler{
		"HandleFunc": http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.Copy(w, r.Body) }),
		"FileServer": http.FileServer(http.Dir(dir)),
		"ReverseProxy": &httputil.ReverseProxy{
			Rewrite: func(r *httputil.ProxyRequest) { r.Out.URL.Scheme, r.Out.URL.Host = "http", "upstream" }, Transport: upstream,
		},
	}
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// mounts are the ways to put a guard, and perhaps Require, in front of a handler.
var mounts = map[string]func(t *testing.T, c keyauth.Config, scopes []string, h http.Handler) http.Handler{
	"net/http": func(t *testing.T, c keyauth.Config, scopes []string, h http.Handler) http.Handler {
		mux := http.NewServeMux()
		if len(scopes) > 0 {
			h = keyauth.Require(scopes...)(h)
		}
		mux.HandleFunc("/", h.ServeHTTP)
		return keyauth.WithConfig(c)(mux)
	},
	"a router like chi's": func(t *testing.T, c keyauth.Config, scopes []string, h http.Handler) http.Handler {
		m := &router{mux: http.NewServeMux(), uses: []func(http.Handler) http.Handler{keyauth.WithConfig(c)}}
		if len(scopes) > 0 {
			m.uses = append(m.uses, keyauth.Require(scopes...))
		}
		m.Handle("/products", h)
		return m.mux
	},
	"Echo's Any": func(t *testing.T, c keyauth.Config, scopes []string, h http.Handler) http.Handler {
		e := echo.New()
		e.Any("/products", echo.WrapHandler(h), chain(c, scopes)...)
		return e
	},
	"Echo's Use": func(t *testing.T, c keyauth.Config, scopes []string, h http.Handler) http.Handler {
		e := echo.New()
		e.Use(chain(c, scopes)...)
		e.Any("/products", echo.WrapHandler(h))
		return e
	},
	"Echo v5's Any": func(t *testing.T, c keyauth.Config, scopes []string, h http.Handler) http.Handler {
		e := echo5.New()
		e.Any("/products", echo5.WrapHandler(h), chain5(c, scopes)...)
		return e
	},
	"Echo v5's Use": func(t *testing.T, c keyauth.Config, scopes []string, h http.Handler) http.Handler {
		e := echo5.New()
		e.Use(chain5(c, scopes)...)
		e.Any("/products", echo5.WrapHandler(h))
		return e
	},
	"a group of Echo v5": func(t *testing.T, c keyauth.Config, scopes []string, h http.Handler) http.Handler {
		e := echo5.New()
		e.Group("/products", chain5(c, scopes)...).Any("", echo5.WrapHandler(h))
		return e
	},
	"an Echo group": func(t *testing.T, c keyauth.Config, scopes []string, h http.Handler) http.Handler {
		e := echo.New()
		e.Group("/products", chain(c, scopes)...).Any("", echo.WrapHandler(h))
		return e
	},
}

func chain(c keyauth.Config, scopes []string) []echo.MiddlewareFunc {
	all := []echo.MiddlewareFunc{echoauth.WithConfig(c)}
	if len(scopes) > 0 {
		all = append(all, echoauth.Require(scopes...))
	}
	return all
}

func chain5(c keyauth.Config, scopes []string) []echo5.MiddlewareFunc {
	all := []echo5.MiddlewareFunc{echoauth5.WithConfig(c)}
	if len(scopes) > 0 {
		all = append(all, echoauth5.Require(scopes...))
	}
	return all
}

// A preflight is answered like a GET that carries nothing, to the byte, whatever it carries.
func TestRequirement21APreflightIsARequestWithoutACredential(t *testing.T) {
	w := newWorld(t)
	carried := map[string][]string{
		"nothing":             nil,
		"a good key":          {"Authorization", "Bearer " + w.secret},
		"a good key as Basic": {"Authorization", "Basic " + b64(w.secret+":")},
		"a good API key":      {"X-Api-Key", w.secret},
		"a good shop key":     {"X-Publishable-Api-Key", w.publishable},
		"a scoped key":        {"X-Api-Key", w.scoped},
		"an unknown key":      {"X-Api-Key", w.unknown},
		"a revoked key":       {"Authorization", "Bearer " + w.revoked},
		"a mistyped key":      {"X-Api-Key", swapTail(w.secret), "X-Publishable-Api-Key", "pk_nonsense"},
		"two keys":            {"X-Api-Key", w.secret, "Authorization", "Basic " + w.other},
		"a JWT":               {"Authorization", "Bearer eyJhbGciOi.e30.sig"},
	}
	const (
		medusaShop  = `{"type":"not_allowed","message":"Publishable API key required in the request header: x-publishable-api-key. You can manage your keys in settings in the dashboard."}`
		medusaStaff = `{"message":"Unauthorized"}`
	)
	guards := map[string]struct {
		types    []store.Type
		optional bool
		medusa   bool
		status   int
		body     string
		vary     string
	}{
		"Secret":                {types: []store.Type{store.Secret}, status: 401, body: unauthorized, vary: "Authorization, X-Api-Key"},
		"Publishable":           {types: []store.Type{store.Publishable}, status: 401, body: unauthorized, vary: "X-Publishable-Api-Key, X-Api-Key"},
		"Any":                   {types: []store.Type{store.Secret, store.Publishable}, status: 401, body: unauthorized, vary: "Authorization, X-Publishable-Api-Key, X-Api-Key"},
		"Optional":              {optional: true, status: 200, vary: "Authorization, X-Api-Key"},
		"Secret, Medusa":        {types: []store.Type{store.Secret}, medusa: true, status: 401, body: medusaStaff, vary: "Authorization, X-Api-Key"},
		"Publishable, Medusa":   {types: []store.Type{store.Publishable}, medusa: true, status: 400, body: medusaShop, vary: "X-Publishable-Api-Key, X-Api-Key"},
		"Optional, Medusa, Any": {types: []store.Type{store.Secret, store.Publishable}, optional: true, medusa: true, status: 200, vary: "Authorization, X-Publishable-Api-Key, X-Api-Key"},
	}
	for mountName, mount := range mounts {
		for handlerName, handler := range protected(t) {
			for guardName, g := range guards {
				for _, scopes := range [][]string{nil, {"orders:write"}} {
					t.Run(strings.Join(append([]string{mountName, handlerName, guardName}, scopes...), ": "), func(t *testing.T) {
						config := w.config(g.types...)
						config.Optional, config.Scopes = g.optional, scopes
						config.MaxFailures = store.RateLimit{Requests: 1, Window: time.Hour} // nothing of this is a failure
						if g.medusa {
							config.Errors = keyauth.MedusaErrors
						}
						reached := 0
						h := mount(t, config, scopes, http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
							reached++
							if _, ok := keyauth.KeyFrom(r.Context()); ok {
								t.Error("a preflight has a key")
							}
							handler.ServeHTTP(rw, r)
						}))
						status, want := g.status, g.body
						if g.optional && len(scopes) > 0 {
							status, want = 401, unauthorized
						}
						nothing := serve(h, request())
						reached = 0
						for name, lines := range carried {
							for _, withBody := range []bool{false, true} {
								r, b := preflight(lines...), &body{Reader: strings.NewReader(`{"delete":"everything"}`)}
								if withBody {
									r.Body, r.ContentLength = io.NopCloser(b), int64(b.Reader.(*strings.Reader).Len())
								}
								got := serve(h, r)
								if n := w.spy.calls.Swap(0); n != 0 {
									t.Errorf("%s: %d lookups", name, n)
								}
								if passed := status == 200; got.Code != status || (reached == 1) != passed || !passed && b.reads != 0 {
									t.Fatalf("%s: %d %s, reached %d times, body read %d times", name, got.Code, got.Body, reached, b.reads)
								}
								reached = 0
								if vary := got.Header().Get("Vary"); vary != g.vary {
									t.Errorf("%s: Vary %q, want %q", name, vary, g.vary)
								}
								if status == 200 {
									continue
								}
								if strings.TrimSpace(got.Body.String()) != want || got.Header().Get("Cache-Control") != "no-store" {
									t.Errorf("%s: %s %v", name, got.Body, got.Header())
								}
								if status == 401 && got.Header().Get("WWW-Authenticate") != "Bearer" {
									t.Errorf("%s: challenge %q", name, got.Header().Get("WWW-Authenticate"))
								}
								if got.Code != nothing.Code || got.Body.String() != nothing.Body.String() || !reflect.DeepEqual(got.Header(), nothing.Header()) {
									t.Errorf("%s: answered %d %v, a request without a credential %d %v", name, got.Code, got.Header(), nothing.Code, nothing.Header())
								}
							}
						}
					})
				}
			}
		}
	}
}

func TestRequirement21ABareOptionsIsARequestLikeAnyOther(t *testing.T) {
	w := newWorld(t)
	for _, pass := range []bool{false, true} {
		for _, d := range doors() {
			config := w.config(store.Secret)
			config.PassPreflights = pass
			h := d.open(t, config)
			for name, lines := range map[string][]string{
				"without any header":      nil,
				"with Origin alone":       {"Origin", "https://shop.example"},
				"with the method alone":   {"Access-Control-Request-Method", "POST"},
				"with an empty Origin":    {"Origin", "", "Access-Control-Request-Method", "POST"},
				"with no method in there": {"Origin", "https://shop.example", "Access-Control-Request-Method", ""},
			} {
				r := request(lines...)
				r.Method = http.MethodOptions
				if got := serve(h, r); got.Code != 401 {
					t.Errorf("%s: OPTIONS %s: %d, want 401", d.name, name, got.Code)
				}
				r.Header.Set("X-Api-Key", w.secret)
				if got := serve(h, r); got.Code != 200 || got.Body.String() != w.ids[w.secret] {
					t.Errorf("%s: OPTIONS %s with a key: %d %s, want 200", d.name, name, got.Code, got.Body)
				}
			}
			for _, method := range []string{"GET", "POST", "options", "OPTIONSX"} {
				r := preflight()
				r.Method = method
				if got := serve(h, r); got.Code == 200 {
					t.Errorf("%s: %s with the headers of a preflight was let in", d.name, method)
				}
			}
		}
	}
}

func TestRequirement21PassPreflightsIsTheOnlyException(t *testing.T) {
	w := newWorld(t)
	config := w.config(store.Secret)
	config.PassPreflights = true
	for _, d := range doors() {
		for name, lines := range map[string][]string{
			"nothing": nil, "a good key": {"X-Api-Key", w.secret}, "a bad key": {"X-Api-Key", w.revoked},
		} {
			if got := serve(d.open(t, config), preflight(lines...)); got.Code != 200 || got.Body.String() != "nobody" {
				t.Errorf("%s: %s: %d %s, want 200 nobody", d.name, name, got.Code, got.Body)
			}
			got := serve(d.open(t, config, "orders:read"), preflight(lines...))
			if got.Code != 401 || got.Header().Get("WWW-Authenticate") != "Bearer" {
				t.Errorf("%s: %s: Require answered %d", d.name, name, got.Code)
			}
		}
		wary := config
		wary.ForbidPlainHTTP = true
		if got := serve(d.open(t, wary), preflight()); got.Code != 403 {
			t.Errorf("%s: over plain HTTP: %d, want 403", d.name, got.Code)
		}
		if n := w.spy.calls.Load(); n != 0 {
			t.Errorf("%s: %d lookups", d.name, n)
		}
	}
	t.Run("Require refuses even where something has put a key into the context", func(t *testing.T) {
		key := &store.Key{ID: "apk_1", Type: store.Secret}
		r := preflight()
		r = r.WithContext(store.NewContext(r.Context(), key))
		for _, d := range doors() {
			a := d.app()
			a.any("", "/*", func(http.ResponseWriter, *http.Request) {}, a.require("orders:read"))
			if got := serve(a, r); got.Code != 401 || got.Header().Get("Cache-Control") != "no-store" {
				t.Errorf("%s: %d %v", d.name, got.Code, got.Header())
			}
		}
	})
}

// Echo's own CORS, in front of the guard and behind it.
func TestRequirement21CORSStandsInFrontOfTheGuard(t *testing.T) {
	w := newWorld(t)
	const allowed = "Access-Control-Allow-Origin"
	apps := map[string]func(c keyauth.Config, order string, h http.HandlerFunc) http.Handler{
		"Echo v4": func(c keyauth.Config, order string, h http.HandlerFunc) http.Handler {
			e := echo.New()
			all := map[string]echo.MiddlewareFunc{"cors": echomiddleware.CORS(), "guard": echoauth.WithConfig(c)}
			for name := range strings.FieldsSeq(order) {
				e.Use(all[name])
			}
			e.Any("/products", echo.WrapHandler(h))
			return e
		},
		"Echo v5": func(c keyauth.Config, order string, h http.HandlerFunc) http.Handler {
			e := echo5.New()
			all := map[string]echo5.MiddlewareFunc{"cors": echo5middleware.CORS("*"), "guard": echoauth5.WithConfig(c)}
			for name := range strings.FieldsSeq(order) {
				e.Use(all[name])
			}
			e.Any("/products", echo5.WrapHandler(h))
			return e
		},
	}
	for name, row := range map[string]struct {
		order             string
		pass              bool
		status            int
		readable, refused string // Access-Control-Allow-Origin of a preflight, and of a refusal
	}{
		"in front":                        {order: "cors guard", status: 204, readable: "*", refused: "*"},
		"behind":                          {order: "guard cors", status: 401},
		"behind one with PassPreflights":  {order: "guard cors", pass: true, status: 204, readable: "*"},
		"in front of one with this, too":  {order: "cors guard", pass: true, status: 204, readable: "*", refused: "*"},
		"nowhere, which no browser likes": {order: "guard", status: 401},
	} {
		for version, app := range apps {
			t.Run(version+"/"+name, func(t *testing.T) {
				config := w.config(store.Secret)
				config.PassPreflights = row.pass
				reached := 0
				e := app(config, row.order, func(http.ResponseWriter, *http.Request) { reached++ })
				got := serve(e, preflight("X-Api-Key", w.secret))
				if got.Code != row.status || got.Header().Get(allowed) != row.readable || reached != 0 {
					t.Errorf("preflight: %d %v, reached %d times", got.Code, got.Header(), reached)
				}
				got = serve(e, request("Origin", "https://shop.example"))
				if got.Code != 401 || got.Header().Get(allowed) != row.refused || reached != 0 {
					t.Errorf("without a key: %d %v, reached %d times", got.Code, got.Header(), reached)
				}
				if got := serve(e, request("Origin", "https://shop.example", "X-Api-Key", w.secret)); got.Code != 200 {
					t.Errorf("with a key: %d", got.Code)
				}
			})
		}
	}
}

func TestRequirement21OneWarningAProcessSaysWhereCORSBelongs(t *testing.T) {
	guard.PreflightWarned.Store(false)
	t.Cleanup(func() { guard.PreflightWarned.Store(false) })
	w := newWorld(t)
	var out bytes.Buffer
	log := slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelWarn})) // its handler locks
	config := func(log *slog.Logger, set ...func(*keyauth.Config)) keyauth.Config {
		c := w.config(store.Secret)
		c.Logger = log
		for _, f := range set {
			f(&c)
		}
		return c
	}
	deaf := slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelError}))
	passing := map[string]keyauth.Config{
		"an optional guard":    config(log, func(c *keyauth.Config) { c.Optional = true }),
		"PassPreflights":       config(log, func(c *keyauth.Config) { c.PassPreflights = true }),
		"plain HTTP":           config(log, func(c *keyauth.Config) { c.ForbidPlainHTTP = true }),
		"no logger that cares": config(deaf),
	}
	for _, name := range []string{"an optional guard", "PassPreflights", "plain HTTP", "no logger that cares"} {
		for _, d := range doors() {
			serve(d.open(t, passing[name]), preflight())
			serve(d.open(t, config(log)), request())
		}
		if out.Len() > 0 {
			t.Errorf("%s: %s", name, &out)
		}
	}
	var guards []http.Handler
	for _, d := range doors() {
		for range 3 {
			guards = append(guards, d.open(t, config(log)))
		}
	}
	var together sync.WaitGroup
	for _, h := range guards {
		together.Go(func() {
			for range 20 {
				serve(h, preflight("X-Api-Key", w.secret, "X-Request-Id", "forged"))
			}
		})
	}
	together.Wait()
	lines := out.String()
	if strings.Count(lines, "\n") != 1 || !strings.Contains(lines, "level=WARN") || !strings.Contains(lines, "PassPreflights") {
		t.Errorf("want one line that says what to do, got:\n%s", lines)
	}
	for _, sent := range []string{w.secret, "shop.example", "forged"} {
		if strings.Contains(lines, sent) {
			t.Errorf("%q is in the line: %s", sent, lines)
		}
	}
}

func TestRequirement21PreflightsAreNoFailuresAndTakeNothing(t *testing.T) {
	w := newWorld(t)
	limited := w.create(t, store.NewKey{Type: store.Secret, RateLimit: store.RateLimit{Requests: 1, Window: time.Hour}})
	for _, d := range doors() {
		limiter := &takes{answer: store.Decision{Allowed: true, Remaining: 1}}
		config := w.config(store.Secret)
		config.MaxFailures, config.Limiter = store.RateLimit{Requests: 1, Window: time.Hour}, limiter
		h := d.open(t, config)
		for _, token := range []string{w.unknown, swapTail(w.secret), limited} {
			if got := serve(h, preflight("X-Api-Key", token)); got.Code != 401 {
				t.Errorf("%s: %d", d.name, got.Code)
			}
		}
		if len(limiter.asked) != 0 {
			t.Errorf("%s: a preflight counts", d.name)
		}
		if got := serve(h, request("X-Api-Key", w.secret)); got.Code != 200 {
			t.Errorf("%s: a good key after preflights: %d", d.name, got.Code)
		}
	}
	if got := denied(w); !maps.Equal(got, map[string]float64{"no_credential": float64(3 * len(doors()))}) {
		t.Errorf("denials %v", got)
	}
}

// Over a real connection, on which the body never comes.
func TestRequirement21ABodyThatDoesNotComeIsNotWaitedFor(t *testing.T) {
	w := newWorld(t)
	for _, d := range doors() {
		t.Run(d.name, func(t *testing.T) {
			server := httptest.NewServer(d.open(t, w.config(store.Secret)))
			defer server.Close()
			conn, err := net.DialTimeout("tcp", server.Listener.Addr().String(), 20*time.Second)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close() // first: the server would wait
			if err := conn.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
				t.Fatal(err)
			}
			head := "OPTIONS /products HTTP/1.1\r\nHost: shop\r\nOrigin: https://shop.example\r\n" +
				"Access-Control-Request-Method: POST\r\nX-Api-Key: " + w.secret + "\r\nContent-Length: 1000000\r\n\r\n"
			if _, err := io.WriteString(conn, head); err != nil {
				t.Fatal(err)
			}
			answer, err := bufio.NewReader(conn).ReadString('\n')
			if err != nil || !strings.HasPrefix(answer, "HTTP/1.1 401 ") {
				t.Errorf("%q, %v", answer, err)
			}
		})
	}
}
