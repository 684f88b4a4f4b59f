package admin_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/latchkey-go/latchkey/admin"
	keyauth "github.com/latchkey-go/latchkey/middleware"
	"github.com/latchkey-go/latchkey/store"
)

// TestALifeOverTheWire goes through the life of keys over real connections, with the real guards,
// behind both doors.
func TestALifeOverTheWire(t *testing.T) {
	for name, serve := range map[string]func(*store.Keys) http.Handler{
		"Echo v4": func(keys *store.Keys) http.Handler {
			return mounted("/admin", admin.New(keys, admin.Options{}))["Echo v4"]
		},
		"Echo v5": func(keys *store.Keys) http.Handler {
			return mounted("/admin", admin.New(keys, admin.Options{}))["Echo v5"]
		},
		"net/http": func(keys *store.Keys) http.Handler {
			return http.StripPrefix("/admin", admin.New(keys, admin.Options{}))
		},
		"net/http behind a guard for any key": func(keys *store.Keys) http.Handler {
			guard := keyauth.Config{Keys: keys, Types: []store.Type{store.Secret, store.Publishable}, Optional: true}
			return http.StripPrefix("/admin", admin.New(keys, admin.Options{Guard: keyauth.WithConfig(guard)}))
		},
	} {
		t.Run(name, func(t *testing.T) {
			keys := store.New(store.NewMemory())
			defer keys.Close(t.Context())
			server := httptest.NewServer(documented(t, serve(keys)))
			defer server.Close()
			root, err := keys.Create(t.Context(), store.NewKey{Type: store.Secret, Title: "root"})
			if err != nil {
				t.Fatal(err)
			}
			type key struct {
				ID, Token string
				CreatedBy string `json:"created_by"`
				RevokedBy string `json:"revoked_by"`
			}
			ask := func(token, method, target, body string, status int) key {
				t.Helper()
				r, err := http.NewRequestWithContext(t.Context(), method, server.URL+"/admin"+target, strings.NewReader(body))
				if err != nil {
					t.Fatal(err)
				}
				r.Header.Set("Content-Type", "application/json")
				if token != "" {
					r.Header.Set("X-Api-Key", token)
				}
				got, err := server.Client().Do(r)
				if err != nil {
					t.Fatal(err)
				}
				defer got.Body.Close()
				text, err := io.ReadAll(got.Body)
				var read struct {
					Key key `json:"api_key"`
				}
				if jsonErr := json.Unmarshal(text, &read); err != nil || jsonErr != nil || got.StatusCode != status {
					t.Fatalf("%s %s was answered %d %s, %v; want %d", method, target, got.StatusCode, text, err, status)
				}
				return read.Key
			}
			token := root.Token.Reveal()
			ask("", "GET", "/api-keys", "", 401)
			ask("sk_x", "GET", "/api-keys", "", 401)
			made := ask(token, "POST", "/api-keys", `{"title":"ERP","type":"secret"}`, 200)
			if made.CreatedBy != root.Key.ID {
				t.Errorf("created by %q, want %q", made.CreatedBy, root.Key.ID)
			}
			ask(made.Token, "GET", "/api-keys/"+made.ID, "", 200)
			next := ask(made.Token, "POST", "/api-keys/"+made.ID+"/roll", "", 200)
			ask(made.Token, "GET", "/api-keys", "", 401)
			if self := ask(next.Token, "GET", "/api-keys/self", "", 200); self.ID != next.ID {
				t.Errorf("self is %q, want %q", self.ID, next.ID)
			}
			if gone := ask(next.Token, "POST", "/api-keys/"+next.ID+"/revoke", "", 200); gone.RevokedBy != next.ID {
				t.Errorf("revoked by %q, want the key itself", gone.RevokedBy)
			}
			ask(next.Token, "GET", "/api-keys", "", 401)
			ask(token, "DELETE", "/api-keys/"+next.ID, "", 200)
			ask(token, "GET", "/api-keys/"+next.ID, "", 404)
			shop := ask(token, "POST", "/api-keys", `{"title":"shop","type":"publishable"}`, 200)
			r, _ := http.NewRequestWithContext(t.Context(), "GET", server.URL+"/admin/api-keys", nil)
			r.Header.Set("X-Api-Key", shop.Token)
			got, err := server.Client().Do(r)
			if err != nil {
				t.Fatal(err)
			}
			got.Body.Close()
			if got.StatusCode != 401 && got.StatusCode != 403 {
				t.Errorf("a publishable key was answered %d", got.StatusCode)
			}
		})
	}
}
