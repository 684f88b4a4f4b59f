package security_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/labstack/echo/v4"

	"github.com/latchkey-go/latchkey/admin"
	keyauth "github.com/latchkey-go/latchkey/middleware"
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

// Guards that let more through than admin routes may take, each as somebody could put it there by mistake.
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
	for name, guard := range map[string]echo.MiddlewareFunc{
		"Optional":             keyauth.WithConfig(keyauth.Config{Keys: keys, Optional: true}),
		"a Skipper of all":     keyauth.WithConfig(keyauth.Config{Keys: keys, Skipper: func(echo.Context) bool { return true }}),
		"publishable keys":     keyauth.Publishable(keys),
		"keys of any type":     keyauth.Any(keys),
		"no guard worth it":    func(next echo.HandlerFunc) echo.HandlerFunc { return next },
		"a guard behind a key": keyauth.WithConfig(keyauth.Config{Keys: keys, Types: []store.Type{store.Publishable}, Optional: true}),
	} {
		e := echo.New()
		admin.Mount(e.Group("/admin"), keys, guard)
		for who, token := range map[string]string{"nobody": "", "a publishable key": public.Token.Reveal()} {
			if got := status(e, "/admin/api-keys", token); got != http.StatusUnauthorized && got != http.StatusForbidden {
				t.Errorf("%s let %s in: %d", name, who, got)
			}
		}
	}
	e := echo.New()
	admin.Mount(e.Group("/admin"), keys, keyauth.Any(keys))
	if got := status(e, "/admin/api-keys", secret.Token.Reveal()); got != http.StatusOK {
		t.Errorf("a secret key was answered %d", got)
	}
}
