package echoauth_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/labstack/echo/v5"
	"go.uber.org/goleak"

	keyauth "github.com/latchkey-go/latchkey/middleware"
	echoauth "github.com/latchkey-go/latchkey/middleware/echov5"
	"github.com/latchkey-go/latchkey/store"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// Example guards a storefront with publishable keys and an API with secret ones.
func Example() {
	ctx := context.Background()
	keys := store.New(store.NewMemory()) // a database in a real program
	defer keys.Close(ctx)
	web, err := keys.Create(ctx, store.NewKey{Type: store.Publishable, Title: "Web shop", SalesChannelIDs: []string{"sc_web"}})
	if err != nil {
		fmt.Println(err)
		return
	}
	erp, err := keys.Create(ctx, store.NewKey{Type: store.Secret, Title: "ERP", Scopes: []string{"orders:read"}})
	if err != nil {
		fmt.Println(err)
		return
	}

	e := echo.New()
	shop := e.Group("/store", echoauth.Publishable(keys))
	shop.GET("/products", func(c *echo.Context) error {
		return c.String(http.StatusOK, "products of "+strings.Join(echoauth.Key(c).SalesChannelIDs, ", "))
	})
	api := e.Group("/api", echoauth.Secret(keys))
	api.GET("/orders", func(c *echo.Context) error { return c.String(http.StatusOK, "orders for "+echoauth.Key(c).Title) })
	api.POST("/orders", func(c *echo.Context) error { return c.NoContent(http.StatusCreated) }, echoauth.Require("orders:write"))

	ask := func(method, path, header, value string) {
		r := httptest.NewRequest(method, path, nil)
		if header != "" {
			r.Header.Set(header, value)
		}
		w := httptest.NewRecorder()
		e.ServeHTTP(w, r)
		fmt.Println(w.Code, strings.TrimSpace(w.Body.String()))
	}
	ask("GET", "/store/products", "", "")
	ask("GET", "/store/products", "x-publishable-api-key", web.Token.Reveal())
	ask("GET", "/api/orders", "Authorization", "Bearer "+erp.Token.Reveal())
	ask("POST", "/api/orders", "Authorization", "Bearer "+erp.Token.Reveal())
	// Output:
	// 401 {"type":"unauthorized","message":"Unauthorized"}
	// 200 products of sc_web
	// 200 orders for ERP
	// 403 {"type":"forbidden","message":"The API key lacks a required scope: orders:write"}
}

// ExampleWithConfig lets the app's own login stand behind the guard: a session token in
// Authorization is none of its business.
func ExampleWithConfig() {
	ctx := context.Background()
	keys := store.New(store.NewMemory())
	defer keys.Close(ctx)

	e := echo.New()
	guard := echoauth.WithConfig(keyauth.Config{Keys: keys, Optional: true, Logger: slog.New(slog.DiscardHandler)})
	e.GET("/me", func(c *echo.Context) error {
		if key, ok := keyauth.KeyFrom(c.Request().Context()); ok {
			return c.String(http.StatusOK, key.Title)
		}
		return c.String(http.StatusOK, "no key: ask the session")
	}, guard)

	for _, token := range []string{"eyJhbGciOi.e30.sig", "sk_nonsense"} {
		r := httptest.NewRequest("GET", "/me", nil)
		r.Header.Set("Authorization", "Bearer "+token)
		w := httptest.NewRecorder()
		e.ServeHTTP(w, r)
		fmt.Println(w.Code, strings.TrimSpace(w.Body.String()))
	}
	// Output:
	// 200 no key: ask the session
	// 401 {"type":"unauthorized","message":"Unauthorized"}
}
