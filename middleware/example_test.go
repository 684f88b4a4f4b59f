package middleware_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	keyauth "github.com/latchkey-go/latchkey/middleware"
	"github.com/latchkey-go/latchkey/store"
)

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
	shop := e.Group("/store", keyauth.Publishable(keys))
	shop.GET("/products", func(c echo.Context) error {
		return c.String(http.StatusOK, "products of "+strings.Join(keyauth.Key(c).SalesChannelIDs, ", "))
	})
	api := e.Group("/api", keyauth.Secret(keys))
	api.GET("/orders", func(c echo.Context) error { return c.String(http.StatusOK, "orders for "+keyauth.Key(c).Title) })
	api.POST("/orders", func(c echo.Context) error { return c.NoContent(http.StatusCreated) }, keyauth.Require("orders:write"))

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

// ExampleConfig_Handler guards a net/http handler; chi, Echo v5 and others take the method value as it is: r.Use(guard.Handler).
func ExampleConfig_Handler() {
	ctx := context.Background()
	keys := store.New(store.NewMemory())
	defer keys.Close(ctx)
	erp, err := keys.Create(ctx, store.NewKey{Type: store.Secret, Title: "ERP"})
	if err != nil {
		fmt.Println(err)
		return
	}

	guard := keyauth.Config{Keys: keys}
	mux := http.NewServeMux()
	mux.Handle("GET /orders", guard.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		key, _ := keyauth.KeyFrom(r.Context())
		_, _ = io.WriteString(w, "orders for "+key.Title)
	})))

	r := httptest.NewRequest("GET", "/orders", nil)
	r.SetBasicAuth(erp.Token.Reveal(), "") // curl -u sk_…:
	w := httptest.NewRecorder()
	mux.ServeHTTP(w, r)
	fmt.Println(w.Code, w.Body)
	// Output: 200 orders for ERP
}

// ExampleConfig_optional lets the app's own login stand behind the guard: a session token in Authorization is none of its business.
func ExampleConfig_optional() {
	ctx := context.Background()
	keys := store.New(store.NewMemory())
	defer keys.Close(ctx)

	e := echo.New()
	guard := keyauth.WithConfig(keyauth.Config{Keys: keys, Optional: true, Logger: slog.New(slog.DiscardHandler)})
	e.GET("/me", func(c echo.Context) error {
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

// ExampleConfig_rateLimit shows what the client of a limited key is told. Nothing has to be set for it.
func ExampleConfig_rateLimit() {
	ctx := context.Background()
	keys := store.New(store.NewMemory())
	defer keys.Close(ctx)
	erp, err := keys.Create(ctx, store.NewKey{Type: store.Secret, RateLimit: store.RateLimit{Requests: 2, Window: time.Minute}})
	if err != nil {
		fmt.Println(err)
		return
	}

	guard := keyauth.Config{Keys: keys, Logger: slog.New(slog.DiscardHandler)}
	orders := guard.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {}))
	for range 3 {
		r := httptest.NewRequest("GET", "/orders", nil)
		r.Header.Set("Authorization", "Bearer "+erp.Token.Reveal())
		w := httptest.NewRecorder()
		orders.ServeHTTP(w, r)
		fmt.Println(w.Code, w.Header().Get("RateLimit")) // and Retry-After beside 429
	}
	// Output:
	// 200 "secret-key";r=1;t=30
	// 200 "secret-key";r=0;t=30
	// 429 "secret-key";r=0;t=30
}
