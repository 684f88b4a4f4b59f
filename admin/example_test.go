package admin_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/latchkey-go/latchkey/admin"
	keyauth "github.com/latchkey-go/latchkey/middleware"
	"github.com/latchkey-go/latchkey/store"
)

func ExampleMount() {
	keys := store.New(store.NewMemory())
	defer keys.Close(context.Background())
	first, err := keys.Create(context.Background(), store.NewKey{Type: store.Secret, Title: "first"})
	if err != nil {
		fmt.Println(err)
		return
	}

	e := echo.New()
	admin.Mount(e.Group("/admin"), keys, keyauth.Secret(keys))

	ask := func(method, target, body string) {
		r := httptest.NewRequest(method, target, strings.NewReader(body))
		r.Header.Set("Authorization", "Bearer "+first.Token.Reveal())
		r.Header.Set("Content-Type", "application/json")
		w := httptest.NewRecorder()
		e.ServeHTTP(w, r)
		fmt.Println(w.Code, strings.ReplaceAll(w.Body.String(), first.Key.ID, "apk_…"))
	}
	ask("POST", "/admin/api-keys", `{"title":"shop"}`)
	ask("GET", "/admin/api-keys?q=fir&fields=title", "")
	ask("POST", "/admin/api-keys/verify", `{"token":"sk_x"}`)
	// Output:
	// 400 {"type":"invalid_data","message":"Invalid request: Field 'type' is required"}
	// 200 {"api_keys":[{"title":"first","id":"apk_…"}],"count":1,"offset":0,"limit":20}
	// 200 {"is_authenticated":false}
}

func ExampleHandler() {
	keys := store.New(store.NewMemory())
	defer keys.Close(context.Background())

	// Any guard will do; this one asks nobody, and so admin itself refuses.
	open := func(next http.Handler) http.Handler { return next }
	mux := http.NewServeMux()
	mux.Handle("/admin/", http.StripPrefix("/admin", admin.Handler(keys, open)))

	server := httptest.NewServer(mux)
	defer server.Close()
	answer, err := server.Client().Get(server.URL + "/admin/api-keys")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	fmt.Println(answer.Status, string(body), err)
	// Output: 401 Unauthorized {"message":"Unauthorized"} <nil>
}

func ExampleConfig_Handler() {
	keys := store.New(store.NewMemory())
	defer keys.Close(context.Background())

	// The app's own login is the guard; Actor says who it was.
	type login struct{}
	guard := func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), login{}, "user_7")))
		})
	}
	api, err := admin.Config{Actor: func(r *http.Request) string {
		user, _ := r.Context().Value(login{}).(string)
		return user
	}}.Handler(keys, guard)
	if err != nil {
		fmt.Println(err)
		return
	}

	r := httptest.NewRequest("POST", "/api-keys", strings.NewReader(`{"title":"shop","type":"publishable"}`))
	r.Header.Set("Content-Type", "application/json")
	api.ServeHTTP(httptest.NewRecorder(), r)

	made, err := keys.List(context.Background(), store.Query{})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(made[0].Title, "by", made[0].CreatedBy)
	// Output: shop by user_7
}
