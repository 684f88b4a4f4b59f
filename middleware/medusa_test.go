package keyauth_test

import (
	"net/http"
	"strings"
	"testing"

	keyauth "github.com/latchkey-go/latchkey/middleware"
	"github.com/latchkey-go/latchkey/store"
)

// TestMedusasAnswers holds the option to medusa-behaviour.md 2, 6 and 7, to the byte.
func TestMedusasAnswers(t *testing.T) {
	const (
		missing  = `{"type":"not_allowed","message":"Publishable API key required in the request header: x-publishable-api-key. You can manage your keys in settings in the dashboard."}`
		notValid = `{"type":"not_allowed","message":"A valid publishable key is required to proceed with the request"}`
		signIn   = `{"message":"Unauthorized"}`
		asBasic  = `{"message":"A secret API key was passed as a Bearer token. Secret API keys must be sent using HTTP Basic authentication instead (Authorization: Basic <secret-api-key>)."}`
	)
	w := newWorld(t)
	rows := []struct {
		name      string
		types     store.Type
		lines     []string
		status    int
		body      string
		challenge string
	}{
		{"store: no header", store.Publishable, nil, 400, missing, ""},
		{"store: an empty header", store.Publishable, []string{"X-Publishable-Api-Key", ""}, 400, missing, ""},
		{"store: a key only in Authorization", store.Publishable, []string{"Authorization", "Bearer " + w.publishable}, 400, missing, ""},
		{"store: an unknown key", store.Publishable, []string{"X-Publishable-Api-Key", "pk_" + w.medusa[3:]}, 400, notValid, ""},
		{"store: nonsense", store.Publishable, []string{"X-Publishable-Api-Key", "nonsense"}, 400, notValid, ""},
		{"store: a secret key", store.Publishable, []string{"X-Publishable-Api-Key", w.secret}, 400, notValid, ""},
		{"store: the redacted form", store.Publishable, []string{"X-Publishable-Api-Key", w.publishable[:6] + "***" + w.publishable[len(w.publishable)-3:]}, 400, notValid, ""},
		{"store: another case", store.Publishable, []string{"X-Publishable-Api-Key", strings.ToUpper(w.publishable)}, 400, notValid, ""},
		{"store: two with a comma", store.Publishable, []string{"X-Publishable-Api-Key", w.publishable + "," + w.publishable2}, 400, notValid, ""},
		{"store: two headers", store.Publishable, []string{"X-Publishable-Api-Key", w.publishable, "X-Publishable-Api-Key", w.publishable2}, 400, notValid, ""},
		{"admin: nothing", store.Secret, nil, 401, signIn, "Bearer"},
		{"admin: an unknown key", store.Secret, []string{"Authorization", "Basic " + w.unknown}, 401, signIn, invalidToken},
		{"admin: a revoked key", store.Secret, []string{"Authorization", "Basic " + w.revoked}, 401, signIn, invalidToken},
		{"admin: a publishable key", store.Secret, []string{"Authorization", "Basic " + w.publishable}, 401, signIn, invalidToken},
		{"admin: a password", store.Secret, []string{"Authorization", "Basic " + b64(w.secret+":password")}, 401, signIn, invalidToken},
		{"admin: a good key as Bearer", store.Secret, []string{"Authorization", "Bearer " + w.secret}, 401, asBasic, invalidToken},
		{"admin: a bad key as Bearer", store.Secret, []string{"Authorization", "bearer sk_anything"}, 401, asBasic, invalidToken},
		{"admin: a JWT", store.Secret, []string{"Authorization", "Bearer eyJhbGciOi.e30.sig"}, 401, signIn, invalidToken},
		{"admin: a good key as Basic", store.Secret, []string{"Authorization", "Basic " + w.secret}, 200, w.ids[w.secret], ""},
		{"store: a good key", store.Publishable, []string{"X-Publishable-Api-Key", w.publishable}, 200, w.ids[w.publishable], ""},
		{"store: spaces around a good key", store.Publishable, []string{"X-Publishable-Api-Key", " " + w.publishable + " "}, 200, w.ids[w.publishable], ""},
		{"store: a good key beside a secret one as Bearer", store.Publishable, []string{"X-Publishable-Api-Key", w.publishable, "Authorization", "Bearer " + w.secret}, 200, w.ids[w.publishable], ""},
		{"a limit that Medusa has not: addresses", store.Secret, []string{"Authorization", "Basic " + w.bound}, 403, `{"type":"forbidden","message":"The API key may not be used from this address"}`, `Bearer error="insufficient_scope"`},
	}
	for _, d := range doors() {
		for _, row := range rows {
			t.Run(d.name+": "+row.name, func(t *testing.T) {
				config := w.config(row.types)
				config.Errors = keyauth.MedusaErrors
				got := serve(d.open(t, config), request(row.lines...))
				if got.Code != row.status || got.Body.String() != row.body || got.Header().Get("WWW-Authenticate") != row.challenge {
					t.Errorf("got  %d %s %q\nwant %d %s %q", got.Code, got.Body, got.Header().Get("WWW-Authenticate"), row.status, row.body, row.challenge)
				}
				if row.status == 200 {
					return
				}
				if ct, cc := got.Header().Get("Content-Type"), got.Header().Get("Cache-Control"); ct != "application/json; charset=utf-8" || cc != "no-store" {
					t.Errorf("Content-Type %q, Cache-Control %q", ct, cc)
				}
			})
		}
		t.Run(d.name+": what cannot be decided is 503 in the store and in admin", func(t *testing.T) {
			w := newWorld(t)
			w.spy.failWith(store.ErrWrongType) // whatever the store's error looks like
			for typ, token := range map[store.Type]string{store.Publishable: w.publishable, store.Secret: w.secret} {
				config := w.config(typ)
				config.Errors = keyauth.MedusaErrors
				if got := serve(d.open(t, config), request("X-Api-Key", token)); got.Code != http.StatusServiceUnavailable || got.Header().Get("Retry-After") != "1" {
					t.Errorf("%s: %d %v", typ, got.Code, got.Header())
				}
			}
		})
	}
}
