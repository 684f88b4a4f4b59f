package admin_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/latchkey-go/latchkey/admin"
	keyauth "github.com/latchkey-go/latchkey/middleware"
	"github.com/latchkey-go/latchkey/store"
)

// untouched is a body that nobody may read.
type untouched struct{ t *testing.T }

func (u untouched) Read([]byte) (int, error) {
	u.t.Error("the body of a preflight was read")
	return 0, io.EOF
}

func (untouched) Close() error { return nil }

// Whatever the guard does with preflights, no admin route answers one, with a key in it or without.
func TestRequirement21NoAdminRouteAnswersAPreflight(t *testing.T) {
	everyRoute(t, func(t *testing.T, _, method, target, _ string) {
		f := open(t, admin.Options{})
		sk := f.made(store.NewKey{Type: store.Secret}).Token.Reveal()
		target = strings.Replace(target, "{id}", f.publishable("shop").ID, 1)
		before, err := f.keys.Events(t.Context(), store.EventQuery{})
		if err != nil {
			t.Fatal(err)
		}
		for name, row := range map[string]struct {
			config keyauth.Config
			actor  bool
			status int // 405: an actor may know which methods there are
		}{
			"secret keys":                    {keyauth.Config{}, false, 401},
			"keys of any type":               {keyauth.Config{Types: []store.Type{store.Secret, store.Publishable}}, false, 401},
			"Optional":                       {keyauth.Config{Optional: true}, false, 401},
			"PassPreflights":                 {keyauth.Config{PassPreflights: true}, false, 401},
			"secret keys, and an actor":      {keyauth.Config{}, true, 401},
			"PassPreflights with an actor":   {keyauth.Config{PassPreflights: true}, true, 405},
			"Optional with an actor":         {keyauth.Config{Optional: true}, true, 405},
			"secret keys, in Medusa's words": {keyauth.Config{Errors: keyauth.MedusaErrors}, false, 401},
		} {
			row.config.Keys, row.config.Logger = f.keys, quiet
			config := admin.Options{Logger: quiet, Guard: keyauth.WithConfig(row.config)}
			if row.actor {
				config.Actor = func(*http.Request) string { return "user_1" }
			}
			doors := mounted("", admin.New(f.keys, config))
			doors["net/http"] = admin.New(f.keys, config)
			config.Guard = nil
			if row.status == 401 && !row.actor {
				doors["its own guard alone"] = admin.New(f.keys, config)
			}
			for door, h := range doors {
				for _, key := range []string{"", sk, "sk_nonsense"} {
					r := httptest.NewRequest(http.MethodOptions, target, nil)
					r.Header.Set("Origin", "https://evil.example")
					r.Header.Set("Access-Control-Request-Method", method)
					r.Header.Set("Content-Type", "application/json")
					r.Header.Set("X-Api-Key", key)
					r.Body, r.ContentLength = untouched{t}, 20
					w := httptest.NewRecorder()
					h.ServeHTTP(w, r)
					if w.Code != row.status || w.Header().Get("Cache-Control") != "no-store" {
						t.Errorf("%s, %s, key %.3q: %d %v, want %d", door, name, key, w.Code, w.Header(), row.status)
					}
				}
			}
		}
		after, err := f.keys.Events(t.Context(), store.EventQuery{})
		if err != nil || len(after) != len(before) {
			t.Errorf("%d events, then %d, %v", len(before), len(after), err)
		}
	})
}
