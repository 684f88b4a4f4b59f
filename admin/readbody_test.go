package admin_test

import (
	"encoding/json"
	"errors"
	"io"
	"math"
	"net/http/httptest"
	"os"
	"reflect"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/latchkey-go/latchkey/admin"
	"github.com/latchkey-go/latchkey/store"
)

func TestReadBodyReadsAsTheAdminRoutesDo(t *testing.T) {
	const (
		jsonType = "application/json"
		formType = "application/x-www-form-urlencoded"
	)
	for _, tt := range []struct {
		name, contentType, body string
		want                    map[string]any // nil: not an object
	}{
		{"JSON", jsonType, `{"count":2,"region":null,"name":"a","in":{"list":[{"b":true},1e999]}}`, map[string]any{
			"count": 2.0, "region": nil, "name": "a",
			"in": map[string]any{"list": []any{map[string]any{"b": true}, math.Inf(1)}},
		}},
		{"a form", formType, `name=a&in[b]=eu&list[]=x`, map[string]any{
			"name": "a", "in": map[string]any{"b": "eu"}, "list": []any{"x"},
		}},
		{"no body", jsonType, ``, map[string]any{}},
		{"another content type", "application/xml", `<name>a</name>`, map[string]any{}},
		{"an array", jsonType, `["name"]`, nil},
		{"plain text", "text/plain", `name`, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := httptest.NewRequest("POST", "/", strings.NewReader(tt.body))
			r.Header.Set("Content-Type", tt.contentType)
			got, err := admin.ReadBody(r)
			if tt.want == nil {
				const want = `Invalid request: Field '' is required`
				var invalid *store.Error
				if !errors.As(err, &invalid) || invalid.Kind != store.ErrInvalid || invalid.Message != want {
					t.Errorf("%v", err)
				}
				return
			}
			if err != nil || !reflect.DeepEqual(got, tt.want) {
				t.Errorf("read %v, %v, want %v", got, err, tt.want)
			}
		})
	}
	t.Run("a body that cannot be read", func(t *testing.T) {
		token := "sk_" + strings.Repeat("0", 64)
		for _, tt := range []struct {
			contentType string
			body        io.Reader
			status      int
			want        string
		}{
			{jsonType, strings.NewReader(`{`), 400, `{"message":"malformed JSON at position 0","type":"invalid_data"}`},
			{jsonType, strings.NewReader(`"x"`), 400,
				`{"message":"malformed JSON: an object was expected","type":"invalid_data"}`},
			{jsonType, strings.NewReader(`{"name":"` + strings.Repeat("x", 102401) + `"}`), 413,
				`{"message":"request entity too large","type":"unknown_error"}`},
			{jsonType + "; charset=foo", strings.NewReader(`{}`), 415,
				`{"message":"unsupported charset \"FOO\"","type":"unknown_error"}`},
			{jsonType, iotest.ErrReader(os.ErrDeadlineExceeded), 408,
				`{"message":"the body of the request came too slowly","type":"unknown_error"}`},
		} {
			r := httptest.NewRequest("POST", "/", tt.body)
			r.Header.Set("Content-Type", tt.contentType)
			_, err := admin.ReadBody(r)
			var refused interface {
				error
				StatusCode() int
			}
			if !errors.As(err, &refused) {
				t.Fatalf("%v, want an error with a status", err)
			}
			if body, err := json.Marshal(refused); err != nil || string(body) != tt.want || refused.StatusCode() != tt.status {
				t.Errorf("%d %s, %v\nwant %d %s", refused.StatusCode(), body, err, tt.status, tt.want)
			}
			if !strings.Contains(tt.want, strings.ReplaceAll(refused.Error(), `"`, `\"`)) {
				t.Errorf("the error says %q", refused)
			}
		}
		r := httptest.NewRequest("POST", "/", strings.NewReader(`{}`))
		r.Header.Set("Content-Type", jsonType)
		r.Header.Set("Content-Encoding", token)
		if _, err := admin.ReadBody(r); err == nil || strings.Contains(err.Error(), token) {
			t.Errorf("the error for a token in the header is %q", err)
		}
	})
	t.Run("the body can be read again", func(t *testing.T) {
		for contentType, body := range map[string]string{
			jsonType: `{"name":"a"}`, formType: `name=a`, "text/plain": `name`, "image/png": `name`,
		} {
			r := httptest.NewRequest("POST", "/", strings.NewReader(body))
			r.Header.Set("Content-Type", contentType)
			for range 2 {
				if _, err := admin.ReadBody(r); err != nil && !errors.Is(err, store.ErrInvalid) { // text/plain
					t.Fatal(err)
				}
			}
			if rest, err := io.ReadAll(r.Body); err != nil || string(rest) != body {
				t.Errorf("%s: %q, %v are left", contentType, rest, err)
			}
		}
	})
}
