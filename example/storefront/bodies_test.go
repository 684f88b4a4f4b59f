package main

import (
	"strings"
	"testing"
)

// A shop's own routes read bodies as the admin routes do, which is as Medusa does
// (medusa-behaviour.md 2.1, 2.2).
func TestBodiesAreReadAsInMedusa(t *testing.T) {
	p := start(t, t.TempDir(), "MEDUSA_COMPAT=1", "STORE_CORS=https://shop.example", "ADMIN_CORS=https://shop.example")
	pk, sk := p.firstKeys()
	const (
		form        = "Content-Type: application/x-www-form-urlencoded"
		malformed   = `{"message":"malformed JSON at position 0","type":"invalid_data"}`
		notAnObject = `{"message":"malformed JSON: an object was expected","type":"invalid_data"}`
		tooLarge    = `{"message":"request entity too large","type":"unknown_error"}`
		badCharset  = `{"message":"unsupported charset \"FOO\"","type":"unknown_error"}`
	)
	faults := func(text string) string {
		return `{"type":"invalid_data","message":"Invalid request: ` + text + `"}`
	}
	long := `{"name":"` + strings.Repeat("x", 102401-len(`{"name":""}`)) + `"}`
	for _, c := range []struct {
		name, method, path, key, body, contentType string
		status                                     int
		want                                       string // "": any
		readable                                   bool   // by pages: there are CORS headers
	}{
		{"malformed JSON", "POST", "/store/carts", publishableKey(pk), `{`, "", 400, malformed, false},
		{"a cart that is a string", "POST", "/store/carts", publishableKey(pk), `"x"`, "", 400, notAnObject, false},
		{"a cart that is too large", "POST", "/store/carts", publishableKey(pk), long, "", 413, tooLarge, false},
		{"a cart in an unknown charset", "POST", "/store/carts", publishableKey(pk), `{}`, "Content-Type: application/json; charset=foo", 415, badCharset, false},
		{"a cart that is an array", "POST", "/store/carts", publishableKey(pk), `[]`, "", 400, faults(`Field '' is required`), true},
		{"an unknown field", "POST", "/store/carts", publishableKey(pk), `{"x":1}`, "", 400, faults(`Unrecognized fields: 'x'`), true},
		{"a wrong type", "POST", "/store/carts", publishableKey(pk), `{"sales_channel_id":1}`, "", 400, faults(`Expected type: 'string' for field 'sales_channel_id', got: '1'`), true},
		{"a form", "POST", "/store/carts", publishableKey(pk), `region_id=reg_us`, form, 200, "", true},
		{"a body where none is wanted", "GET", "/store/regions", publishableKey(pk), `{`, "", 400, malformed, false},
		{"a channel in malformed JSON", "POST", "/admin/sales-channels", secretKey(sk), `{`, "", 400, malformed, false},
		{"a channel with an unknown field and without a name", "POST", "/admin/sales-channels", secretKey(sk), `{"x":1}`, "", 400, faults(`Field 'name' is required; Unrecognized fields: 'x'`), true},
		{"a channel with a NUL", "POST", "/admin/sales-channels", secretKey(sk), `{"name":"\u0000"}`, "", 400, faults(`Field 'name' contains a NUL character`), true},
		{"an order with a wrong type", "POST", "/api/orders", secretKey(sk), `{"product_id":1}`, "", 400, faults(`Expected type: 'string' for field 'product_id', got: '1'`), false},
		{"a key in malformed JSON", "POST", "/admin/api-keys", secretKey(sk), `{`, "", 400, malformed, false},
		{"a key that is too large", "POST", "/admin/api-keys", secretKey(sk), long, "", 413, tooLarge, false},
		{"a key in an unknown charset", "POST", "/admin/api-keys", secretKey(sk), `{}`, "Content-Type: application/json; charset=foo", 415, badCharset, false},
		{"a key without a title", "POST", "/admin/api-keys", secretKey(sk), `{"type":"secret"}`, "", 400, faults(`Field 'title' is required`), true},
		{"nobody's body is read", "POST", "/admin/api-keys", "Accept: */*", `{`, "", 401, `{"message":"Unauthorized"}`, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			header := []string{"Origin: https://shop.example", c.key}
			if c.contentType != "" {
				header = append(header, c.contentType)
			}
			r := p.ask(c.method, c.path, c.body, header...).expect(t, c.status)
			if c.want != "" && r.body != c.want {
				t.Errorf("body %s\nwant %s", r.body, c.want)
			}
			if got := r.header.Get("Access-Control-Allow-Origin"); (got != "") != c.readable {
				t.Errorf("Access-Control-Allow-Origin is %q", got)
			}
			if got := r.header.Get("Access-Control-Allow-Credentials"); (got != "") != c.readable {
				t.Errorf("Access-Control-Allow-Credentials is %q", got)
			}
		})
	}
	t.Run("102400 bytes pass", func(t *testing.T) {
		p.ask("POST", "/admin/sales-channels", strings.Replace(long, "xx", "x", 1), secretKey(sk)).expect(t, 200)
	})
}
