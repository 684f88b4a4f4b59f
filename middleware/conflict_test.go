package keyauth_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	keyauth "github.com/latchkey-go/latchkey/middleware"
	"github.com/latchkey-go/latchkey/store"
)

// Whatever two places hold two different credentials: 400 and no lookup. The same credential in all
// of them: one lookup.
func TestRequirement17ConflictsAndDuplicates(t *testing.T) {
	places := map[string]func(token string) []string{
		"Bearer":          func(token string) []string { return []string{"Authorization", "Bearer " + token} },
		"Basic":           func(token string) []string { return []string{"Authorization", "Basic " + token} },
		"Basic in base64": func(token string) []string { return []string{"Authorization", "Basic " + b64(token+":")} },
		"x-api-key":       func(token string) []string { return []string{"X-Api-Key", token} },
		"x-publishable…":  func(token string) []string { return []string{"X-Publishable-Api-Key", token} },
	}
	for _, d := range doors() {
		for _, style := range []keyauth.ErrorStyle{keyauth.StandardErrors, keyauth.MedusaErrors} {
			w := newWorld(t)
			config := w.config(store.Secret, store.Publishable)
			config.Errors = style
			h := d.open(t, config)
			asked := func() int64 { return w.spy.calls.Swap(0) }
			for first, a := range places {
				for second, b := range places {
					medusa := style == keyauth.MedusaErrors && (first == "Bearer" || second == "Bearer") // has its own refusal for that
					for name, others := range map[string][2]string{
						"two good keys":              {w.secret, w.other},
						"a good and a bad one":       {w.secret, w.unknown},
						"a good and a malformed one": {"sk_nonsense", w.secret},
						"a secret and a publishable": {w.secret, w.publishable},
						"two bad ones":               {w.unknown, w.revoked},
					} {
						got := serve(h, request(append(a(others[0]), b(others[1])...)...))
						if n := asked(); got.Code != 400 && !medusa || medusa && got.Code == 200 || n != 0 {
							t.Errorf("%s, style %d, %s and %s, %s: %d after %d lookups", d.name, style, first, second, name, got.Code, n)
						}
					}
					if medusa {
						continue
					}
					got := serve(h, request(append(a(w.secret), b(w.secret)...)...))
					if n := asked(); got.Code != 200 || n != 1 {
						t.Errorf("%s, style %d, %s and %s, the same key: %d after %d lookups", d.name, style, first, second, got.Code, n)
					}
				}
			}
			if style == keyauth.StandardErrors {
				var everywhere []string
				for _, at := range places {
					everywhere = append(everywhere, at(w.secret)...)
				}
				if got := serve(h, request(everywhere...)); got.Code != 200 || asked() != 1 {
					t.Errorf("%s: the same key everywhere: %d", d.name, got.Code)
				}
			}
		}
	}
}

// notation is a way to write a credential into a header.
type notation struct {
	name   string
	header string
	write  func(value string) string
}

func notations() []notation {
	return []notation{
		{"Bearer", "Authorization", func(v string) string { return "Bearer " + v }},
		{"bearer with two spaces", "Authorization", func(v string) string { return "bearer  " + v }},
		{"Basic", "Authorization", func(v string) string { return "Basic " + v }},
		{"Basic with a colon", "Authorization", func(v string) string { return "basic " + v + ":" }},
		{"Basic in base64", "Authorization", func(v string) string { return "Basic " + b64(v) }},
		{"Basic in base64 with a colon", "Authorization", func(v string) string { return "Basic " + b64(v+":") }},
		{"Basic in base64 without padding", "Authorization", func(v string) string { return "Basic " + rawB64(v+":") }},
		{"the app's own scheme", "Authorization", func(v string) string { return "Shop " + v }},
		{"x-api-key", "X-Api-Key", func(v string) string { return v }},
		{"x-publishable-api-key", "X-Publishable-Api-Key", func(v string) string { return v }},
	}
}

// shopScheme is an Extractor of an app that reads Authorization.
func shopScheme(r *http.Request, found []string) (string, []string) {
	for _, value := range r.Header.Values("Authorization") {
		if token, ok := strings.CutPrefix(value, "Shop "); ok {
			found = append(found, token)
		}
	}
	return "authorization", found
}

// Every notation of every sort of value beside every other, in both orders: DESIGN 7, told again in
// a few lines.
func TestRequirement17EveryPairOfValuesInEveryNotation(t *testing.T) {
	w := newWorld(t)
	values := map[string]string{
		"a good key":              w.secret,
		"another good key":        w.other,
		"a good publishable key":  w.publishable,
		"a mistyped key":          swapTail(w.secret),
		"another mistyped key":    "pk_nonsense",
		"a key with a password":   w.secret + ":password",
		"a JWT":                   "eyJhbGciOi.e30.sig",
		"a login":                 "ann:password",
		"a key in capitals":       "SK" + w.secret[2:],
		"what is a key elsewhere": "xoxb_" + w.secret,
	}
	isKey := func(v string) bool { return strings.HasPrefix(v, "sk_") || strings.HasPrefix(v, "pk_") }
	isGood := func(v string) bool { return w.ids[v] != "" }
	inOrder := []keyauth.Extractor{keyauth.Bearer, keyauth.Basic, shopScheme, keyauth.Header("x-api-key"), keyauth.Header("x-publishable-api-key")}
	reversed := slices.Clone(inOrder)
	slices.Reverse(reversed)

	type sent struct {
		notation
		what, value string
	}
	var all []sent
	for _, n := range notations() {
		for what, v := range values {
			all = append(all, sent{n, what, v})
		}
	}
	for i, row := range []struct {
		name       string
		optional   bool
		extractors []keyauth.Extractor
	}{
		{"by default", false, nil},
		{"by default, optional", true, nil},
		{"extractors", false, inOrder},
		{"extractors in another order", false, reversed},
		{"extractors, optional", true, reversed},
	} {
		d := doors()[i%2] // what is found is decided behind both
		config := w.config(store.Secret, store.Publishable)
		config.Optional, config.Extractors = row.optional, row.extractors
		h := d.open(t, config)
		check := func(pair ...sent) {
			var lines, names []string
			counts := map[string]bool{} // what is a key, or stands where only keys do
			foreign := false
			for _, s := range pair {
				lines = append(lines, s.header, s.write(s.value))
				names = append(names, s.name+": "+s.what)
				switch {
				case s.name == "the app's own scheme" && row.extractors == nil: // nobody reads it
				case isKey(s.value) || s.header != "Authorization":
					counts[strings.TrimSuffix(s.value, ":")] = true
				default:
					foreign = true
				}
			}
			status, lookups, who := 401, int64(0), ""
			switch {
			case len(counts) > 1:
				status = 400
			case len(counts) == 1:
				for v := range counts {
					if isGood(v) {
						status, lookups, who = 200, 1, w.ids[v]
					}
				}
			case row.optional:
				status, who = 200, "nobody"
			}
			challenge := map[int]string{200: "", 400: `Bearer error="invalid_request"`, 401: invalidToken}[status]
			if status == 401 && len(counts) == 0 && !foreign {
				challenge = "Bearer"
			}
			got := serve(h, request(lines...))
			n := w.spy.calls.Swap(0)
			if got.Code != status || n != lookups || got.Header().Get("WWW-Authenticate") != challenge || who != "" && got.Body.String() != who {
				t.Errorf("%s, %s: %q: %d %q %s after %d lookups, want %d %q %s after %d",
					d.name, row.name, names, got.Code, got.Header().Get("WWW-Authenticate"), got.Body, n, status, challenge, who, lookups)
			}
		}
		check()
		for _, a := range all {
			check(a)
			for _, b := range all {
				check(a, b) // and b, a, when its turn comes
			}
		}
	}
}

// What stands in Authorization for somebody else must not hide a key from the guard's other rules.
func TestRequirement17AForeignAuthorizationHidesNoKey(t *testing.T) {
	w := newWorld(t)
	foreign := []string{"Basic " + b64("ann:password"), "Bearer eyJhbGciOi.e30.sig", "Basic !!!", "Basic " + b64(strings.Repeat("x", 400)), "Bearer " + strings.Repeat("x", 400)}
	reversed := []keyauth.Extractor{keyauth.Header("x-api-key"), keyauth.Basic, keyauth.Bearer}
	for _, d := range doors() {
		for _, extractors := range [][]keyauth.Extractor{nil, reversed} {
			for _, optional := range []bool{false, true} {
				open := func(set func(*keyauth.Config)) http.Handler {
					config := w.config(store.Secret)
					config.Extractors, config.Optional = extractors, optional
					if set != nil {
						set(&config)
					}
					return d.open(t, config)
				}
				wary := open(func(c *keyauth.Config) { c.MaxFailures = store.RateLimit{Requests: 1, Window: time.Hour} })
				for _, value := range foreign {
					expect := func(what string, h http.Handler, status int, lines ...string) {
						t.Helper()
						if got := serve(h, request(append(lines, "Authorization", value)...)); got.Code != status {
							t.Errorf("%s, optional %v, %.40q: %s: %d, want %d", d.name, optional, value, what, got.Code, status)
						}
					}
					expect("a good key, failures limited", wary, 200, "X-Api-Key", w.secret)
					expect("a good key, Medusa", open(func(c *keyauth.Config) { c.Errors = keyauth.MedusaErrors }), 200, "X-Api-Key", w.secret)
					expect("a revoked key", open(nil), 401, "X-Api-Key", w.revoked)
					expect("a revoked key, Medusa", open(func(c *keyauth.Config) { c.Errors = keyauth.MedusaErrors }), 401, "X-Api-Key", w.revoked)
					expect("a key of the wrong type", open(nil), 403, "X-Api-Key", w.publishable)
					expect("a key without the scope", open(func(c *keyauth.Config) { c.Scopes = []string{"orders:write"} }), 403, "X-Api-Key", w.scoped)
					expect("a secret key of a foreign page", open(func(c *keyauth.Config) { c.ForbidBrowserOrigins = true }), 403, "X-Api-Key", w.secret, "Sec-Fetch-Site", "cross-site")
					expect("two keys", open(nil), 400, "X-Api-Key", w.secret, "X-Api-Key", w.other)
					expect("no key", open(nil), map[bool]int{false: 401, true: 200}[optional])
				}
				// Medusa's own answer to a secret key as Bearer stands, whatever is beside it.
				medusa := open(func(c *keyauth.Config) { c.Errors = keyauth.MedusaErrors })
				w.spy.calls.Store(0)
				got := serve(medusa, request("Authorization", "Basic "+b64("ann:password"), "Authorization", "Bearer "+w.other, "X-Api-Key", w.secret))
				if got.Code != 401 || !strings.Contains(got.Body.String(), "passed as a Bearer token") || w.spy.calls.Load() != 0 {
					t.Errorf("%s: Medusa: %d %s after %d lookups", d.name, got.Code, got.Body, w.spy.calls.Load())
				}
				if optional {
					continue
				}
				for i, want := range []int{401, 429} { // alone it is a failure as it was
					if got := serve(wary, request("Authorization", foreign[0])); got.Code != want {
						t.Errorf("%s: a login alone, %d: %d, want %d", d.name, i, got.Code, want)
					}
				}
			}
		}
	}
	// Damaged or too long, a key in base64 is a key: beside another it is no foreign value, and
	// Optional does not pass it by.
	for _, broken := range []string{b64(w.other)[:30] + "!", b64(w.other)[:29], b64(w.other + strings.Repeat("x", 400)), b64("pk_" + strings.Repeat("\xff", 300))} {
		for _, optional := range []bool{false, true} {
			config := w.config(store.Secret)
			config.Optional = optional
			h := keyauth.WithConfig(config)(http.NotFoundHandler())
			if got := serve(h, request("Authorization", "Basic "+broken, "X-Api-Key", w.secret)); got.Code != 400 {
				t.Errorf("optional %v, %.40q beside a key: %d, want 400", optional, broken, got.Code)
			}
			if got := serve(h, request("Authorization", "Basic "+broken)); got.Code != 401 {
				t.Errorf("optional %v, %.40q: %d, want 401", optional, broken, got.Code)
			}
		}
	}
}
