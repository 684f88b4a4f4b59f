package admin_test

import (
	"encoding/json"
	"errors"
	"io"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/latchkey-go/latchkey/admin"
	"github.com/latchkey-go/latchkey/store"
)

func TestAHostsOwnRoutesReadBodiesAsTheAdminRoutesDo(t *testing.T) {
	const (
		jsonType = "application/json"
		formType = "application/x-www-form-urlencoded"
	)
	for _, tt := range []struct {
		name, contentType, body string
		faults                  string // "": none
	}{
		{"JSON", jsonType, `{"count":2,"region":"eu","name":"a"}`, ""},
		{"a form", formType, `name=a&region=eu`, ""},
		{"only what is required", jsonType, `{"name":""}`, ""},
		{"no body", jsonType, ``, `Field 'name' is required`},
		{"another content type", "application/xml", `<name>a</name>`, `Field 'name' is required`},
		{"an array", jsonType, `["name"]`, `Field '' is required`},
		{"plain text", "text/plain", `name`, `Field '' is required`},
		{"a wrong type", jsonType, `{"name":1,"region":null}`, `Expected type: 'string' for field 'name', got: '1'; Expected type: 'string' for field 'region', got: 'null'`},
		{"a text in place of a number", formType, `name=a&count=2`, `Expected type: 'number' for field 'count', got: '2'`},
		{"unknown fields last", jsonType, `{"y":1,"x":1}`, `Field 'name' is required; Unrecognized fields: 'y, x'`},
		{"three faults at most", jsonType, `{"name":1,"region":1,"count":"1","x":1}`, `Expected type: 'string' for field 'name', got: '1'; Expected type: 'string' for field 'region', got: '1'; Expected type: 'number' for field 'count', got: '1'`},
		{"a NUL", jsonType, `{"name":"\u0000"}`, `Field 'name' contains a NUL character`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := httptest.NewRequest("POST", "/", strings.NewReader(tt.body))
			r.Header.Set("Content-Type", tt.contentType)
			in, err := admin.ReadInput(httptest.NewRecorder(), r)
			if err != nil {
				t.Fatal(err)
			}
			name, region := in.RequiredText("name"), in.Text("region")
			count, given := in.Number("count")
			if err := in.Err(); tt.faults != "" {
				var told *store.Error
				if !errors.As(err, &told) || told.Kind != store.ErrInvalid || told.Message != "Invalid request: "+tt.faults {
					t.Errorf("%v\nwant %s", err, tt.faults)
				}
				return
			} else if err != nil {
				t.Fatal(err)
			}
			if tt.body == `{"name":""}` {
				if name != "" || region != "" || given {
					t.Errorf("read %q %q %t from nothing", name, region, given)
				}
				return
			}
			if name != "a" || region != "eu" || given != (tt.contentType == jsonType) || given && count != 2 {
				t.Errorf("read %q %q %v %t", name, region, count, given)
			}
		})
	}
	t.Run("a body that cannot be read", func(t *testing.T) {
		for _, tt := range []struct {
			contentType, body string
			status            int
			want              string
		}{
			{jsonType, `{`, 400, `{"message":"malformed JSON at position 0","type":"invalid_data"}`},
			{jsonType, `"x"`, 400, `{"message":"malformed JSON: an object was expected","type":"invalid_data"}`},
			{jsonType, `{"name":"` + strings.Repeat("x", 102401) + `"}`, 413, `{"message":"request entity too large","type":"unknown_error"}`},
			{jsonType + "; charset=foo", `{}`, 415, `{"message":"unsupported charset \"FOO\"","type":"unknown_error"}`},
		} {
			r := httptest.NewRequest("POST", "/", strings.NewReader(tt.body))
			r.Header.Set("Content-Type", tt.contentType)
			_, err := admin.ReadInput(httptest.NewRecorder(), r)
			var unread *admin.BodyError
			if !errors.As(err, &unread) {
				t.Fatalf("%v, want a BodyError", err)
			}
			if body, err := json.Marshal(unread); err != nil || string(body) != tt.want || unread.Status != tt.status {
				t.Errorf("%d %s, %v\nwant %d %s", unread.Status, body, err, tt.status, tt.want)
			}
			if unread.Error() != unread.Message {
				t.Errorf("the error says %q", unread)
			}
		}
	})
	t.Run("the body can be read again", func(t *testing.T) {
		for contentType, body := range map[string]string{jsonType: `{"name":"a"}`, formType: `name=a`, "text/plain": `name`, "image/png": `name`} {
			r := httptest.NewRequest("POST", "/", strings.NewReader(body))
			r.Header.Set("Content-Type", contentType)
			for range 2 {
				if _, err := admin.ReadInput(httptest.NewRecorder(), r); err != nil {
					t.Fatal(err)
				}
			}
			if rest, err := io.ReadAll(r.Body); err != nil || string(rest) != body {
				t.Errorf("%s: %q, %v are left", contentType, rest, err)
			}
		}
	})
}
