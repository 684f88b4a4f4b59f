package keyauth_test

import (
	"encoding/base64"
	"io"
	"net/http"
	"strings"
	"testing"

	keyauth "github.com/latchkey-go/latchkey/middleware"
	"github.com/latchkey-go/latchkey/store"
)

func b64(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }

func rawB64(s string) string { return base64.RawStdEncoding.EncodeToString([]byte(s)) }

// TestAuthorization follows the table of medusa-behaviour.md 6, with Bearer beside it. Through a
// request, so that what counts is what authenticates.
func TestRequirement16Authorization(t *testing.T) {
	w := newWorld(t)
	sk := w.secret
	const none = "Bearer" // the challenge tells "no credential" from "bad credential"
	rows := []struct {
		name, value string
		challenge   string // "": let in
	}{
		{"Bearer", "Bearer " + sk, ""},
		{"bearer in lower case", "bearer " + sk, ""},
		{"BEARER in capitals", "BEARER " + sk, ""},
		{"Bearer with two spaces (RFC 6750: 1*SP)", "Bearer  " + sk, ""},
		{"Bearer with a tab", "Bearer\t" + sk, none},
		{"Bearer with more after the token", "Bearer " + sk + " more", invalidToken},
		{"Bearer with a colon", "Bearer " + sk + ":", invalidToken},
		{"Bearer in base64", "Bearer " + b64(sk), invalidToken},
		{"Bearer alone", "Bearer", none},
		{"Basic with the key as it is", "Basic " + sk, ""},
		{"basic in lower case", "basic " + sk, ""},
		{"BASIC in capitals", "BASIC " + sk, ""},
		{"Basic with a trailing colon", "Basic " + sk + ":", ""},
		{"Basic with two trailing colons", "Basic " + sk + "::", invalidToken},
		{"Basic in base64 with colon", "Basic " + b64(sk+":"), ""},
		{"Basic in base64 with colon, without padding", "Basic " + rawB64(sk+":"), ""},
		{"Basic in base64 without colon", "Basic " + b64(sk), ""},
		{"Basic in base64 without colon and padding", "Basic " + rawB64(sk), ""},
		{"Basic with a password", "Basic " + b64(sk+":password"), invalidToken},
		{"Basic with a password in plain", "Basic " + sk + ":password", invalidToken},
		{"Basic with more after the second space", "Basic " + sk + " more", ""},
		{"Basic in base64 with more after the second space", "Basic " + b64(sk+":") + " more", ""},
		{"Basic with two spaces: nothing stands before the second", "Basic  " + sk, none},
		{"Basic with a tab", "Basic\t" + sk, none},
		{"Basic with what is no base64", "Basic !!!", invalidToken},
		{"Basic with a user and a password of something else", "Basic " + b64("ann:password"), invalidToken},
		{"Basic with base64 of great length", "Basic " + b64(strings.Repeat(sk, 100)), invalidToken},
		{"Basic with nothing", "Basic ", none},
		{"Basic with base64 of a colon", "Basic " + b64(":"), none},
		{"Medusa's form of key", "Basic " + b64(w.medusa+":"), ""},
		{"capitals", "Basic " + strings.ToUpper(sk), invalidToken},
		{"the redacted form", "Basic " + sk[:6] + "***" + sk[len(sk)-3:], invalidToken},
		{"no scheme", sk, none},
		{"another scheme", "Digest " + sk, none},
		{"a scheme that only begins like Basic", "Basics " + sk, none},
	}
	for _, d := range doors() {
		h := d.open(t, w.config(store.Secret))
		for _, row := range rows {
			t.Run(d.name+": "+row.name, func(t *testing.T) {
				got := serve(h, request("Authorization", row.value))
				want := 401
				if row.challenge == "" {
					want = 200
				}
				if got.Code != want || got.Header().Get("WWW-Authenticate") != row.challenge {
					t.Errorf("%d %q, want %d %q", got.Code, got.Header().Get("WWW-Authenticate"), want, row.challenge)
				}
			})
		}
	}
}

func TestRequirement18KeysAreTakenOnlyFromWhereTheyAreAskedFor(t *testing.T) {
	w := newWorld(t)
	everywhere := func() *http.Request {
		r := request("Cookie", "key="+w.secret, "X-Publishable-Api-Key", w.secret, "X-Medusa-Access-Token", w.secret)
		r.URL.RawQuery = "key=" + w.secret + "&token=" + w.secret
		r.Method, r.Body = http.MethodPost, io.NopCloser(strings.NewReader("key="+w.secret+"&api_key="+w.secret))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		return r
	}
	config := w.config(store.Secret)
	if got := serve(keyauth.WithConfig(config)(http.NotFoundHandler()), everywhere()); got.Code != 401 || got.Header().Get("WWW-Authenticate") != "Bearer" {
		t.Errorf("by default: %d %v", got.Code, got.Header())
	}
	for name, row := range map[string]struct {
		extractor keyauth.Extractor
		status    int
	}{
		"the query":         {keyauth.Query("key"), 404},
		"another parameter": {keyauth.Query("nokey"), 401},
		"the cookie":        {keyauth.Cookie("key"), 404},
		"another cookie":    {keyauth.Cookie("nokey"), 401},
		"a header":          {keyauth.Header("x-medusa-access-token"), 404},
	} {
		config.Extractors = []keyauth.Extractor{row.extractor}
		if got := serve(keyauth.WithConfig(config)(http.NotFoundHandler()), everywhere()); got.Code != row.status {
			t.Errorf("%s: %d, want %d", name, got.Code, row.status)
		}
	}
	config.Extractors = []keyauth.Extractor{keyauth.Query("key"), keyauth.Header("x-api-key")}
	r := request("X-Api-Key", w.other)
	r.URL.RawQuery = "key=" + w.secret
	if got := serve(keyauth.WithConfig(config)(http.NotFoundHandler()), r); got.Code != 400 {
		t.Errorf("two keys, one in the query: %d, want 400", got.Code)
	}
}

func TestSpacesAroundAHeadersValueDoNotCount(t *testing.T) {
	w := newWorld(t)
	if got := serve(keyauth.WithConfig(w.config(store.Secret))(http.NotFoundHandler()), request("X-Api-Key", " \t"+w.secret+" ")); got.Code != 404 {
		t.Errorf("%d, want 404", got.Code)
	}
}

func FuzzHeaders(f *testing.F) {
	w := newWorld(f)
	for _, scheme := range []string{"", "Bearer ", "Basic ", "bearer  ", "Basic  ", "Digest "} {
		for _, token := range []string{"", w.secret, w.publishable, swapTail(w.secret), w.medusa, b64(w.secret + ":"), b64("a:b"), "eyJhbGciOi.e30.sig", "sk_", "=", "\x00", "é"} {
			f.Add(scheme+token, token, token, byte(0))
			f.Add(scheme+token, "", w.secret, byte(7))
		}
	}
	types := [][]store.Type{{store.Secret}, {store.Publishable}, {store.Secret, store.Publishable}}
	f.Fuzz(func(t *testing.T, authorization, apiKey, publishable string, choice byte) {
		config := w.config(types[int(choice)%3]...)
		config.Optional = choice&4 != 0
		if choice&8 != 0 {
			config.Errors = keyauth.MedusaErrors
		}
		reached := false
		h := keyauth.WithConfig(config)(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { reached = true }))
		r := request("Authorization", authorization, "X-Api-Key", apiKey, "X-Publishable-Api-Key", publishable)
		before := w.spy.calls.Load()
		got := serve(h, r)
		lookups := w.spy.calls.Load() - before

		// What could be a key, however it is wrapped; only such a thing may cost a lookup.
		candidates := 0
		for _, s := range append(strings.Fields(authorization), strings.TrimSpace(apiKey), strings.TrimSpace(publishable)) {
			decoded, _ := base64.RawStdEncoding.DecodeString(strings.TrimRight(s, "="))
			for _, form := range []string{s, strings.TrimSuffix(s, ":"), strings.TrimSuffix(string(decoded), ":")} {
				if _, err := store.ParseToken(form); err == nil {
					candidates++
				}
			}
		}
		switch {
		case lookups > 1:
			t.Errorf("%d lookups", lookups)
		case lookups > 0 && candidates == 0:
			t.Error("a lookup for what is no token")
		case reached && lookups == 0 && !config.Optional:
			t.Error("let in without a lookup")
		case reached == (got.Code != 200):
			t.Errorf("reached %v, status %d", reached, got.Code)
		}
		if got.Code == 503 || got.Code == 500 {
			t.Errorf("status %d", got.Code)
		}
	})
}
