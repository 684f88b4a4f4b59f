package admin_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"

	"github.com/latchkey-go/latchkey/admin"
	"github.com/latchkey-go/latchkey/store"
)

// description is openapi.json as a client would read it.
type description struct {
	*openapi3.T
	mux *http.ServeMux // finds operations as the API finds routes
}

// described is the document, read once.
var described = sync.OnceValue(func() description {
	w := httptest.NewRecorder()
	admin.New(store.New(store.NewMemory()), admin.Options{}).ServeHTTP(w, httptest.NewRequest("GET", "/openapi.json", nil))
	doc, err := openapi3.NewLoader().LoadFromData(w.Body.Bytes())
	if err != nil {
		panic(err)
	}
	d := description{doc, http.NewServeMux()}
	for pattern := range d.operations() {
		d.mux.Handle(pattern, http.NotFoundHandler())
	}
	return d
})

// operations returns the operations of the document by the patterns of their routes.
func (d description) operations() map[string]*openapi3.Operation {
	list := map[string]*openapi3.Operation{}
	for path, item := range d.Paths.Map() {
		for method, operation := range item.Operations() {
			list[method+" "+path] = operation
		}
	}
	return list
}

// operation returns the pattern of the operation that a request is for, or "". The request's path
// may have anything in front.
func (d description) operation(r *http.Request) string {
	escaped := r.URL.EscapedPath()
	at := strings.Index(escaped, "/api-keys")
	if at < 0 {
		return ""
	}
	rest := strings.TrimSuffix(escaped[at:], "/")
	u, err := url.ParseRequestURI(rest)
	if err != nil || path.Clean(rest) != rest {
		return ""
	}
	_, pattern := d.mux.Handler(&http.Request{Method: r.Method, URL: u, Host: r.Host})
	return pattern
}

// check returns what the document does not say of an answer, or says otherwise. What belongs to no
// operation must be one of two answers that the document has for that.
func (d description) check(r *http.Request, a answer) error {
	pattern := d.operation(r)
	operation := d.operations()[pattern]
	if operation == nil {
		name, ok := map[int]string{401: "Unauthorized", 404: "NoSuchRoute", 405: "MethodNotAllowed"}[a.status]
		if !ok {
			return fmt.Errorf("no operation, and status %d", a.status)
		}
		operation = &openapi3.Operation{Responses: openapi3.NewResponses(openapi3.WithStatus(a.status, d.Components.Responses[name]))}
	}
	method := r.Method
	if method == http.MethodHead && a.body != "" { // a recorder keeps what a server leaves out
		method = http.MethodGet
	}
	return openapi3filter.ValidateResponse(r.Context(), &openapi3filter.ResponseValidationInput{
		RequestValidationInput: &openapi3filter.RequestValidationInput{
			Request: &http.Request{Method: method, URL: r.URL, Header: r.Header},
			Route:   &routers.Route{Spec: d.T, Path: pattern, Method: method, Operation: operation},
		},
		Status:  a.status,
		Header:  a.header,
		Body:    io.NopCloser(strings.NewReader(a.body)),
		Options: &openapi3filter.Options{IncludeResponseStatus: true},
	})
}

// checkBody returns what the document does not allow in a JSON body that was accepted.
func (d description) checkBody(r *http.Request, body []byte) error {
	operation := d.operations()[d.operation(r)]
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || kind != "application/json" || operation == nil || operation.RequestBody == nil || len(bytes.TrimSpace(body)) == 0 {
		return nil
	}
	var v any
	if err := json.Unmarshal(bytes.TrimPrefix(body, []byte("\ufeff")), &v); err != nil {
		return nil // 1e999: JSON in Medusa, and here, but not in Go
	}
	schema := operation.RequestBody.Value.Content.Get("application/json").Schema.Value
	return schema.VisitJSON(v, openapi3.EnableJSONSchema2020(), openapi3.VisitAsRequest())
}

// documented is h, with every answer of it, and every body that it accepts, held to openapi.json.
// The tests of this package send their requests through it.
func documented(t testing.TB, h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		t.Helper()
		sent := new(bytes.Buffer)
		asked := r.Clone(r.Context())
		if r.Body != nil && r.Body != http.NoBody {
			asked.Body = struct {
				io.Reader
				io.Closer
			}{io.TeeReader(r.Body, sent), r.Body}
		}
		recorder := httptest.NewRecorder()
		h.ServeHTTP(recorder, asked)
		a := answer{recorder.Code, recorder.Body.String(), recorder.Header()}
		d := described()
		if !slices.ContainsFunc(admin.Documents(), func(path string) bool { return strings.HasSuffix(r.URL.Path, path) }) {
			if err := d.check(r, a); err != nil {
				t.Errorf("%s %s was answered %d %s, which is not as in openapi.json: %v", r.Method, r.URL, a.status, a.body, err)
			}
		}
		if a.status == http.StatusOK {
			if err := d.checkBody(r, sent.Bytes()); err != nil {
				t.Errorf("%s %s accepted %s, which openapi.json does not: %v", r.Method, r.URL, sent, err)
			}
		}
		for name, values := range a.header {
			w.Header()[name] = values
		}
		w.WriteHeader(a.status)
		_, _ = io.WriteString(w, a.body)
	})
}

func TestTheDescriptionIsValidOpenAPI31(t *testing.T) {
	d := described()
	if !d.IsOpenAPI31OrLater() {
		t.Fatalf("it is OpenAPI %s", d.OpenAPI)
	}
	if err := d.Validate(context.Background(), openapi3.EnableExamplesValidation(), openapi3.EnableSchemaDefaultsValidation(),
		openapi3.EnableSchemaFormatValidation(), openapi3.EnableSchemaPatternValidation()); err != nil {
		t.Error(err)
	}
	names := map[string]bool{}
	for pattern, operation := range d.operations() {
		if operation.OperationID == "" || names[operation.OperationID] {
			t.Errorf("%s is called %q, which is nothing or another's", pattern, operation.OperationID)
		}
		names[operation.OperationID] = true
	}
}

func TestTheDescriptionIsThatOfTheRoutes(t *testing.T) {
	d, routes := described(), admin.Routes(store.New(store.NewMemory()))
	operations := d.operations()
	for _, route := range routes {
		operation := operations[route.Pattern]
		if operation == nil {
			t.Errorf("%s is not in openapi.json", route.Pattern)
			continue
		}
		t.Run(route.Pattern, func(t *testing.T) {
			same := func(what string, got, want []string) {
				t.Helper()
				slices.Sort(got)
				slices.Sort(want)
				if !slices.Equal(got, want) {
					t.Errorf("it describes %s %q, want %q", what, got, want)
				}
			}
			var query, body []string
			for _, p := range operation.Parameters {
				query = append(query, p.Value.Name)
			}
			same("the query", query, route.Query)
			if operation.RequestBody != nil {
				for name := range operation.RequestBody.Value.Content["application/json"].Schema.Value.Properties {
					body = append(body, name)
				}
			}
			same("the body", body, route.Body)
			if operation.Security == nil || len(*operation.Security) != len(d.Components.SecuritySchemes) {
				t.Fatalf("it describes the security %v", operation.Security)
			}
			for _, requirement := range *operation.Security {
				for _, scopes := range requirement {
					same("the scopes", scopes, strings.Fields(route.Scopes))
				}
			}
		})
	}
	for pattern := range operations {
		if !slices.ContainsFunc(routes, func(r admin.Route) bool { return r.Pattern == pattern }) {
			t.Errorf("%s is in openapi.json and no route", pattern)
		}
	}
}

func TestEveryRouteRefusesTheSameBodies(t *testing.T) {
	everyRoute(t, func(t *testing.T, _, method, target, _ string) {
		f := open(t, admin.Options{})
		target = strings.Replace(target, "{id}", f.publishable("shop").ID, 1)
		f.do(method, target, strings.Repeat(" ", 102401)).is(t, 413, `{"message":"request entity too large","type":"unknown_error"}`)
		f.do(method, target, `{}`, "Content-Encoding", "br").is(t, 415, `{"message":"unsupported content encoding \"br\"","type":"unknown_error"}`)
	})
}

func TestWhatTheDescriptionSaysOfFiltersIsTaken(t *testing.T) {
	f := open(t, admin.Options{})
	names := func(schema string) (list []string) {
		for name := range described().Components.Schemas[schema].Value.Properties {
			list = append(list, name)
		}
		return list
	}
	for schema, body := range map[string]string{"TimeOperators": `{"created_at":{"%s":1},"dry_run":true}`, "KeyFilter": `{"$or":[{"%s":1}],"dry_run":true}`} {
		for _, name := range names(schema) {
			if got := f.do("POST", "/api-keys/revoke", fmt.Sprintf(body, name)); got.status != 400 || strings.Contains(got.body, "Unrecognized") {
				t.Errorf("%s in %s was answered %d %s, want a fault of its value", name, schema, got.status, got.body)
			}
		}
	}
	for _, body := range []string{ // documented() holds them to the description
		`{"created_at":{"$eq":["now"],"$ne":null,"$in":["now",null],"$nin":[],"$gt":"now","$gte":"now","$lt":"now","$lte":"now"},"dry_run":true}`,
		`{"$and":[{"id":[],"title":"a","token":"a","type":"secret","created_by":"a","created_at":"now","updated_at":null,"deleted_at":["now"],"revoked_at":{},"expires_at":{"$ne":["now"]},"last_used_at":"now"}],"dry_run":true}`,
	} {
		f.do("POST", "/api-keys/revoke", body).is(t, 200, `{"ids":[],"count":0,"dry_run":true}`)
	}
}

// TestAnswersAreHeldToTheDescription is the test of the other tests: they would notice.
func TestAnswersAreHeldToTheDescription(t *testing.T) {
	jsonHeader := http.Header{"Content-Type": {"application/json; charset=utf-8"}}
	busy := http.Header{"Content-Type": jsonHeader["Content-Type"], "Retry-After": {"1"}}
	const noKey = `{"message":"Unauthorized"}`
	for _, tt := range []struct {
		name, method, target string
		header               http.Header
		status               int
		body                 string
		right                bool
	}{
		{"right", "GET", "/api-keys/x?fields=id", jsonHeader, 200, `{"api_key":{"id":"x"}}`, true},
		{"right below a path", "GET", "/a/b/api-keys/x/", jsonHeader, 200, `{"api_key":{"id":"x"}}`, true},
		{"an undocumented status", "GET", "/api-keys/x", jsonHeader, 409, `{"type":"conflict","message":"x"}`, false},
		{"a status of another operation", "DELETE", "/api-keys/x", jsonHeader, 404, `{"type":"not_found","message":"x"}`, false},
		{"another content type", "GET", "/api-keys/x", http.Header{"Content-Type": {"text/plain"}}, 200, `{"api_key":{"id":"x"}}`, false},
		{"no content type", "GET", "/api-keys/x", http.Header{}, 200, `{"api_key":{"id":"x"}}`, false},
		{"no JSON", "GET", "/api-keys/x", jsonHeader, 200, `{"api_key":`, false},
		{"a member too many", "GET", "/api-keys/x", jsonHeader, 200, `{"api_key":{"id":"x"},"more":1}`, false},
		{"a member too many, deeper", "GET", "/api-keys/x", jsonHeader, 200, `{"api_key":{"id":"x","secret":"x"}}`, false},
		{"a missing member", "GET", "/api-keys/x", jsonHeader, 200, `{}`, false},
		{"a missing member, deeper", "GET", "/api-keys/x", jsonHeader, 200, `{"api_key":{"title":"x"}}`, false},
		{"null", "GET", "/api-keys/x", jsonHeader, 200, `{"api_key":{"id":"x","title":null}}`, false},
		{"a time that is none", "GET", "/api-keys/x", jsonHeader, 200, `{"api_key":{"id":"x","created_at":"2026-03-04"}}`, false},
		{"a time and null", "GET", "/api-keys/x", jsonHeader, 200, `{"api_key":{"id":"x","created_at":"2026-03-04T05:06:07.089Z","revoked_at":null}}`, true},
		{"a new key without its token", "POST", "/api-keys", jsonHeader, 200, strings.Replace(createdSecret, "{token}", "", 1), false},
		{"a new key", "POST", "/api-keys", jsonHeader, 200, createdSecret, true},
		{"the type of another error", "GET", "/api-keys/x", jsonHeader, 404, `{"type":"invalid_data","message":"x"}`, false},
		{"503 without Retry-After", "GET", "/api-keys", jsonHeader, 503, `{"type":"unavailable","message":"x"}`, false},
		{"503", "GET", "/api-keys", busy, 503, `{"type":"unavailable","message":"x"}`, true},
		{"401 without WWW-Authenticate", "GET", "/api-keys", jsonHeader, 401, noKey, false},
		{"no operation", "PUT", "/api-keys", busy, 200, `{}`, false},
		{"no path", "GET", "/foo", jsonHeader, 404, `{"type":"not_found","message":"x"}`, true},
		{"no path, and another type", "GET", "/foo", jsonHeader, 404, `{"type":"forbidden","message":"x"}`, false},
		{"a path that is not clean", "GET", "/api-keys//x", jsonHeader, 200, `{"api_key":{"id":"x"}}`, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := described().check(httptest.NewRequest(tt.method, tt.target, nil), answer{tt.status, tt.body, tt.header})
			if (err == nil) != tt.right {
				t.Errorf("the check said %v", err)
			}
		})
	}
	for body, right := range map[string]bool{
		`{"title":"a","type":"secret"}`:          true,
		`{"title":"a","type":"secret","more":1}`: false,
		`{"title":"a"}`:                          false,
		`{"title":"a","type":"secret","rate_limit":{"requests":0,"window":1}}`:         false,
		`{"title":"a","type":"secret","rate_limit":null,"scopes":["a"],"metadata":{}}`: true,
		`{"title":"a","type":"secret","scopes":["a b"]}`:                               false,
	} {
		t.Run("accepted: "+body, func(t *testing.T) {
			r := httptest.NewRequest("POST", "/api-keys", nil)
			r.Header.Set("Content-Type", "application/json")
			if err := described().checkBody(r, []byte(body)); (err == nil) != right {
				t.Errorf("the check said %v", err)
			}
		})
	}
}

// TestTheServerOfTheDescriptionIsWhereItWasFound follows the document's server, as a client does,
// at several mount points.
func TestTheServerOfTheDescriptionIsWhereItWasFound(t *testing.T) {
	keys := store.New(store.NewMemory())
	made, err := keys.Create(t.Context(), store.NewKey{Type: store.Secret})
	if err != nil {
		t.Fatal(err)
	}
	api := admin.New(keys, admin.Options{})
	deep := http.NewServeMux()
	deep.Handle("/some/where/", http.StripPrefix("/some/where", api))
	for at, h := range map[string]http.Handler{
		"": api, "/admin": mounted("/admin", api)["Echo v4"], "/five": mounted("/five", api)["Echo v5"], "/some/where": deep,
	} {
		t.Run("at "+at+"/", func(t *testing.T) {
			server := httptest.NewServer(h)
			defer server.Close()
			found, err := url.Parse(server.URL + at + "/openapi.json")
			if err != nil {
				t.Fatal(err)
			}
			get := func(target string) (int, string) {
				t.Helper()
				r, err := http.NewRequestWithContext(t.Context(), "GET", target, nil)
				if err != nil {
					t.Fatal(err)
				}
				if !strings.HasSuffix(target, ".json") {
					r.Header.Set("Authorization", "Bearer "+made.Token.Reveal())
				}
				got, err := server.Client().Do(r)
				if err != nil {
					t.Fatal(err)
				}
				defer got.Body.Close()
				body, err := io.ReadAll(got.Body)
				if err != nil {
					t.Fatal(err)
				}
				return got.StatusCode, string(body)
			}
			status, body := get(found.String())
			doc, err := openapi3.NewLoader().LoadFromData([]byte(body))
			if status != 200 || err != nil || len(doc.Servers) != 1 {
				t.Fatalf("%d, %v", status, err)
			}
			base, err := found.Parse(doc.Servers[0].URL)
			if err != nil {
				t.Fatal(err)
			}
			if status, body := get(strings.TrimSuffix(base.String(), "/") + "/api-keys/self?fields=id"); status != 200 || body != `{"api_key":{"id":"`+made.Key.ID+`"}}` {
				t.Errorf("answered %d %s", status, body)
			}
		})
	}
}
