package admin_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/latchkey-go/latchkey/admin"
	"github.com/latchkey-go/latchkey/store"
)

// requests is a request for each line of the route table; a route without one fails
// TestEveryRoute….
var requests = map[string]struct{ method, target, body string }{
	"GET /api-keys":                      {"GET", "/api-keys", ``},
	"POST /api-keys":                     {"POST", "/api-keys", `{"title":"a","type":"secret"}`},
	"GET /api-keys/self":                 {"GET", "/api-keys/self", ``},
	"POST /api-keys/self/revoke":         {"POST", "/api-keys/self/revoke", ``},
	"GET /api-keys/report":               {"GET", "/api-keys/report", ``},
	"POST /api-keys/revoke":              {"POST", "/api-keys/revoke", `{"title":"none"}`},
	"POST /api-keys/verify":              {"POST", "/api-keys/verify", `{"token":"sk_x"}`},
	"GET /api-keys/{id}":                 {"GET", "/api-keys/{id}", ``},
	"POST /api-keys/{id}":                {"POST", "/api-keys/{id}", `{"title":"b"}`},
	"DELETE /api-keys/{id}":              {"DELETE", "/api-keys/{id}", ``},
	"GET /api-keys/{id}/events":          {"GET", "/api-keys/{id}/events", ``},
	"POST /api-keys/{id}/revoke":         {"POST", "/api-keys/{id}/revoke", ``},
	"POST /api-keys/{id}/roll":           {"POST", "/api-keys/{id}/roll", ``},
	"POST /api-keys/{id}/sales-channels": {"POST", "/api-keys/{id}/sales-channels", `{"add":["sc_1"]}`},
}

// everyRoute calls fn with a request for each route of the table.
func everyRoute(t *testing.T, fn func(t *testing.T, scope, method, target, body string)) {
	t.Helper()
	for _, route := range admin.Routes(store.New(store.NewMemory())) {
		r, ok := requests[route.Pattern]
		if !ok {
			t.Errorf("no request is known for the route %q", route.Pattern)
			continue
		}
		t.Run(route.Pattern, func(t *testing.T) { fn(t, route.Scopes, r.method, r.target, r.body) })
	}
}

func TestRequirement23EveryRouteRefusesWhatTheGuardLetThrough(t *testing.T) {
	everyRoute(t, func(t *testing.T, _, method, target, body string) {
		f := open(t, admin.Options{Actor: func(*http.Request) string { return "" }})
		target = strings.Replace(target, "{id}", f.publishable("shop").ID, 1)
		before, _ := f.keys.Events(t.Context(), store.EventQuery{})
		for name, key := range map[string]*store.Key{
			"nobody": nil, "a publishable key": {ID: "apk_p", Type: store.Publishable}, "a key of no type": {ID: "apk_0"},
		} {
			got := f.send(key, method, target, body)
			got.is(t, 401, `{"message":"Unauthorized"}`)
			if got.header.Get("WWW-Authenticate") != "Bearer" || got.header.Get("Cache-Control") != "no-store" {
				t.Errorf("%s got the header %v", name, got.header)
			}
		}
		if after, _ := f.keys.Events(t.Context(), store.EventQuery{}); len(after) != len(before) {
			t.Errorf("%d events were added", len(after)-len(before))
		}
	})
	t.Run("and so do paths that are no route", func(t *testing.T) {
		f := open(t, admin.Options{})
		for _, r := range [][2]string{{"GET", "/foo"}, {"PUT", "/api-keys"}, {"GET", "/api-keys//"}, {"GET", "/"}} {
			f.send(nil, r[0], r[1], "").is(t, 401, `{"message":"Unauthorized"}`)
		}
	})
}

func TestEveryRouteIsInsideTheGuard(t *testing.T) {
	everyRoute(t, func(t *testing.T, _, method, target, body string) {
		shut := admin.New(store.New(store.NewMemory()), admin.Options{Guard: func(http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) })
		}})
		r := httptest.NewRequest(method, strings.Replace(target, "{id}", "a", 1), strings.NewReader(body))
		w := httptest.NewRecorder()
		shut.ServeHTTP(w, r.WithContext(store.NewContext(r.Context(), &store.Key{ID: "apk_a", Type: store.Secret})))
		if w.Code != http.StatusTeapot {
			t.Errorf("answered %d past the guard", w.Code)
		}
	})
}

func TestRequirement25Scopes(t *testing.T) {
	want := map[string]string{ // the truth, apart from the code
		"GET /api-keys": "keys:read", "POST /api-keys": "keys:write", "GET /api-keys/self": "", "POST /api-keys/verify": "keys:verify",
		"POST /api-keys/self/revoke": "", "GET /api-keys/report": "keys:read", "POST /api-keys/revoke": "keys:read keys:write",
		"GET /api-keys/{id}": "keys:read", "POST /api-keys/{id}": "keys:write", "DELETE /api-keys/{id}": "keys:write",
		"GET /api-keys/{id}/events":  "keys:read",
		"POST /api-keys/{id}/revoke": "keys:write", "POST /api-keys/{id}/roll": "keys:write", "POST /api-keys/{id}/sales-channels": "keys:write",
	}
	everyRoute(t, func(t *testing.T, _, method, target, body string) {
		pattern := t.Name()[strings.Index(t.Name(), "/")+1:]
		needs, ok := want[strings.Replace(pattern, "_", " ", 1)]
		if !ok {
			t.Fatalf("no truth is known for %q", pattern)
		}
		for _, scopes := range [][]string{nil, {}, {"keys:read"}, {"keys:write"}, {"keys:verify"}, {"orders:write", "keys"}, {"keys:read", "keys:write", "keys:verify"}} {
			f := open(t, admin.Options{})
			asking := f.made(store.NewKey{Type: store.Secret, Scopes: scopes}).Key
			got := f.send(asking, method, strings.Replace(target, "{id}", f.publishable("shop").ID, 1), body)
			missing := slices.DeleteFunc(strings.Fields(needs), func(s string) bool { return scopes == nil || slices.Contains(scopes, s) })
			allowed := len(missing) == 0
			denied := got.status == 403 && !allowed && strings.Contains(got.body, "does not have the scope '"+missing[0]+"'")
			if allowed == denied {
				t.Errorf("a key with scopes %q was answered %d %s", scopes, got.status, got.body)
			}
			if challenge := `Bearer error="insufficient_scope", scope="` + needs + `"`; denied && got.header.Get("WWW-Authenticate") != challenge {
				t.Errorf("WWW-Authenticate is %q, want %q", got.header.Get("WWW-Authenticate"), challenge)
			}
		}
	})
}

func TestRequirement23Actors(t *testing.T) {
	staff := admin.Options{Actor: func(r *http.Request) string { return r.Header.Get("X-Test-Session") }}
	t.Run("have all rights and are named in created_by and revoked_by", func(t *testing.T) {
		f := open(t, staff)
		got := f.send(nil, "POST", "/api-keys", `{"title":"a","type":"publishable"}`, "X-Test-Session", "user_7")
		if got.status != 200 || !strings.Contains(got.body, `"created_by":"user_7"`) {
			t.Fatalf("answered %d %s", got.status, got.body)
		}
		keys, _ := f.keys.List(t.Context(), store.Query{})
		got = f.send(nil, "POST", "/api-keys/"+keys[0].ID+"/revoke", ``, "X-Test-Session", "user_8")
		if got.status != 200 || !strings.Contains(got.body, `"revoked_by":"user_8"`) {
			t.Errorf("answered %d %s", got.status, got.body)
		}
	})
	t.Run("pass the protection against other sites", func(t *testing.T) {
		f := open(t, staff)
		for _, header := range [][]string{{"Sec-Fetch-Site", "cross-site"}, {"Sec-Fetch-Site", "same-site"}, {"Origin", "https://evil.example"}} {
			f.send(nil, "POST", "/api-keys", `{"title":"a","type":"secret"}`, append(header, "X-Test-Session", "user_7")...).
				is(t, 403, `{"type":"forbidden","message":"Cross-origin requests are not allowed here"}`)
		}
		if got := f.send(nil, "POST", "/api-keys", `{"title":"a","type":"secret"}`, "Sec-Fetch-Site", "same-origin", "X-Test-Session", "user_7"); got.status != 200 {
			t.Errorf("the own site was answered %d %s", got.status, got.body)
		}
		if got := f.do("POST", "/api-keys", `{"title":"a","type":"secret"}`, "Sec-Fetch-Site", "cross-site"); got.status != 200 {
			t.Errorf("a key, which no browser sends unasked, was answered %d %s", got.status, got.body)
		}
	})
	t.Run("can come from sites that the app trusts", func(t *testing.T) {
		c := staff
		c.CrossOrigin = http.NewCrossOriginProtection()
		if err := c.CrossOrigin.AddTrustedOrigin("https://admin.example"); err != nil {
			t.Fatal(err)
		}
		got := open(t, c).send(nil, "POST", "/api-keys", `{"title":"a","type":"secret"}`, "Origin", "https://admin.example", "X-Test-Session", "user_7")
		if got.status != 200 {
			t.Errorf("answered %d %s", got.status, got.body)
		}
	})
	t.Run("beside a restricted key add nothing to its rights", func(t *testing.T) {
		f := open(t, staff)
		asking := f.made(store.NewKey{Type: store.Secret, Scopes: []string{"keys:write"}}).Key
		if got := f.send(asking, "GET", "/api-keys", ``, "X-Test-Session", "user_7"); got.status != 403 {
			t.Errorf("the list was answered %d", got.status)
		}
		if got := f.send(asking, "POST", "/api-keys", `{"title":"a","type":"secret"}`, "X-Test-Session", "user_7"); got.status != 403 {
			t.Errorf("an unrestricted key was made: %d", got.status)
		}
	})
	t.Run("are no key", func(t *testing.T) {
		open(t, staff).send(nil, "GET", "/api-keys/self", ``, "X-Test-Session", "user_7").
			is(t, 404, `{"type":"not_found","message":"The request was not made with a secret API key"}`)
		f := open(t, staff)
		for _, beside := range []*store.Key{nil, f.publishable("shop")} {
			f.send(beside, "POST", "/api-keys/self/revoke", ``, "X-Test-Session", "user_7").
				is(t, 400, `{"type":"not_allowed","message":"The request was not made with a secret API key: there is no key that could revoke itself"}`)
		}
	})
}

func TestRequirement31ALoginThatEndedWhileTheBodyWasSentChangesNothing(t *testing.T) {
	everyRoute(t, func(t *testing.T, _, method, target, body string) {
		for name, second := range map[string]string{"nobody": "", "somebody else": "user_8"} {
			asked := 0
			f := open(t, admin.Options{Actor: func(*http.Request) string {
				if asked++; asked == 1 {
					return "user_7"
				}
				return second
			}})
			target := strings.Replace(target, "{id}", f.publishable("shop").ID, 1)
			before, _ := f.keys.Events(t.Context(), store.EventQuery{})
			if body == "" {
				body = "{}"
			}
			got := f.send(nil, method, target, body)
			after, _ := f.keys.Events(t.Context(), store.EventQuery{})
			switch {
			case second == "" && (got.status != 401 || len(after) > len(before)):
				t.Errorf("then it is %s: answered %d %s, %d events were added", name, got.status, got.body, len(after)-len(before))
			case second != "" && len(after) > len(before) && after[len(after)-1].Actor != second:
				t.Errorf("then it is %s: done by %s", name, after[len(after)-1].Actor)
			}
		}
	})
}

func TestRequirement25RestrictedKeysCannotGiveWhatTheyDoNotHave(t *testing.T) {
	f := open(t, admin.Options{})
	f.admin = f.made(store.NewKey{Type: store.Secret, Scopes: []string{"keys:write", "orders:read"}, ExpiresAt: begin.Add(time.Hour)}).Key
	within := f.made(store.NewKey{Type: store.Secret, Scopes: []string{"orders:read"}, ExpiresAt: begin.Add(time.Minute)}).Key
	strong, shop := f.secret("strong"), f.publishable("shop")
	soon := f.made(store.NewKey{Type: store.Secret}).Key
	if _, err := f.keys.RevokeAt(t.Context(), soon.ID, f.keys.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	const inTime = `"expires_at":"2026-03-04T05:10:00Z"`
	for _, tt := range []struct {
		name, target, body string
		status             int
	}{
		{"makes a key within its rights", "", `{"title":"a","type":"secret","scopes":["orders:read"],` + inTime + `}`, 200},
		{"makes an unrestricted key", "", `{"title":"a","type":"secret",` + inTime + `}`, 403},
		{"makes a key with another scope", "", `{"title":"a","type":"secret","scopes":["keys:read"],` + inTime + `}`, 403},
		{"makes a key that lives longer", "", `{"title":"a","type":"secret","scopes":[]}`, 403},
		{"narrows a key", "/" + within.ID, `{"scopes":[]}`, 200},
		{"widens a key", "/" + within.ID, `{"scopes":["orders:read","orders:write"]}`, 403},
		{"frees a key", "/" + within.ID, `{"scopes":null}`, 403},
		{"lets a key live", "/" + within.ID, `{"expires_at":null}`, 403},
		{"renames a stronger key", "/" + strong.ID, `{"title":"b"}`, 200},
		{"rolls a stronger key", "/" + strong.ID + "/roll", ``, 403},
		{"rolls a weaker key", "/" + within.ID + "/roll", ``, 200},
		{"revokes a stronger key", "/" + strong.ID + "/revoke", ``, 200},
		{"puts a revocation off", "/" + soon.ID + "/revoke", `{"revoke_in":86400}`, 403},
		{"links a channel that it does not have", "/" + shop.ID + "/sales-channels", `{"add":["sc_1"]}`, 403},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := f.do("POST", "/api-keys"+tt.target, tt.body)
			if got.status != tt.status || got.status == 403 && !strings.HasPrefix(got.body, `{"type":"forbidden","message":"The key in use `) {
				t.Errorf("answered %d %s, want %d", got.status, got.body, tt.status)
			}
		})
	}
}

func TestRequirement02SecretsAreShownOnce(t *testing.T) {
	var log bytes.Buffer
	f := open(t, admin.Options{Logger: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))})
	var shown struct {
		Key struct{ ID, Token string } `json:"api_key"`
	}
	read := func(a answer) string {
		t.Helper()
		if err := json.Unmarshal([]byte(a.body), &shown); err != nil || !strings.HasPrefix(shown.Key.Token, "sk_") {
			t.Fatalf("answered %d %s: %v", a.status, a.body, err)
		}
		return shown.Key.Token
	}
	first := read(f.do("POST", "/api-keys", `{"title":"canary","type":"secret"}`))
	firstID := shown.Key.ID
	second := read(f.do("POST", "/api-keys/"+firstID+"/roll", `{"revoke_in":60}`))

	var seen strings.Builder
	for _, id := range []string{firstID, shown.Key.ID} {
		for _, token := range []string{first, second} {
			for _, r := range [][3]string{
				{"GET", "/api-keys", ``}, {"GET", "/api-keys?q=canary&fields=token", ``}, {"GET", "/api-keys?fields=-type", ``}, {"GET", "/api-keys?fields=id,token,salt", ``},
				{"GET", "/api-keys/" + id, ``}, {"GET", "/api-keys/" + id + "?fields=token", ``}, {"POST", "/api-keys/" + id, `{"title":"b"}`},
				{"POST", "/api-keys/verify", `{"token":"` + token + `"}`}, {"POST", "/api-keys/verify", `{"token":{"` + token + `":1}}`},
				{"POST", "/api-keys/" + id + "/revoke", `{"revoke_in":30}`}, {"GET", "/api-keys/self", ``},
				{"POST", "/api-keys/" + id + "/sales-channels", ``}, {"POST", "/api-keys/" + id + "/revoke", ``}, {"DELETE", "/api-keys/" + id, ``},
			} {
				got := f.do(r[0], r[1], r[2])
				fmt.Fprintln(&seen, got.status, got.body, got.header)
			}
		}
	}
	for _, token := range []string{first, second} {
		for where, text := range map[string]string{"an answer": seen.String(), "the log": log.String()} {
			if strings.Contains(text, token) || strings.Contains(text, token[10:40]) {
				t.Errorf("a secret is in %s", where)
			}
		}
	}
}

// broken is a store that fails at everything.
type broken struct {
	store.Store
	err error
}

func (b broken) Get(context.Context, string) (*store.Record, error)              { return nil, b.err }
func (b broken) List(context.Context, store.Query) ([]*store.Record, error)      { return nil, b.err }
func (b broken) Count(context.Context, store.Filter) (int, error)                { return 0, b.err }
func (b broken) Events(context.Context, store.EventQuery) ([]store.Event, error) { return nil, b.err }
func (b broken) Change(context.Context, store.Actor, func(store.Tx) error) (store.Change, error) {
	return store.Change{}, b.err
}
func (b broken) Lookup(context.Context, store.LookupID, string) (store.Found, error) {
	return store.Found{}, b.err
}

func TestRequirement11AStoreThatCannotAnswerIsNeverAnAnswer(t *testing.T) {
	everyRoute(t, func(t *testing.T, _, method, target, body string) {
		body = strings.Replace(body, "sk_x", "sk_"+strings.Repeat("0", 64), 1) // one that is worth a lookup
		target = strings.Replace(target, "{id}", "apk_a", 1)
		for _, tt := range []struct {
			err    error
			status int
			want   string
		}{
			{fmt.Errorf("dial tcp: refused: %w", store.ErrUnavailable), 503, `{"type":"unavailable","message":"The service cannot answer now. Try again."}`},
			{store.ErrClosed, 503, `{"type":"unavailable","message":"The service cannot answer now. Try again."}`},
			{errors.New("pq: secret detail"), 500, `{"code":"unknown_error","type":"unknown_error","message":"An unknown error occurred."}`},
		} {
			if tt.status == 500 && body != "" { // the key that asks is looked up again
				tt.status, tt.want = 503, `{"type":"unavailable","message":"The service cannot answer now. Try again."}` // undecided, whatever it was
			}
			var log bytes.Buffer
			f := openOver(t, admin.Options{Logger: slog.New(slog.NewTextHandler(&log, nil))}, broken{store.NewMemory(), tt.err})
			got := f.do(method, target, body)
			got.is(t, tt.status, tt.want)
			if (got.header.Get("Retry-After") != "") != (tt.status == 503) {
				t.Errorf("Retry-After is %q with %d", got.header.Get("Retry-After"), tt.status)
			}
			if !strings.Contains(log.String(), tt.err.Error()) || !strings.Contains(log.String(), strings.Split(t.Name(), "/")[2]) ||
				!strings.Contains(log.String(), "key_id="+f.admin.ID) {
				t.Errorf("the log does not tell the cause, the route and who asked: %s", log.String())
			}
		}
	})
}

func TestAClientThatWentAwayIsNoFailure(t *testing.T) {
	var log bytes.Buffer
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	c := admin.Options{Logger: slog.New(slog.NewTextHandler(&log, nil))}
	admin.Fail(c, store.New(store.NewMemory()), httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil).WithContext(ctx), store.ErrUnavailable)
	if log.Len() > 0 {
		t.Errorf("logged %s", log.String())
	}
}

func TestErrorsAndStatuses(t *testing.T) {
	keys := store.New(store.NewMemory())
	for _, tt := range []struct {
		err    error
		status int
		body   string
	}{
		{store.ErrInvalid, 400, `{"type":"invalid_data","message":"The request is not valid."}`},
		{store.Errorf(store.ErrInvalid, "told"), 400, `{"type":"invalid_data","message":"told"}`},
		{fmt.Errorf("wrapped: %w", store.Errorf(store.ErrInvalid, "told")), 400, `{"type":"invalid_data","message":"told"}`},
		{store.Errorf(store.ErrNotAllowed, "told"), 400, `{"type":"not_allowed","message":"told"}`},
		{store.ErrNotAllowed, 400, `{"type":"not_allowed","message":"The state of the key does not allow this."}`},
		{store.Errorf(store.ErrNotFound, "told"), 404, `{"type":"not_found","message":"told"}`},
		{store.ErrNotFound, 404, `{"type":"not_found","message":"Not found"}`},
		{store.Errorf(store.ErrForbidden, "told"), 403, `{"type":"forbidden","message":"told"}`},
		{store.ErrForbidden, 403, `{"type":"forbidden","message":"Forbidden"}`},
		{fmt.Errorf("key id x: %w", store.ErrConflict), 409, `{"type":"conflict","message":"The id or the token is taken."}`},
		{store.ErrUnavailable, 503, `{"type":"unavailable","message":"The service cannot answer now. Try again."}`},
		{store.ErrClosed, 503, `{"type":"unavailable","message":"The service cannot answer now. Try again."}`},
		{fmt.Errorf("%w: %w", store.ErrUnavailable, store.Errorf(store.ErrInvalid, "detail")), 503, `{"type":"unavailable","message":"The service cannot answer now. Try again."}`},
		{context.Canceled, 500, `{"code":"unknown_error","type":"unknown_error","message":"An unknown error occurred."}`},
		{store.ErrForged, 400, `{"type":"not_allowed","message":"The key's record was not written by this system. It can be revoked and deleted, not rolled."}`},
		{store.ErrRevoked, 401, `{"type":"unauthorized","message":"Unauthorized"}`},
		{fmt.Errorf("change: %w", store.ErrExpired), 401, `{"type":"unauthorized","message":"Unauthorized"}`},
		{store.ErrUnknownToken, 401, `{"type":"unauthorized","message":"Unauthorized"}`},
		{errors.New("anything"), 500, `{"code":"unknown_error","type":"unknown_error","message":"An unknown error occurred."}`},
	} {
		t.Run(tt.err.Error(), func(t *testing.T) {
			w := httptest.NewRecorder()
			admin.Fail(admin.Options{Logger: quiet}, keys, w, httptest.NewRequest("GET", "/", nil), tt.err)
			answer{status: w.Code, body: w.Body.String()}.is(t, tt.status, tt.body)
			if challenge := w.Header().Get("WWW-Authenticate"); (challenge == `Bearer error="invalid_token"`) != (tt.status == 401) {
				t.Errorf("WWW-Authenticate is %q", challenge)
			}
		})
	}
}

func TestRequirement23WhatIsNotConfiguredRightIsRefused(t *testing.T) {
	keys := store.New(store.NewMemory())
	for name, build := range map[string]func(){
		"nil keys":                 func() { admin.New(nil, admin.Options{}) },
		"a guard of nothing":       func() { admin.New(keys, admin.Options{Guard: func(http.Handler) http.Handler { return nil }}) },
		"a negative page":          func() { admin.New(keys, admin.Options{MaxPage: -1}) },
		"words that are no style":  func() { admin.New(keys, admin.Options{Errors: 7}) },
		"nil keys and a guard too": func() { admin.New(nil, admin.Options{Guard: letAllThrough}) },
	} {
		t.Run(name, func(t *testing.T) {
			if err := recovered(build); !errors.Is(err, store.ErrInvalid) {
				t.Errorf("got %v, want an error that matches ErrInvalid", err)
			}
		})
	}
}

func recovered(fn func()) (err error) {
	defer func() { err, _ = recover().(error) }()
	fn()
	return nil
}
