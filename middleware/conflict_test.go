package middleware_test

import (
	"testing"

	keyauth "github.com/latchkey-go/latchkey/middleware"
	"github.com/latchkey-go/latchkey/store"
)

// Whatever two places hold two different credentials: 400 and no lookup. The same credential in all of them: one lookup.
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
