package security_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/labstack/echo/v4"
	echo5 "github.com/labstack/echo/v5"

	"github.com/latchkey-go/latchkey/admin"
	keyauth "github.com/latchkey-go/latchkey/middleware"
	echoauth "github.com/latchkey-go/latchkey/middleware/echov4"
	echoauth5 "github.com/latchkey-go/latchkey/middleware/echov5"
	"github.com/latchkey-go/latchkey/store"
)

func status(h http.Handler, path, token string) int {
	r := httptest.NewRequest(http.MethodGet, path, nil)
	if token != "" {
		r.Header.Set("X-Api-Key", token)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Code
}

// Guards that let more through than admin routes may take, each as somebody could put it there by
// mistake.
func TestRequirement23AdminRoutesRefuseWhatALooseGuardLetsThrough(t *testing.T) {
	keys := store.New(store.NewMemory())
	secret, err := keys.Create(t.Context(), store.NewKey{Type: store.Secret})
	if err != nil {
		t.Fatal(err)
	}
	public, err := keys.Create(t.Context(), store.NewKey{Type: store.Publishable})
	if err != nil {
		t.Fatal(err)
	}
	for name, guard := range map[string]func(http.Handler) http.Handler{
		"none":                 nil,
		"Optional":             keyauth.WithConfig(keyauth.Config{Keys: keys, Optional: true}),
		"publishable keys":     keyauth.Publishable(keys),
		"keys of any type":     keyauth.Any(keys),
		"no guard worth it":    func(next http.Handler) http.Handler { return next },
		"a guard behind a key": keyauth.WithConfig(keyauth.Config{Keys: keys, Types: []store.Type{store.Publishable}, Optional: true}),
	} {
		h := admin.New(keys, admin.Options{Guard: guard})
		for mount, app := range everywhere(h, echoauth.Skip(func(echo.Context) bool { return true }, echoauth.Secret(keys))) {
			for who, token := range map[string]string{"nobody": "", "a publishable key": public.Token.Reveal()} {
				if got := status(app, "/admin/api-keys", token); got != http.StatusUnauthorized && got != http.StatusForbidden {
					t.Errorf("%s, %s let %s in: %d", mount, name, who, got)
				}
			}
			want := http.StatusOK
			if name == "publishable keys" {
				want = http.StatusForbidden
			}
			if got := status(app, "/admin/api-keys", secret.Token.Reveal()); got != want && name != "a guard behind a key" {
				t.Errorf("%s, %s: a secret key was answered %d", mount, name, got)
			}
		}
	}
}

// everywhere returns h at /admin of every router that there is a door for. A guard that skips every
// request stands in front where it can.
func everywhere(h http.Handler, skipped echo.MiddlewareFunc) map[string]http.Handler {
	four, five, mux := echo.New(), echo5.New(), http.NewServeMux()
	echoauth.Mount(four.Group("/admin"), h)
	echoauth5.Mount(five.Group("/admin"), h)
	mux.Handle("/admin/", http.StripPrefix("/admin", h))
	behind := echo.New()
	echoauth.Mount(behind.Group("/admin", skipped), h)
	return map[string]http.Handler{"Echo v4": four, "Echo v5": five, "net/http": mux, "behind a Skip of all": behind}
}
