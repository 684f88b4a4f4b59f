package keyauth_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	keyauth "github.com/latchkey-go/latchkey/middleware"
	"github.com/latchkey-go/latchkey/store"
)

// denied returns how many requests were turned away, by reason.
func denied(w *world) map[string]float64 {
	all := map[string]float64{}
	for name, n := range counted(w) {
		if reason, ok := strings.CutPrefix(name, "latchkey.denials/"); ok && n > 0 {
			all[reason] = n
		}
	}
	return all
}

func TestRequestsThatAreTurnedAwayAreCountedByReason(t *testing.T) {
	for _, row := range []struct {
		name, reason string // "": it is counted elsewhere, or not at all
		status       int
		set          func(w *world, c *keyauth.Config)
		request      func(w *world) *http.Request
	}{
		{"no credential", "no_credential", 401, nil, func(*world) *http.Request { return request() }},
		{"two different keys", "conflict", 400, nil, func(w *world) *http.Request {
			return request("X-Api-Key", w.secret, "Authorization", "Bearer "+w.other)
		}},
		{"from an address where it may not be used", "address", 403, nil, func(w *world) *http.Request { return request("X-Api-Key", w.bound) }},
		{"more often than it may", "rate_limited", 429, func(w *world, _ *keyauth.Config) {
			made, err := w.keys.Create(t.Context(), store.NewKey{Type: store.Secret, RateLimit: store.RateLimit{Requests: 1, Window: time.Hour}})
			if err != nil {
				t.Fatal(err)
			}
			w.other = made.Token.Reveal()
			if _, err := w.keys.Limiter().Take(t.Context(), made.Key.ID, made.Key.RateLimit); err != nil {
				t.Fatal(err)
			}
		}, func(w *world) *http.Request { return request("X-Api-Key", w.other) }},
		{"over plain HTTP", "plain_http", 403, func(_ *world, c *keyauth.Config) { c.ForbidPlainHTTP = true }, func(w *world) *http.Request { return request("X-Api-Key", w.secret) }},
		{"from a page of another origin", "foreign_origin", 403, func(_ *world, c *keyauth.Config) { c.ForbidBrowserOrigins = true }, func(w *world) *http.Request {
			return request("X-Api-Key", w.secret, "Origin", "https://elsewhere.example", "Sec-Fetch-Site", "cross-site")
		}},
		{"an unknown token is counted as an authentication", "", 401, nil, func(w *world) *http.Request { return request("X-Api-Key", w.unknown) }},
		{"so is a wrong type", "", 403, nil, func(w *world) *http.Request { return request("X-Api-Key", w.publishable) }},
		{"a good key is none", "", 200, nil, func(w *world) *http.Request { return request("X-Api-Key", w.secret) }},
	} {
		for _, d := range doors() {
			t.Run(d.name+"/"+row.name, func(t *testing.T) {
				w := newWorld(t)
				config := w.config(store.Secret)
				if row.set != nil {
					row.set(w, &config)
				}
				if got := serve(d.open(t, config), row.request(w)); got.Code != row.status {
					t.Fatalf("status %d, want %d", got.Code, row.status)
				}
				got := denied(w)
				if row.reason == "" && len(got) != 0 || row.reason != "" && (len(got) != 1 || got[row.reason] != 1) {
					t.Errorf("%v, want %q", got, row.reason)
				}
			})
		}
	}
	t.Run("too many failures from there", func(t *testing.T) {
		w := newWorld(t)
		config := w.config(store.Secret)
		config.MaxFailures = store.RateLimit{Requests: 1, Window: time.Hour}
		h := keyauth.WithConfig(config)(http.NotFoundHandler())
		for range 3 {
			serve(h, request("X-Api-Key", w.unknown))
		}
		if got := denied(w); len(got) != 1 || got["failures_limited"] != 2 {
			t.Errorf("%v, want 2", got)
		}
	})
}
