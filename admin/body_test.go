package admin_test

import (
	"errors"
	"io"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/latchkey-go/latchkey/admin"
	"github.com/latchkey-go/latchkey/store"
)

func TestBodiesAreReadAsInMedusa(t *testing.T) {
	const (
		emptyObject = `Field 'title' is required; Field 'type' is required`
		notAnObject = `Field '' is required`
	)
	for _, tt := range []struct {
		name, body, contentType string
		faults                  string // "": a key is made
	}{
		{"no body is an empty object", ``, "application/json", emptyObject},
		{"a missing content type is an empty object", `{"title":"a","type":"secret"}`, "", emptyObject},
		{"another content type is an empty object", `{"title":"a","type":"secret"}`, "application/vnd.api+json", emptyObject},
		{"a broken content type is an empty object", `{"title":"a","type":"secret"}`, "application/json; charset", emptyObject},
		{"plain text is a string", `{"title":"a","type":"secret"}`, "text/plain", notAnObject},
		{"an array is not an object", `[]`, "application/json", notAnObject},
		{"a form is a body", `title=a+b&type=secret`, "application/x-www-form-urlencoded", ""},
		{"a form's brackets are objects", `title[a]=b&type=secret`, "application/x-www-form-urlencoded", `Expected type: 'string' for field 'title', got: '[object Object]'`},
		{"JSON may have a byte order mark", "\ufeff" + `{"title":"a","type":"secret"}`, "application/json", ""},
		{"JSON may have white space around", " \r\n\t" + `{"title":"a","type":"secret"}` + "\n ", "application/json", ""},
		{"JSON may name its charset", `{"title":"a","type":"secret"}`, "application/json; charset=utf-8", ""},
		{"a content type may be in capitals", `{"title":"a","type":"secret"}`, "APPLICATION/JSON; CHARSET=UTF-8", ""},
		{"of a duplicate key the last counts", `{"title":1,"type":"secret","title":"a"}`, "application/json", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := open(t, admin.Options{})
			got := f.do("POST", "/api-keys", tt.body, "Content-Type", tt.contentType)
			if tt.faults == "" {
				if got.status != 200 {
					t.Errorf("answered %d %s, want a key", got.status, got.body)
				}
				return
			}
			got.is(t, 400, invalid(tt.faults))
		})
	}
}

func TestRequirement26UnreadableBodiesAreToldInTheBodyParsersOrder(t *testing.T) {
	long := func(n int) string { // a body of n bytes, most of them white space: no field of a key is that long
		frame := `{"title":"a","type":"secret"}`
		return strings.Replace(frame, ",", ","+strings.Repeat(" ", n-len(frame)), 1)
	}
	for _, tt := range []struct {
		name, body string
		header     []string
		status     int
		want       string // "": any
	}{
		{"exactly 102400 bytes pass", long(102400), nil, 200, ""},
		{"more than 102400 bytes do not", long(102401), nil, 413, `{"message":"request entity too large","type":"unknown_error"}`},
		{"malformed JSON", `{a}`, nil, 400, `{"message":"malformed JSON at position 1","type":"invalid_data"}`},
		{"JSON that ends early", `{"title":`, nil, 400, `{"message":"malformed JSON at position 8","type":"invalid_data"}`},
		{"two values", `{} {}`, nil, 400, `{"message":"malformed JSON at position 3","type":"invalid_data"}`},
		{"white space alone", `  `, nil, 400, `{"message":"malformed JSON at position 1","type":"invalid_data"}`},
		{"a top-level string", `"a"`, nil, 400, `{"message":"malformed JSON: an object was expected","type":"invalid_data"}`},
		{"a top-level number", `1`, nil, 400, `{"message":"malformed JSON: an object was expected","type":"invalid_data"}`},
		{"a top-level null", `null`, nil, 400, `{"message":"malformed JSON: an object was expected","type":"invalid_data"}`},
		{"a top-level true", `true`, nil, 400, `{"message":"malformed JSON: an object was expected","type":"invalid_data"}`},
		{"bytes that are no UTF-8", "{\"title\":\"\xff\",\"type\":\"secret\"}", nil, 400, `{"message":"malformed JSON: not valid UTF-8","type":"invalid_data"}`},
		{"JSON that nests deep", strings.Repeat("[", 50000), nil, 400, ""},
		{"JSON that nests deep and is well-formed", strings.Repeat("[", 5000) + strings.Repeat("]", 5000), nil, 400, `{"message":"malformed JSON: it nests deeper than 100 levels","type":"invalid_data"}`},
		{"an unknown charset", `{}`, []string{"Content-Type", "application/json; charset=foo"}, 415, `{"message":"unsupported charset \"FOO\"","type":"unknown_error"}`},
		{"a compressed body", `{}`, []string{"Content-Encoding", "GZIP"}, 415, `{"message":"unsupported content encoding \"gzip\"","type":"unknown_error"}`},
		{"a form of too many fields", strings.Repeat("a&", 1000), []string{"Content-Type", "application/x-www-form-urlencoded"}, 413, `{"message":"too many parameters","type":"unknown_error"}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := open(t, admin.Options{}).do("POST", "/api-keys", tt.body, tt.header...)
			if tt.want == "" {
				tt.want = got.body
			}
			got.is(t, tt.status, tt.want)
		})
	}
	t.Run("malformed JSON is told even on DELETE", func(t *testing.T) {
		open(t, admin.Options{}).do("DELETE", "/api-keys/apk_x", `{`).is(t, 400, `{"message":"malformed JSON at position 0","type":"invalid_data"}`)
	})
	t.Run("a long body without a length is cut off", func(t *testing.T) {
		f := open(t, admin.Options{})
		r := httptest.NewRequest("POST", "/api-keys", io.MultiReader(strings.NewReader(`{"title":"`+strings.Repeat("x", 102389)+`"}`)))
		r.Header.Set("Content-Type", "application/json")
		w := httptest.NewRecorder()
		f.api.ServeHTTP(w, r.WithContext(store.NewContext(r.Context(), f.admin)))
		answer{status: w.Code, body: w.Body.String()}.is(t, 413, `{"message":"request entity too large","type":"unknown_error"}`)
	})
}

func TestRequirement26ABodyThatSaysItIsTooLongIsNotRead(t *testing.T) {
	f := open(t, admin.Options{})
	r := httptest.NewRequest("POST", "/api-keys", untouchable{t})
	r.Header.Set("Content-Type", "application/json")
	r.ContentLength = 102401
	w := httptest.NewRecorder()
	f.api.ServeHTTP(w, r.WithContext(store.NewContext(r.Context(), f.admin)))
	answer{status: w.Code, body: w.Body.String()}.is(t, 413, `{"message":"request entity too large","type":"unknown_error"}`)
}

// untouchable is a body that must not be read.
type untouchable struct{ t *testing.T }

func (u untouchable) Read([]byte) (int, error) {
	u.t.Error("the body was read")
	return 0, errors.New("read")
}

func TestNobodysBodyIsReadBeforeHeIsAdmitted(t *testing.T) {
	f := open(t, admin.Options{})
	for name, tt := range map[string]struct {
		key    *store.Key
		status int
	}{
		"nobody":                    {nil, 401},
		"a publishable key":         {&store.Key{ID: "apk_p", Type: store.Publishable}, 401},
		"a key without the scope":   {&store.Key{ID: "apk_s", Type: store.Secret, Scopes: []string{"keys:read"}}, 403},
		"a key with an empty scope": {&store.Key{ID: "apk_s", Type: store.Secret, Scopes: []string{}}, 403},
	} {
		t.Run(name, func(t *testing.T) {
			r := httptest.NewRequest("POST", "/api-keys", untouchable{t})
			r.Header.Set("Content-Type", "application/json")
			if tt.key != nil {
				r = r.WithContext(store.NewContext(r.Context(), tt.key))
			}
			w := httptest.NewRecorder()
			f.api.ServeHTTP(w, r)
			if w.Code != tt.status {
				t.Errorf("answered %d, want %d", w.Code, tt.status)
			}
		})
	}
}
