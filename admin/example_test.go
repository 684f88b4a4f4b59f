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
	echoauth "github.com/latchkey-go/latchkey/middleware/echov4"
	"github.com/latchkey-go/latchkey/store"
)

// Example mounts the API below a group of Echo.
func Example() {
	keys := store.New(store.NewMemory())
	defer keys.Close(context.Background())
	first, err := keys.Create(context.Background(), store.NewKey{Type: store.Secret, Title: "first"})
	if err != nil {
		fmt.Println(err)
		return
	}

	e := echo.New()
	echoauth.Mount(e.Group("/admin"), admin.New(keys, admin.Options{}))

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

// ExampleNew mounts the API in net/http. Nobody comes in without a secret key.
func ExampleNew() {
	keys := store.New(store.NewMemory())
	defer keys.Close(context.Background())

	mux := http.NewServeMux()
	mux.Handle("/admin/", http.StripPrefix("/admin", admin.New(keys, admin.Options{})))

	server := httptest.NewServer(mux)
	defer server.Close()
	answer, err := server.Client().Get(server.URL + "/admin/api-keys")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	fmt.Println(answer.Status, strings.TrimSpace(string(body)), err)
	// Output: 401 Unauthorized {"type":"unauthorized","message":"Unauthorized"} <nil>
}

// ExampleOptions lets the app's own staff in, without keys.
func ExampleOptions() {
	keys := store.New(store.NewMemory())
	defer keys.Close(context.Background())

	// The app's own login is one more guard; Actor says who it was.
	type login struct{}
	session := func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), login{}, "user_7")))
		})
	}
	api := admin.New(keys, admin.Options{Guard: session, Actor: func(r *http.Request) string {
		user, _ := r.Context().Value(login{}).(string)
		return user
	}})

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
