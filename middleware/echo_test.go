package middleware_test

import (
	"bytes"
	"errors"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/labstack/echo/v4"

	keyauth "github.com/latchkey-go/latchkey/middleware"
	"github.com/latchkey-go/latchkey/store"
)

func TestTheShorthandsTakeTheirTypes(t *testing.T) {
	w := newWorld(t)
	e := echo.New()
	id := func(c echo.Context) error { return c.String(200, keyauth.Key(c).ID) }
	e.GET("/shop", id, keyauth.Publishable(w.keys))
	e.GET("/api", id, keyauth.Secret(w.keys))
	e.GET("/both", id, keyauth.Any(w.keys))
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
		got := serve(e, r)
		if got.Code != row.status || got.Code == 200 && got.Body.String() != w.ids[row.token] {
			t.Errorf("%s: %d %s, want %d", row.path, got.Code, got.Body, row.status)
		}
	}
}

func TestTheAppsErrorHandlerStaysInCharge(t *testing.T) {
	w := newWorld(t)
	for name, row := range map[string]struct {
		request *http.Request
		cause   error
	}{
		"no credential": {request(), keyauth.ErrNoCredential},
		"revoked":       {request("X-Api-Key", w.revoked), store.ErrRevoked},
		"two keys":      {request("X-Api-Key", w.secret, "Authorization", "Bearer "+w.other), keyauth.ErrConflictingCredentials},
		"wrong type":    {request("X-Api-Key", w.publishable), store.ErrWrongType},
		"scope":         {request("X-Api-Key", w.scoped), keyauth.ErrInsufficientScope},
		"address":       {request("X-Api-Key", w.bound), keyauth.ErrAddressNotAllowed},
	} {
		t.Run(name, func(t *testing.T) {
			e := echo.New()
			var seen error
			e.HTTPErrorHandler = func(err error, c echo.Context) {
				seen = err
				_ = c.String(http.StatusTeapot, "the app's own words")
			}
			e.GET("/products", func(c echo.Context) error { return c.NoContent(204) },
				keyauth.WithConfig(w.config(store.Secret)), keyauth.Require("orders:write"))
			got := serve(e, row.request)
			if got.Code != http.StatusTeapot || got.Body.String() != "the app's own words" {
				t.Errorf("%d %s", got.Code, got.Body)
			}
			if got.Header().Get("Cache-Control") != "no-store" || got.Header().Get("WWW-Authenticate") == "" {
				t.Errorf("the guard's headers are gone: %v", got.Header())
			}
			var told *echo.HTTPError
			if !errors.As(seen, &told) || !errors.Is(seen, row.cause) {
				t.Fatalf("handler was given %#v, want an HTTPError with %v inside", seen, row.cause)
			}
			body, ok := told.Message.(keyauth.Body)
			if !ok || body.Type == "" || body.String() != body.Message {
				t.Errorf("message %#v", told.Message)
			}
		})
	}
}

func TestSkippedRequestsAreNotLookedAt(t *testing.T) {
	w := newWorld(t)
	config := w.config(store.Secret)
	config.Skipper = func(c echo.Context) bool { return c.Path() == "/healthz" }
	e := echo.New()
	e.Use(keyauth.WithConfig(config))
	e.GET("/healthz", func(c echo.Context) error { return c.String(200, whoIs(c.Request())) })
	e.GET("/products", func(c echo.Context) error { return c.String(200, whoIs(c.Request())) })
	r := request("X-Api-Key", w.secret)
	r.URL.Path = "/healthz"
	if got := serve(e, r); got.Code != 200 || got.Body.String() != "nobody" || got.Header().Get("Vary") != "" || w.spy.calls.Load() != 0 {
		t.Errorf("%d %s %v, %d lookups", got.Code, got.Body, got.Header(), w.spy.calls.Load())
	}
	if got := serve(e, request()); got.Code != 401 {
		t.Errorf("not skipped: %d, want 401", got.Code)
	}
}

func TestKeyPanicsOnAnUnguardedRoute(t *testing.T) {
	e := echo.New()
	c := e.NewContext(request(), nil)
	defer func() {
		if p, ok := recover().(string); !ok || !strings.Contains(p, "guard") {
			t.Errorf("panic: %v", p)
		}
	}()
	keyauth.Key(c)
	t.Error("no panic")
}

func TestRequireFailsClosedOnAnUnguardedRoute(t *testing.T) {
	w := newWorld(t)
	e := echo.New()
	e.GET("/products", func(c echo.Context) error { return c.NoContent(204) }, keyauth.Require("orders:read"))
	h := keyauth.RequireHandler("orders:read")(http.NotFoundHandler())
	for name, handler := range map[string]http.Handler{"Echo": e, "net/http": h} {
		got := serve(handler, request("X-Api-Key", w.secret))
		if got.Code != 401 || strings.TrimSpace(got.Body.String()) != unauthorized || got.Header().Get("WWW-Authenticate") != "Bearer" || got.Header().Get("Cache-Control") != "no-store" {
			t.Errorf("%s: %d %s %v", name, got.Code, got.Body, got.Header())
		}
	}
}

func TestTheClientsAddressIsWhatTheIPExtractorSays(t *testing.T) {
	w := newWorld(t)
	e := echo.New()
	e.GET("/products", func(c echo.Context) error { return c.NoContent(204) }, keyauth.WithConfig(w.config(store.Secret)))
	r := request("X-Api-Key", w.bound, "X-Forwarded-For", "10.1.2.3")
	if got := serve(e, r); got.Code != 403 {
		t.Errorf("X-Forwarded-For was believed without an IPExtractor: %d", got.Code)
	}
	_, peer, err := net.ParseCIDR("192.0.2.0/24") // httptest's client
	if err != nil {
		t.Fatal(err)
	}
	e.IPExtractor = echo.ExtractIPFromXFFHeader(echo.TrustLoopback(false), echo.TrustLinkLocal(false), echo.TrustPrivateNet(false), echo.TrustIPRange(peer))
	if got := serve(e, r); got.Code != 204 {
		t.Errorf("the IPExtractor was not asked: %d", got.Code)
	}
	if got := serve(e, request("X-Api-Key", w.bound, "X-Forwarded-For", "172.16.0.1")); got.Code != 403 {
		t.Errorf("the IPExtractor's answer did not count: %d", got.Code)
	}
}

func TestNestedGuardsSayVaryOnceAndTheInnerKeyCounts(t *testing.T) {
	w := newWorld(t)
	e := echo.New()
	outer := e.Group("", keyauth.WithConfig(w.config(store.Publishable)), keyauth.WithConfig(w.config(store.Publishable)))
	config := w.config(store.Secret)
	config.Extractors = []keyauth.Extractor{keyauth.Bearer}
	outer.GET("/products", func(c echo.Context) error { return c.String(200, keyauth.Key(c).ID) }, keyauth.WithConfig(config))
	got := serve(e, request("X-Publishable-Api-Key", w.publishable, "Authorization", "Bearer "+w.secret))
	if got.Body.String() != w.ids[w.secret] {
		t.Errorf("%d %s", got.Code, got.Body)
	}
	if vary := strings.Join(got.Header().Values("Vary"), "; "); vary != "X-Publishable-Api-Key, X-Api-Key; Authorization" {
		t.Errorf("Vary: %s", vary)
	}
}

func TestNoRefusalHoldsTheToken(t *testing.T) {
	w := newWorld(t)
	for _, token := range []string{w.revoked, w.unknown, w.expired, w.scoped, w.bound, w.publishable, "sk_" + strings.Repeat("canary", 10)} {
		e := echo.New()
		var seen error
		e.HTTPErrorHandler = func(err error, c echo.Context) { seen = err; e.DefaultHTTPErrorHandler(err, c) }
		e.GET("/products", func(c echo.Context) error { return nil }, keyauth.WithConfig(w.config(store.Secret)), keyauth.Require("x"))
		got := serve(e, request("X-Api-Key", token))
		var all bytes.Buffer
		all.WriteString(seen.Error())
		_ = got.Result().Write(&all)
		if secret := token[3:]; strings.Contains(all.String(), secret) || strings.Contains(all.String(), secret[:12]) {
			t.Errorf("a token, or the beginning of one, is in:\n%s", all.String())
		}
	}
}
