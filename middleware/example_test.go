package keyauth_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"

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

	shop, api, write := keyauth.Publishable(keys), keyauth.Secret(keys), keyauth.Require("orders:write")
	mux := http.NewServeMux()
	mux.Handle("GET /store/products", shop(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		key, _ := keyauth.KeyFrom(r.Context())
		fmt.Fprint(w, "products of ", strings.Join(key.SalesChannelIDs, ", "))
	})))
	mux.Handle("GET /api/orders", api(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		key, _ := keyauth.KeyFrom(r.Context())
		fmt.Fprint(w, "orders for ", key.Title)
	})))
	mux.Handle("POST /api/orders", api(write(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusCreated)
	}))))

	ask := func(method, path, header, value string) {
		r := httptest.NewRequest(method, path, nil)
		if header != "" {
			r.Header.Set(header, value)
		}
		w := httptest.NewRecorder()
		mux.ServeHTTP(w, r)
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

// ExampleWithConfig guards a net/http handler; chi and others take the guard as it is:
// r.Use(guard).
func ExampleWithConfig() {
	ctx := context.Background()
	keys := store.New(store.NewMemory())
	defer keys.Close(ctx)
	erp, err := keys.Create(ctx, store.NewKey{Type: store.Secret, Title: "ERP"})
	if err != nil {
		fmt.Println(err)
		return
	}

	guard := keyauth.WithConfig(keyauth.Config{Keys: keys})
	mux := http.NewServeMux()
	mux.Handle("GET /orders", guard(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
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

// ExampleConfig_rateLimit shows the headers that the client of a limited key gets. Nothing has to
// be set for it.
func ExampleConfig_rateLimit() {
	ctx := context.Background()
	keys := store.New(store.NewMemory())
	defer keys.Close(ctx)
	erp, err := keys.Create(ctx, store.NewKey{Type: store.Secret, RateLimit: store.RateLimit{Requests: 2, Window: time.Minute}})
	if err != nil {
		fmt.Println(err)
		return
	}

	guard := keyauth.WithConfig(keyauth.Config{Keys: keys, Logger: slog.New(slog.DiscardHandler)})
	orders := guard(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {}))
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
