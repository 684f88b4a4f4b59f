package admin_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/latchkey-go/latchkey/admin"
	"github.com/latchkey-go/latchkey/store"
)

// reports is a handler for leaks over a memory store.
type reports struct {
	t       *testing.T
	keys    *store.Keys
	handler http.Handler
	log     bytes.Buffer
}

func openReports(t *testing.T, c admin.LeakConfig, s store.Store) *reports {
	t.Helper()
	r := &reports{t: t}
	keys, err := store.Options{FlushInterval: -1}.New(s)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = keys.Close(context.Background()) })
	r.keys = keys
	c.Logger = slog.New(slog.NewTextHandler(&r.log, nil))
	if r.handler, err = c.Handler(keys); err != nil {
		t.Fatal(err)
	}
	return r
}

// post sends a report from that address.
func (r *reports) post(from, body string) answer {
	r.t.Helper()
	request := httptest.NewRequest(http.MethodPost, "/leaks", strings.NewReader(body))
	request.RemoteAddr = from
	w := httptest.NewRecorder()
	r.handler.ServeHTTP(w, request)
	return answer{w.Code, w.Body.String(), w.Header()}
}

func (r *reports) create(typ store.Type) store.Made {
	r.t.Helper()
	made, err := r.keys.Create(r.t.Context(), store.NewKey{Type: typ, Title: "shop"})
	if err != nil {
		r.t.Fatal(err)
	}
	return made
}

// works reports whether the key can be used.
func (r *reports) works(made store.Made) bool {
	r.t.Helper()
	_, err := r.keys.Authenticate(r.t.Context(), made.Token.Reveal())
	if err != nil && !errors.Is(err, store.ErrRevoked) {
		r.t.Fatal(err)
	}
	return err == nil
}

const accepted = `{"message":"Accepted"}`

func TestLeakReports(t *testing.T) {
	r := openReports(t, admin.LeakConfig{}, store.NewMemory())
	one, many1, many2, other, public := r.create(store.Secret), r.create(store.Secret), r.create(store.Secret), r.create(store.Secret), r.create(store.Publishable)

	t.Run("a single token ends its key", func(t *testing.T) {
		r.post("192.0.2.1:1", `{"token":"`+one.Token.Reveal()+`"}`).is(t, 202, accepted)
		if r.works(one) {
			t.Error("the key still works")
		}
		key, err := r.keys.Get(t.Context(), one.Key.ID)
		if err != nil || key.RevokedBy != "leak-report" {
			t.Errorf("%+v, %v", key, err)
		}
	})
	t.Run("the array that GitHub sends ends all of them", func(t *testing.T) {
		r.post("192.0.2.1:1", fmt.Sprintf(` [{"token":%q,"type":"acme_api_key","url":"https://user:pw@github.com/octocat/hello/blob/1234/foo.txt?key=%s#L1","source":"content"},`+
			`{"token":%q,"type":"acme_api_key","url":"","source":"commit","new":{"in":["2027"]}}]`,
			many1.Token.Reveal(), many1.Token.Reveal(), many2.Token.Reveal())).is(t, 202, accepted)
		if r.works(many1) || r.works(many2) {
			t.Error("a key still works")
		}
		events, err := r.keys.Events(t.Context(), store.EventQuery{KeyIDs: []string{many1.Key.ID, many2.Key.ID}, Kind: store.Revoked})
		if err != nil || len(events) != 2 || events[0].Details["reason"] != "leaked" || events[0].Actor != "leak-report" ||
			events[0].Details["source"] != "content https://github.com/octocat/hello/blob/1234/foo.txt" || events[1].Details["source"] != "commit" {
			t.Errorf("%+v, %v", events, err)
		}
	})
	t.Run("what is no living secret key is accepted all the same", func(t *testing.T) {
		foreign := openReports(t, admin.LeakConfig{}, store.NewMemory()).create(store.Secret).Token.Reveal()
		for _, token := range []string{public.Token.Reveal(), one.Token.Reveal(), foreign, "", "ghp_16C7e42F292c6912E7710c838347Ae178B4a", "sk_" + strings.Repeat("0", 64)} {
			r.post("192.0.2.1:1", `{"token":"`+token+`"}`).is(t, 202, accepted)
		}
		r.post("192.0.2.1:1", `[]`).is(t, 202, accepted)
		if !r.works(public) || !r.works(other) {
			t.Error("a key that nobody reported was ended")
		}
	})
	t.Run("neither the log nor an event holds a token", func(t *testing.T) {
		events, err := r.keys.Events(t.Context(), store.EventQuery{})
		if err != nil {
			t.Fatal(err)
		}
		for _, made := range []store.Made{one, many1, many2} {
			if text := r.log.String(); strings.Contains(text, made.Token.Reveal()) || !strings.Contains(text, made.Key.ID) {
				t.Errorf("want the id and not the token:\n%s", text)
			}
			if strings.Contains(fmt.Sprint(events), made.Token.Reveal()) {
				t.Error("an event holds a token")
			}
		}
	})
}

func TestMalformedLeakReports(t *testing.T) {
	r := openReports(t, admin.LeakConfig{}, store.NewMemory())
	secret := r.create(store.Secret)
	token := secret.Token.Reveal()
	const shape = `{"type":"invalid_data","message":"Expected {\"token\":\"…\"} or an array of such objects; \"source\" and \"url\" are texts"}`
	const missing = `{"type":"invalid_data","message":"Field 'token' is required in every report"}`
	for name, c := range map[string]struct {
		body   string
		status int
		want   string
	}{
		"nothing":             {``, 400, shape},
		"no JSON":             {token, 400, shape},
		"null":                {`null`, 400, shape},
		"a text":              {`"` + token + `"`, 400, shape},
		"an array of texts":   {`["` + token + `"]`, 400, shape},
		"cut off":             {`[{"token":"` + token + `"}`, 400, shape},
		"more after the end":  {`{"token":"` + token + `"} {}`, 400, shape},
		"a number":            {`{"token":1}`, 400, shape},
		"a url that is none":  {`{"token":"` + token + `","url":1}`, 400, shape},
		"an array of nothing": {`[null]`, 400, missing},
		"no token":            {`{"tokens":"` + token + `"}`, 400, missing},
		"one without a token": {`[{"token":"` + token + `"},{}]`, 400, missing},
		"null for a token":    {`{"token":null}`, 400, missing},
		"too many":            {`[` + strings.Repeat(`{"token":"`+token+`"},`, store.MaxLeaks) + `{"token":""}]`, 400, `{"type":"invalid_data","message":"At most 500 tokens can be reported at once"}`},
		"too large":           {`{"token":"` + token + `","source":"` + strings.Repeat("x", 500<<10) + `"}`, 413, `{"type":"unknown_error","message":"request entity too large"}`},
	} {
		t.Run(name, func(t *testing.T) {
			r.post("192.0.2.1:1", c.body).is(t, c.status, c.want)
		})
	}
	if !r.works(secret) {
		t.Error("a malformed report ended a key")
	}
	w := httptest.NewRecorder()
	r.handler.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/leaks", nil))
	if w.Code != 405 || w.Header().Get("Allow") != "POST" {
		t.Errorf("GET: %d, Allow %q", w.Code, w.Header().Get("Allow"))
	}
}

// tokens returns a report of n tokens that no key has.
func tokens(n int) string {
	return "[" + strings.TrimSuffix(strings.Repeat(`{"token":"x"},`, n), ",") + "]"
}

func TestLeakReportsAreLimitedPerClient(t *testing.T) {
	// status sends a report and returns the status, and after how many seconds to come back.
	status := func(r *reports, from string, n int) (status, after int) {
		a := r.post(from, tokens(n))
		after, _ = strconv.Atoi(a.header.Get("Retry-After"))
		return a.status, after
	}
	expect := func(t *testing.T, r *reports, from string, n, status_, after_ int) {
		t.Helper()
		if s, after := status(r, from, n); s != status_ || after != after_ {
			t.Errorf("%d tokens from %s: %d, Retry-After %d; want %d, %d", n, from, s, after, status_, after_)
		}
	}
	bubble := func(t *testing.T, name string, c admin.LeakConfig, fn func(*testing.T, *reports)) {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { fn(t, openReports(t, c, store.NewMemory())) })
		})
	}
	const us, neighbour = "192.0.2.1:1", "192.0.2.2:1"

	bubble(t, "by tokens, one client apart from the other", admin.LeakConfig{}, func(t *testing.T, r *reports) {
		expect(t, r, us, 400, 202, 0)
		expect(t, r, us, 100, 202, 0)
		expect(t, r, us, 1, 429, 1)
		expect(t, r, neighbour, 500, 202, 0)
		time.Sleep(10 * time.Second) // 600 a minute: 100 more
		expect(t, r, us, 120, 429, 2)
		expect(t, r, us, 99, 202, 0) // what was refused has cost one: it is asked for before the body is read
		expect(t, r, us, 1, 429, 1)
		time.Sleep(time.Hour) // not more than the allowance is saved up
		expect(t, r, us, 500, 202, 0)
		expect(t, r, us, 1, 429, 1)
	})
	bubble(t, "malformed reports count too", admin.LeakConfig{TokensPerMinute: 1}, func(t *testing.T, r *reports) {
		for range 500 {
			r.post(us, "{")
		}
		expect(t, r, us, 1, 429, 60)
		r.post(us, "{").is(t, 429, `{"type":"too_many_requests","message":"Too many tokens were reported from this address. Try again later."}`)
	})
	bubble(t, "an IPv6 network is one client, and IPv4 in IPv6 is IPv4", admin.LeakConfig{}, func(t *testing.T, r *reports) {
		expect(t, r, "[2001:db8:1:2::1]:1", 500, 202, 0)
		expect(t, r, "[2001:db8:1:2:ffff::2%eth0]:1", 1, 429, 1)
		expect(t, r, "[2001:db8:1:3::1]:1", 500, 202, 0)
		expect(t, r, us, 500, 202, 0)
		expect(t, r, "[::ffff:192.0.2.1]:1", 1, 429, 1)
	})
	bubble(t, "what has no address is one client", admin.LeakConfig{}, func(t *testing.T, r *reports) {
		expect(t, r, "@", 500, 202, 0)
		expect(t, r, "", 1, 429, 1)
	})
	bubble(t, "by the address that ClientIP says", admin.LeakConfig{ClientIP: func(*http.Request) string { return "198.51.100.1" }}, func(t *testing.T, r *reports) {
		expect(t, r, us, 500, 202, 0)
		expect(t, r, neighbour, 1, 429, 1)
	})
	bubble(t, "more clients than are told apart share one allowance, until others are forgotten", admin.LeakConfig{}, func(t *testing.T, r *reports) {
		for i := range 10_000 {
			expect(t, r, fmt.Sprintf("10.0.%d.%d:1", i>>8, i&255), 1, 202, 0)
		}
		expect(t, r, us, 500, 202, 0)
		expect(t, r, neighbour, 1, 429, 1)
		expect(t, r, "10.0.0.1:1", 499, 202, 0) // who has a place keeps it
		time.Sleep(time.Minute)
		expect(t, r, neighbour, 500, 202, 0)
		expect(t, r, us, 500, 202, 0)
	})
}

// brokenLookup cannot be reached for lookups.
type brokenLookup struct{ store.Store }

func (brokenLookup) Lookup(context.Context, store.LookupID, string) (store.Found, error) {
	return store.Found{}, errors.New("disk on fire")
}

func TestAReportThatCannotBeDecidedIsToBeRepeated(t *testing.T) {
	rows := store.NewMemory()
	token := openReports(t, admin.LeakConfig{}, rows).create(store.Secret).Token.Reveal()
	r := openReports(t, admin.LeakConfig{}, brokenLookup{rows})
	a := r.post("192.0.2.1:1", `{"token":"`+token+`"}`)
	a.is(t, 503, `{"type":"unavailable","message":"The report could not be worked on. Send it again."}`)
	if a.header.Get("Retry-After") != "1" {
		t.Errorf("Retry-After: %q", a.header.Get("Retry-After"))
	}
	if text := r.log.String(); !strings.Contains(text, "disk on fire") || strings.Contains(text, token) {
		t.Errorf("want the cause in the log, and no token:\n%s", text)
	}
}

func TestASenderThatHangsUpIsHeard(t *testing.T) {
	r := openReports(t, admin.LeakConfig{}, store.NewMemory())
	secret := r.create(store.Secret)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	request := httptest.NewRequestWithContext(ctx, http.MethodPost, "/leaks", strings.NewReader(`{"token":"`+secret.Token.Reveal()+`"}`))
	r.handler.ServeHTTP(httptest.NewRecorder(), request)
	if r.works(secret) {
		t.Error("the key still works")
	}
}

func TestLeakReportsRefuseBadConfiguration(t *testing.T) {
	keys := store.New(store.NewMemory())
	defer keys.Close(context.Background())
	if _, err := (admin.LeakConfig{}).Handler(nil); !errors.Is(err, store.ErrInvalid) {
		t.Errorf("no keys: %v", err)
	}
	if _, err := (admin.LeakConfig{TokensPerMinute: -1}).Handler(keys); !errors.Is(err, store.ErrInvalid) {
		t.Errorf("a negative limit: %v", err)
	}
	defer func() {
		if recover() == nil {
			t.Error("LeakReports(nil) does not panic")
		}
	}()
	admin.LeakReports(nil)
}

// FuzzLeakReports: whatever is sent, the answer is one of a few, and the key that is not named
// lives.
func FuzzLeakReports(f *testing.F) {
	keys := store.New(store.NewMemory())
	f.Cleanup(func() { _ = keys.Close(context.Background()) })
	made, err := keys.Create(context.Background(), store.NewKey{Type: store.Secret})
	if err != nil {
		f.Fatal(err)
	}
	handler, err := admin.LeakConfig{TokensPerMinute: 1e9, Logger: slog.New(slog.DiscardHandler)}.Handler(keys)
	if err != nil {
		f.Fatal(err)
	}
	for _, seed := range []string{`{"token":"x"}`, `[{"token":"x","type":"t","url":"https://x.example/?a=b","source":"content"}]`, `[]`, `null`, `[null]`, `{"token":"\ud800","url":"%zz"}`, `{"url":"sk_"}`} {
		f.Add([]byte(seed))
	}
	answers := []string{ // all there are, so that nothing of a body can be in one
		`202 {"message":"Accepted"}`,
		`400 {"type":"invalid_data","message":"Expected {\"token\":\"…\"} or an array of such objects; \"source\" and \"url\" are texts"}`,
		`400 {"type":"invalid_data","message":"At most 500 tokens can be reported at once"}`,
		`400 {"type":"invalid_data","message":"Field 'token' is required in every report"}`,
		`413 {"type":"unknown_error","message":"request entity too large"}`,
		`429 {"type":"too_many_requests","message":"Too many tokens were reported from this address. Try again later."}`,
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/", bytes.NewReader(body)))
		if got := fmt.Sprint(w.Code, " ", w.Body); !slices.Contains(answers, got) {
			t.Error(got)
		}
		if _, err := keys.Verify(t.Context(), made.Token.Reveal()); err != nil {
			t.Error(err)
		}
	})
}

func ExampleLeakReports() {
	keys := store.New(store.NewMemory())
	defer keys.Close(context.Background())
	made, err := keys.Create(context.Background(), store.NewKey{Type: store.Secret})
	if err != nil {
		fmt.Println(err)
		return
	}

	e := echo.New()
	e.POST("/leaks", echo.WrapHandler(admin.LeakReports(keys)))

	report := httptest.NewRequest("POST", "/leaks", strings.NewReader(`{"token":"`+made.Token.Reveal()+`"}`))
	w := httptest.NewRecorder()
	e.ServeHTTP(w, report)
	_, err = keys.Authenticate(context.Background(), made.Token.Reveal())
	fmt.Println(w.Code, err)
	// Output:
	// 202 revoked
}
