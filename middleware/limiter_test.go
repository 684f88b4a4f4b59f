package keyauth_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/labstack/echo/v4"
	echo5 "github.com/labstack/echo/v5"

	keyauth "github.com/latchkey-go/latchkey/middleware"
	echoauth "github.com/latchkey-go/latchkey/middleware/echov4"
	echoauth5 "github.com/latchkey-go/latchkey/middleware/echov5"
	"github.com/latchkey-go/latchkey/store"
)

var threeAMinute = store.RateLimit{Requests: 3, Window: time.Minute} // one comes back every 20 s

// create makes a key in this world and returns its token.
func (w *world) create(t *testing.T, in store.NewKey) string {
	t.Helper()
	made, err := w.keys.Create(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	w.ids[made.Token.Reveal()] = made.Key.ID
	return made.Token.Reveal()
}

// inTime runs a test for each door, in a bubble whose time passes only when the test sleeps.
func inTime(t *testing.T, test func(t *testing.T, d door, w *world)) {
	t.Helper()
	for _, d := range doors() {
		t.Run(d.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				keys, err := store.Options{Logger: quiet(), FlushInterval: -1}.New(w.spy)
				if err != nil {
					t.Fatal(err)
				}
				w.keys = keys // on the bubble's clock; the rest of the world closes the store
				test(t, d, w)
			})
		})
	}
}

// takes is a Limiter that counts how it is asked, and answers as it is told.
type takes struct {
	mu     sync.Mutex
	asked  []string
	answer store.Decision
	err    error
}

func (l *takes) Take(_ context.Context, id string, limit store.RateLimit) (store.Decision, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.asked = append(l.asked, fmt.Sprintf("%s %d/%s", id, limit.Requests, limit.Window))
	return l.answer, l.err
}

func TestLimitedKeysAreRefusedWith429AndTold(t *testing.T) {
	inTime(t, func(t *testing.T, d door, w *world) {
		h := d.open(t, w.config(store.Secret))
		limited := w.create(t, store.NewKey{Type: store.Secret, RateLimit: threeAMinute})
		ask := func(status int, left, window int64, retry string) {
			t.Helper()
			got := serve(h, request("X-Api-Key", limited))
			if got.Code != status {
				t.Fatalf("%d %s, want %d", got.Code, got.Body, status)
			}
			policy, rate := parseRate(t, got.Header().Values("RateLimit-Policy")), parseRate(t, got.Header().Values("RateLimit"))
			if fmt.Sprint(policy) != "[{secret-key map[q:3 w:60]}]" {
				t.Errorf("RateLimit-Policy: %v", policy)
			}
			if want := fmt.Sprintf("[{secret-key map[r:%d t:%d]}]", left, window); fmt.Sprint(rate) != want {
				t.Errorf("RateLimit: %v, want %s", rate, want)
			}
			if ra := got.Header().Get("Retry-After"); ra != retry {
				t.Errorf("Retry-After: %q, want %q", ra, retry)
			}
			body := strings.TrimSpace(got.Body.String())
			if status == 429 && (body != `{"type":"too_many_requests","message":"Too many requests; try again later"}` ||
				got.Header().Get("Cache-Control") != "no-store" || got.Header().Get("WWW-Authenticate") != "") {
				t.Errorf("%s %v", body, got.Header())
			}
		}
		ask(200, 2, 40, "")
		ask(200, 1, 20, "")
		ask(200, 0, 20, "")
		ask(429, 0, 20, "20")
		time.Sleep(18500 * time.Millisecond)
		ask(429, 0, 2, "2") // 1.5 s, rounded up
		time.Sleep(1500 * time.Millisecond)
		ask(200, 0, 20, "")
		ask(429, 0, 20, "20")
		time.Sleep(time.Hour)
		ask(200, 2, 40, "")
	})
}

// What a good key may not do is never told as a bad key.
func TestRequirement15WhatAGoodKeyMayNotDoIsNo401(t *testing.T) {
	w := newWorld(t)
	spent := w.create(t, store.NewKey{Type: store.Secret, RateLimit: store.RateLimit{Requests: 1, Window: time.Hour}})
	for _, d := range doors() {
		h := d.open(t, w.config(store.Secret), "orders:write")
		if d.name == doors()[0].name { // one count for all doors
			serve(h, request("X-Api-Key", spent))
		}
		for name, row := range map[string]struct {
			token  string
			status int
		}{
			"rate limit":    {spent, 429},
			"missing scope": {w.scoped, 403},
			"wrong type":    {w.publishable, 403},
		} {
			if got := serve(h, request("X-Api-Key", row.token)); got.Code != row.status {
				t.Errorf("%s: %s: %d, want %d", d.name, name, got.Code, row.status)
			}
		}
	}
}

func TestUnlimitedKeysAreNotCounted(t *testing.T) {
	w := newWorld(t)
	limiter := &takes{err: errors.New("nobody should ask")}
	config := w.config(store.Secret, store.Publishable)
	config.Limiter = limiter
	for _, d := range doors() {
		h := d.open(t, config)
		for _, token := range []string{w.secret, w.publishable, w.scoped, w.medusa} {
			got := serve(h, request("X-Api-Key", token))
			if got.Code != 200 || got.Header().Get("RateLimit") != "" || got.Header().Get("RateLimit-Policy") != "" {
				t.Errorf("%s: %d %v", d.name, got.Code, got.Header())
			}
		}
		for _, token := range []string{w.revoked, w.expired, w.unknown, "sk_nonsense", ""} {
			if got := serve(h, request("X-Api-Key", token)); got.Code != 401 {
				t.Errorf("%s: %d, want 401", d.name, got.Code)
			}
		}
	}
	if len(limiter.asked) > 0 {
		t.Errorf("asked about %v", limiter.asked)
	}
}

func TestTheLimiterIsAskedOncePerRequest(t *testing.T) {
	w := newWorld(t)
	limited := w.create(t, store.NewKey{Type: store.Secret, RateLimit: threeAMinute})
	limiter := &takes{answer: store.Decision{Allowed: true, Remaining: 1}}
	config := w.config(store.Secret)
	config.Limiter = limiter
	inner := w.config(store.Secret)
	inner.Limiter = limiter
	ask := fmt.Sprintf("%s 3/1m0s", w.ids[limited])

	for _, d := range doors() {
		h := d.app()
		h.any("", "/*", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(204) }, h.guard(config), h.guard(inner))
		limiter.asked = nil
		got := serve(h, request("X-Api-Key", limited))
		if got.Code != 204 || !slices.Equal(limiter.asked, []string{ask}) || len(got.Header().Values("RateLimit")) != 1 {
			t.Errorf("%s: %d, asked %v, %v", d.name, got.Code, limiter.asked, got.Header())
		}
	}
	t.Run("for each key that guards behind one another let in", func(t *testing.T) {
		shop := w.create(t, store.NewKey{Type: store.Publishable, RateLimit: store.RateLimit{Requests: 5, Window: time.Second}})
		outer := w.config(store.Publishable)
		outer.Limiter = limiter
		outer.Extractors = []keyauth.Extractor{keyauth.Header("x-publishable-api-key")}
		limiter.asked = nil
		got := serve(keyauth.WithConfig(outer)(keyauth.WithConfig(config)(http.NotFoundHandler())), request("X-Api-Key", limited, "X-Publishable-Api-Key", shop))
		if want := []string{w.ids[shop] + " 5/1s", ask}; !slices.Equal(limiter.asked, want) {
			t.Errorf("asked %v, want %v", limiter.asked, want)
		}
		if rate := fmt.Sprint(parseRate(t, got.Header().Values("RateLimit"))); rate != "[{publishable-key map[r:1 t:1]} {secret-key map[r:1 t:20]}]" {
			t.Errorf("RateLimit: %s", rate)
		}
	})
}

func TestGuardsWithTheSameKeysCountTogether(t *testing.T) {
	w := newWorld(t)
	limited := w.create(t, store.NewKey{Type: store.Secret, RateLimit: threeAMinute})
	e, five := echo.New(), echo5.New()
	e.GET("/api", func(c echo.Context) error { return c.NoContent(200) }, echoauth.Secret(w.keys))
	five.GET("/admin", func(c *echo5.Context) error { return c.NoContent(200) }, echoauth5.Any(w.keys))
	plain := keyauth.WithConfig(w.config(store.Secret))(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	for i, row := range []struct {
		h    http.Handler
		path string
	}{{e, "/api"}, {five, "/admin"}, {plain, "/"}, {e, "/api"}, {five, "/admin"}, {plain, "/"}} {
		r := request("X-Api-Key", limited)
		r.URL.Path = row.path
		want := 200
		if i >= 3 {
			want = 429
		}
		if got := serve(row.h, r); got.Code != want {
			t.Errorf("request %d: %d, want %d", i, got.Code, want)
		}
	}
}

func TestWhatCountsAgainstALimit(t *testing.T) {
	w := newWorld(t)
	config := w.config(store.Secret)
	config.Scopes = []string{"orders:read"}
	limiter := &takes{answer: store.Decision{Allowed: true, Remaining: 1}}
	config.Limiter = limiter
	count := func(r *http.Request, status int) int {
		t.Helper()
		limiter.asked = nil
		if got := serve(keyauth.WithConfig(config)(http.NotFoundHandler()), r); got.Code != status {
			t.Errorf("%d, want %d", got.Code, status)
		}
		return len(limiter.asked)
	}
	bound := w.create(t, store.NewKey{Type: store.Secret, RateLimit: threeAMinute, AllowedCIDRs: []netip.Prefix{netip.MustParsePrefix("10.1.0.0/16")}})
	if n := count(request("X-Api-Key", bound), 403); n != 0 {
		t.Error("a request from an address that is not allowed used up what the owner may do")
	}
	scopeless := w.create(t, store.NewKey{Type: store.Secret, RateLimit: threeAMinute, Scopes: []string{}})
	if n := count(request("X-Api-Key", scopeless), 403); n != 1 {
		t.Error("a request without the scope was free")
	}
	limited := w.create(t, store.NewKey{Type: store.Secret, RateLimit: threeAMinute})
	if n := count(preflight("X-Api-Key", limited), 401); n != 0 {
		t.Error("a preflight counts")
	}
}

func TestALimitThatCannotBeAskedIs503(t *testing.T) {
	w := newWorld(t)
	limited := w.create(t, store.NewKey{Type: store.Secret, RateLimit: threeAMinute})
	for _, err := range []error{errors.New("?"), store.ErrRevoked, keyauth.ErrRateLimited, context.Canceled} {
		config := w.config(store.Secret)
		config.Limiter = &takes{err: err, answer: store.Decision{Allowed: true, Remaining: 1}}
		for _, d := range doors() {
			got := serve(d.open(t, config), request("X-Api-Key", limited))
			if got.Code != 503 || got.Header().Get("Retry-After") != "1" || got.Header().Get("RateLimit") != "" {
				t.Errorf("%s: %v: %d %v", d.name, err, got.Code, got.Header())
			}
		}
	}
}

func TestNoLimitedKeyIsUnlimited(t *testing.T) {
	t.Run("a nil Limiter of a type counts as none", func(t *testing.T) {
		w := newWorld(t)
		once := w.create(t, store.NewKey{Type: store.Secret, RateLimit: store.RateLimit{Requests: 1, Window: time.Hour}})
		config := w.config(store.Secret)
		var unfilled *store.Limiter
		config.Limiter = unfilled
		h := keyauth.WithConfig(config)(http.NotFoundHandler())
		if a, b := serve(h, request("X-Api-Key", once)), serve(h, request("X-Api-Key", once)); a.Code != 404 || b.Code != 429 {
			t.Errorf("%d, %d", a.Code, b.Code)
		}
	})
	t.Run("a limit of nothing, written straight into the database, lets nothing in", func(t *testing.T) {
		for _, limit := range []store.RateLimit{{Window: time.Minute}, {Requests: 5}, {Requests: -1, Window: time.Minute}} {
			rows := store.NewMemory()
			keys := store.New(rows)
			made, err := keys.Create(t.Context(), store.NewKey{Type: store.Secret})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := rows.Change(t.Context(), store.Actor{}, func(tx store.Tx) error {
				r, err := rows.Get(t.Context(), made.Key.ID)
				if err != nil {
					return err
				}
				r.Key.RateLimit = limit
				return tx.Update(t.Context(), r, store.Event{Kind: store.Updated})
			}); err != nil {
				t.Fatal(err)
			}
			got := serve(keyauth.WithConfig(keyauth.Config{Keys: keys, Logger: quiet()})(http.NotFoundHandler()), request("X-Api-Key", made.Token.Reveal()))
			if got.Code != 429 || got.Header().Get("Retry-After") == "" {
				t.Errorf("%+v: %d %v", limit, got.Code, got.Header())
			}
			parseRate(t, got.Header().Values("RateLimit-Policy"))
			parseRate(t, got.Header().Values("RateLimit"))
			if err := keys.Close(t.Context()); err != nil {
				t.Error(err)
			}
		}
	})
	t.Run("a limit that is changed counts for the next request", func(t *testing.T) {
		w := newWorld(t)
		token := w.create(t, store.NewKey{Type: store.Secret})
		h := keyauth.WithConfig(w.config(store.Secret))(http.NotFoundHandler())
		for range 10 {
			serve(h, request("X-Api-Key", token))
		}
		limit := store.RateLimit{Requests: 1, Window: time.Minute}
		if _, err := w.keys.Update(t.Context(), w.ids[token], store.Patch{RateLimit: &limit}); err != nil {
			t.Fatal(err)
		}
		if a, b := serve(h, request("X-Api-Key", token)), serve(h, request("X-Api-Key", token)); a.Code != 404 || b.Code != 429 {
			t.Errorf("%d, %d", a.Code, b.Code)
		}
		if _, err := w.keys.Update(t.Context(), w.ids[token], store.Patch{RateLimit: &store.RateLimit{}}); err != nil {
			t.Fatal(err)
		}
		if got := serve(h, request("X-Api-Key", token)); got.Code != 404 || got.Header().Get("RateLimit") != "" {
			t.Errorf("without a limit again: %d %v", got.Code, got.Header())
		}
	})
}

// TestRateLimitFields holds whatever a Limiter may say to the draft's rules.
func TestRateLimitFields(t *testing.T) {
	const most = 999_999_999_999_999 // RFC 9651, 3.3.1
	w := newWorld(t)
	for _, limit := range []store.RateLimit{
		{Requests: 1, Window: time.Second}, {Requests: 7, Window: 1500 * time.Millisecond}, {Requests: 10_000, Window: 1000 * time.Second}, {Requests: 1, Window: 30 * 24 * time.Hour},
		{Requests: math.MaxInt, Window: time.Second}, {Requests: math.MaxInt, Window: (math.MaxInt64 / time.Second) * time.Second}, {Requests: 3, Window: 99 * 365 * 24 * time.Hour},
	} {
		limited := w.create(t, store.NewKey{Type: store.Publishable, RateLimit: limit})
		for _, d := range []store.Decision{
			{Allowed: true, Remaining: limit.Requests - 1}, {Allowed: true, Remaining: limit.Requests / 2}, {Allowed: true, RetryAfter: limit.Window / time.Duration(limit.Requests)},
			{RetryAfter: 1}, {RetryAfter: time.Second}, {RetryAfter: 1001 * time.Millisecond}, {RetryAfter: math.MaxInt64}, {RetryAfter: -1}, {Allowed: true, Remaining: math.MaxInt}, {Allowed: true, Remaining: -5},
		} {
			config := w.config(store.Publishable)
			config.Limiter = &takes{answer: d}
			got := serve(keyauth.WithConfig(config)(http.NotFoundHandler()), request("X-Api-Key", limited))
			policy, rate := parseRate(t, got.Header().Values("RateLimit-Policy")), parseRate(t, got.Header().Values("RateLimit"))
			if len(policy) != 1 || len(rate) != 1 || policy[0].name != "publishable-key" || rate[0].name != policy[0].name || len(policy[0].params) != 2 || len(rate[0].params) != 2 {
				t.Fatalf("%+v, %+v: %v %v", limit, d, policy, rate)
			}
			q, window, r, effective := policy[0].params["q"], policy[0].params["w"], rate[0].params["r"], rate[0].params["t"]
			name := fmt.Sprintf("%+v, %+v: q=%d w=%d r=%d t=%d", limit, d, q, window, r, effective)
			if q < 1 || q > most || window < 1 || r < 0 || effective < 1 {
				t.Errorf("%s: out of bounds", name)
			}
			// Section 8.5: not more in the effective window than the policy allows in its own, but
			// for the second that t is rounded to.
			if limit.Requests <= 10_000 && float64(r)*float64(window) > float64(effective+1)*float64(q) {
				t.Errorf("%s: promises more than the policy", name)
			}
			// Section 6: Retry-After is not earlier than the end of the effective window.
			retry := got.Header().Get("Retry-After")
			if seconds, err := strconv.ParseInt(retry, 10, 64); got.Code == 429 && (err != nil || seconds < effective) {
				t.Errorf("%s: Retry-After: %q", name, retry)
			}
		}
	}
}

func TestRateLimitFieldsOfTheAppStay(t *testing.T) {
	w := newWorld(t)
	limited := w.create(t, store.NewKey{Type: store.Secret, RateLimit: threeAMinute})
	rec := httptest.NewRecorder()
	rec.Header().Set("RateLimit", `"region";r=5;t=1`)
	keyauth.WithConfig(w.config(store.Secret))(http.NotFoundHandler()).ServeHTTP(rec, request("X-Api-Key", limited))
	if got := fmt.Sprint(parseRate(t, rec.Header().Values("RateLimit"))); got != "[{region map[r:5 t:1]} {secret-key map[r:2 t:40]}]" {
		t.Errorf("RateLimit: %s", got)
	}
}

func TestEchosErrorHandlerSeesTheLimit(t *testing.T) {
	w := newWorld(t)
	for _, d := range doors() {
		a := d.app()
		if a.onError == nil {
			continue
		}
		once := w.create(t, store.NewKey{Type: store.Secret, RateLimit: store.RateLimit{Requests: 1, Window: time.Hour}})
		var seen error
		a.onError(func(_ http.ResponseWriter, _ *http.Request, err error) { seen = err })
		a.any("", "/products", func(http.ResponseWriter, *http.Request) {}, a.guard(w.config(store.Secret)))
		serve(a, request("X-Api-Key", once))
		serve(a, request("X-Api-Key", once))
		if !errors.Is(seen, keyauth.ErrRateLimited) {
			t.Errorf("%s: %v", d.name, seen)
		}
	}
}

func TestALimitIsExactWhenManyAskAtOnce(t *testing.T) {
	w := newWorld(t)
	limited := w.create(t, store.NewKey{Type: store.Secret, RateLimit: store.RateLimit{Requests: 10, Window: time.Hour}})
	h := keyauth.WithConfig(w.config(store.Secret))(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	codes := make(chan int, 50)
	var wg sync.WaitGroup
	for range cap(codes) {
		wg.Go(func() { codes <- serve(h, request("X-Api-Key", limited)).Code })
	}
	wg.Wait()
	close(codes)
	got := map[int]int{}
	for code := range codes {
		got[code]++
	}
	if got[200] != 10 || got[429] != 40 {
		t.Errorf("%v", got)
	}
}
