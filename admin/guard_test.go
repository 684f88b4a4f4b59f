package admin_test

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/labstack/echo/v4"
	echo5 "github.com/labstack/echo/v5"

	"github.com/latchkey-go/latchkey/admin"
	keyauth "github.com/latchkey-go/latchkey/middleware"
	echoauth "github.com/latchkey-go/latchkey/middleware/echov4"
	echoauth5 "github.com/latchkey-go/latchkey/middleware/echov5"
	"github.com/latchkey-go/latchkey/store"
)

// counted counts the lookups of tokens, and can fail them.
type counted struct {
	store.Store
	lookups atomic.Int64
	fail    atomic.Bool
}

func (c *counted) Lookup(ctx context.Context, id store.LookupID, redacted string) (store.Found, error) {
	c.lookups.Add(1)
	if c.fail.Load() {
		return store.Found{}, store.ErrUnavailable
	}
	return c.Store.Lookup(ctx, id, redacted)
}

// Nothing stands in front of the API here but its own guard.
func TestRequirement23TheAPIGuardsItself(t *testing.T) {
	rows := &counted{Store: store.NewMemory()}
	keys := store.New(rows)
	t.Cleanup(func() { _ = keys.Close(context.Background()) })
	token := func(in store.NewKey) string {
		t.Helper()
		made, err := keys.Create(t.Context(), in)
		if err != nil {
			t.Fatal(err)
		}
		return made.Token.Reveal()
	}
	secret, other := token(store.NewKey{Type: store.Secret}), token(store.NewKey{Type: store.Secret})
	public := token(store.NewKey{Type: store.Publishable})
	bound := token(store.NewKey{Type: store.Secret, AllowedCIDRs: []netip.Prefix{netip.MustParsePrefix("10.1.0.0/16")}})
	unknown, err := store.New(store.NewMemory()).Create(t.Context(), store.NewKey{Type: store.Secret})
	if err != nil {
		t.Fatal(err)
	}
	const unauthorized = `{"type":"unauthorized","message":"Unauthorized"}` + "\n"
	plain := admin.New(keys, admin.Options{Logger: quiet})
	loose := admin.New(keys, admin.Options{Logger: quiet, Guard: letAllThrough})
	apis := map[string]http.Handler{"alone": plain, "behind a guard that lets everybody through": loose}
	for name, h := range mounted("/admin", plain) {
		apis[name] = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			r.URL.Path = "/admin" + r.URL.Path
			h.ServeHTTP(w, r)
		})
	}
	for at, h := range apis {
		for name, row := range map[string]struct {
			lines     []string
			status    int
			body      string // "": any
			challenge string
		}{
			"nothing":                   {nil, 401, unauthorized, "Bearer"},
			"a malformed key":           {[]string{"X-Api-Key", "sk_nonsense"}, 401, unauthorized, `Bearer error="invalid_token"`},
			"a JWT":                     {[]string{"Authorization", "Bearer eyJhbGciOi.e30.sig"}, 401, unauthorized, `Bearer error="invalid_token"`},
			"an unknown key":            {[]string{"Authorization", "Bearer " + unknown.Token.Reveal()}, 401, unauthorized, `Bearer error="invalid_token"`},
			"a publishable key":         {[]string{"X-Api-Key", public}, 403, `{"type":"forbidden","message":"This type of API key is not accepted here"}` + "\n", `Bearer error="insufficient_scope"`},
			"one where a shop sends it": {[]string{"X-Publishable-Api-Key", public}, 401, unauthorized, "Bearer"},
			"two keys":                  {[]string{"X-Api-Key", secret, "Authorization", "Bearer " + other}, 400, "", `Bearer error="invalid_request"`},
			"a key bound to elsewhere":  {[]string{"X-Api-Key", bound}, 403, "", `Bearer error="insufficient_scope"`},
			"one that says it is there": {[]string{"X-Api-Key", bound, "X-Forwarded-For", "10.1.2.3"}, 403, "", `Bearer error="insufficient_scope"`},
			"a key as Bearer":           {[]string{"Authorization", "Bearer " + secret}, 200, "", ""},
			"a key as Basic":            {[]string{"Authorization", "Basic " + secret}, 200, "", ""},
			"a key in x-api-key":        {[]string{"X-Api-Key", secret}, 200, "", ""},
		} {
			r := httptest.NewRequest("GET", "/api-keys/self?fields=id", nil)
			for i := 0; i < len(row.lines); i += 2 {
				r.Header.Set(row.lines[i], row.lines[i+1])
			}
			if row.status != 200 {
				r.Body = untouched{t}
			}
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			if w.Code != row.status || row.body != "" && w.Body.String() != row.body {
				t.Errorf("%s, %s: %d %s, want %d %s", at, name, w.Code, w.Body, row.status, row.body)
			}
			if got := w.Header().Get("WWW-Authenticate"); got != row.challenge || w.Header().Get("Cache-Control") != "no-store" {
				t.Errorf("%s, %s: %v, want the challenge %q", at, name, w.Header(), row.challenge)
			}
		}
		rows.fail.Store(true)
		r := httptest.NewRequest("GET", "/api-keys/self", nil)
		r.Header.Set("X-Api-Key", secret)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != 503 || w.Header().Get("Retry-After") != "1" {
			t.Errorf("%s, without a store: %d %v", at, w.Code, w.Header())
		}
		rows.fail.Store(false)
	}

	t.Run("a key that another guard has let in is not looked up again", func(t *testing.T) {
		h := admin.New(keys, admin.Options{Logger: quiet, Guard: keyauth.Secret(keys)})
		before := rows.lookups.Load()
		r := httptest.NewRequest("GET", "/api-keys/self", nil)
		r.Header.Set("X-Api-Key", secret)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != 200 || rows.lookups.Load() != before+1 {
			t.Errorf("%d, %d lookups", w.Code, rows.lookups.Load()-before)
		}
	})
	t.Run("a key that is bound to addresses works behind a proxy that Echo knows", func(t *testing.T) {
		four, five := echo.New(), echo5.New()
		four.IPExtractor = func(r *http.Request) string { return r.Header.Get("X-Real-Ip") }
		five.IPExtractor = func(r *http.Request) string { return r.Header.Get("X-Real-Ip") }
		echoauth.Mount(four.Group("/admin"), plain)
		echoauth5.Mount(five.Group("/admin"), plain)
		for name, h := range map[string]http.Handler{"Echo v4": four, "Echo v5": five} {
			for client, want := range map[string]int{"10.1.2.3": 200, "10.2.2.3": 403, "": 403} {
				r := httptest.NewRequest("GET", "/admin/api-keys/self", nil)
				r.Header.Set("X-Api-Key", bound)
				r.Header.Set("X-Real-Ip", client)
				w := httptest.NewRecorder()
				h.ServeHTTP(w, r)
				if w.Code != want {
					t.Errorf("%s, from %q: %d, want %d", name, client, w.Code, want)
				}
			}
		}
	})
	t.Run("an actor needs no key, and one that he sends must be good", func(t *testing.T) {
		scoped := token(store.NewKey{Type: store.Secret, Scopes: []string{"keys:verify"}})
		h := admin.New(keys, admin.Options{Logger: quiet, Actor: func(r *http.Request) string { return r.Header.Get("X-Test-Session") }})
		for name, row := range map[string]struct {
			session, key string
			status       int
		}{
			"an actor":                         {"user_1", "", 200},
			"an actor with a bad key":          {"user_1", "sk_nonsense", 401},
			"an actor with an unknown key":     {"user_1", unknown.Token.Reveal(), 401},
			"an actor with a publishable key":  {"user_1", public, 403},
			"an actor with a key that may not": {"user_1", scoped, 403},
			"an actor with a good key":         {"user_1", secret, 200},
			"nobody":                           {"", "", 401},
			"a good key alone":                 {"", secret, 200},
		} {
			r := httptest.NewRequest("GET", "/api-keys?limit=1", nil)
			r.Header.Set("X-Test-Session", row.session)
			r.Header.Set("X-Api-Key", row.key)
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			if w.Code != row.status {
				t.Errorf("%s: %d %s, want %d", name, w.Code, w.Body, row.status)
			}
		}
	})
	t.Run("a body that does not come is not waited for when its request is refused", func(t *testing.T) {
		addr := serving(t, admin.WithBodyTime(soon, plain), 0)
		stall(t, addr, "POST", "/api-keys", "application/json", 100, `{"ti`).answer(t).is(t, 401, unauthorized)
	})
	t.Run("the log has the route as the router knows it, and the pattern of net/http without one", func(t *testing.T) {
		var log strings.Builder
		logger := slog.New(slog.NewTextHandler(&log, nil))
		broken := admin.New(store.New(broken{store.NewMemory(), store.ErrUnavailable}), admin.Options{Logger: logger, Actor: func(*http.Request) string { return "user_1" }})
		for want, h := range map[string]http.Handler{
			`route="GET /api-keys/{id}"`: http.StripPrefix("/shops/7", broken), "route=/shops/:shop/api-keys/:id": mounted("/shops/:shop", broken)["Echo v4"],
		} {
			log.Reset()
			h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/shops/7/api-keys/apk_1", nil))
			if !strings.Contains(log.String(), want) {
				t.Errorf("the log has no %s: %s", want, log.String())
			}
		}
	})
}
