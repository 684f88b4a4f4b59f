package main

import (
	"testing"

	"github.com/latchkey-go/latchkey/store"
)

const (
	missingKey = `{"type":"not_allowed","message":"Publishable API key required in the request header: x-publishable-api-key. You can manage your keys in settings in the dashboard."}`
	badKey     = `{"type":"not_allowed","message":"A valid publishable key is required to proceed with the request"}`
)

// The statuses and bodies are those that were observed on Medusa 2.21.2.
func TestMedusaCompat(t *testing.T) {
	p := start(t, t.TempDir(), "MEDUSA_COMPAT=1", "STORE_CORS=https://shop.example,http://localhost:8000", "ADMIN_CORS=https://staff.example")
	pk, sk := p.firstKeys()
	made := p.ask("POST", "/admin/api-keys", `{"title":"bare","type":"publishable"}`, secretKey(sk)).expect(t, 200)
	bare := made.field(t, "api_key", "token").(string)

	for _, c := range []struct {
		name, method, path, body, header string
		status                           int
		want                             string
	}{
		{"no key", "GET", "/store/products", "", "", 400, missingKey},
		{"no key, any path", "GET", "/store/nothing", "", "", 400, missingKey},
		{"no key, the prefix itself", "GET", "/store", "", "", 400, missingKey},
		{"no key, other method", "DELETE", "/store/products", "", "", 400, missingKey},
		{"key only in Authorization", "GET", "/store/products", "", secretKey(pk), 400, missingKey},
		{"malformed key", "GET", "/store/products", "", publishableKey("pk_x"), 400, badKey},
		{"unknown key", "GET", "/store/products", "", publishableKey(mint(t, store.Publishable)), 400, badKey},
		{"secret key", "GET", "/store/products", "", publishableKey(sk), 400, badKey},
		{"not under the check", "GET", "/storefront", "", "", 404, `{"type":"not_found","message":"Not Found"}`},
		{"unknown path with a key", "GET", "/store/nothing", "", publishableKey(pk), 404, `{"type":"not_found","message":"Not Found"}`},
		{"products of another channel", "GET", "/store/products?sales_channel_id=sc_wholesale", "", publishableKey(pk), 400,
			`{"type":"invalid_data","message":"Requested sales channel is not part of the publishable key"}`},
		{"products of several channels, one not the key's", "GET", "/store/products?sales_channel_id[]=sc_default&sales_channel_id[]=sc_wholesale", "", publishableKey(pk), 400,
			`{"type":"invalid_data","message":"Requested sales channel is not part of the publishable key"}`},
		{"products for a key without channels", "GET", "/store/products", "", publishableKey(bare), 400,
			`{"type":"invalid_data","message":"Publishable key needs to have a sales channel configured"}`},
		{"regions for a key without channels", "GET", "/store/regions", "", publishableKey(bare), 200, ""},
		{"a cart of another channel", "POST", "/store/carts", `{"sales_channel_id":"sc_wholesale"}`, publishableKey(pk), 400,
			`{"errors":["Sales channel ID in payload ID is not associated with the Publishable API Key in the header."],"message":"Provided request body contains errors. Please check the data and retry the request"}`},
		{"a cart", "POST", "/store/carts", `{"region_id":"reg_us"}`, publishableKey(pk), 200, ""},
		{"malformed JSON without a key", "POST", "/store/carts", `{`, "", 400, missingKey},
		{"admin without a key", "GET", "/admin/api-keys", "", "", 401, `{"message":"Unauthorized"}`},
		{"admin without a key, any path", "GET", "/admin/nothing", "", "", 401, `{"message":"Unauthorized"}`},
		{"admin with a Bearer key", "GET", "/admin/api-keys", "", "Authorization: Bearer " + sk, 401,
			`{"message":"A secret API key was passed as a Bearer token. Secret API keys must be sent using HTTP Basic authentication instead (Authorization: Basic <secret-api-key>)."}`},
		{"admin with a publishable key", "GET", "/admin/sales-channels", "", secretKey(pk), 401, `{"message":"Unauthorized"}`},
		{"admin with a Basic key", "GET", "/admin/sales-channels", "", secretKey(sk), 200, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			var header []string
			if c.header != "" {
				header = append(header, c.header)
			}
			r := p.ask(c.method, c.path, c.body, header...).expect(t, c.status)
			if c.want != "" && r.body != c.want {
				t.Errorf("body %s\nwant %s", r.body, c.want)
			}
			if got := r.header.Get("Content-Type"); got != "application/json; charset=utf-8" {
				t.Errorf("Content-Type %q", got)
			}
		})
	}

	t.Run("CORS", func(t *testing.T) {
		for _, c := range []struct {
			name, method, path string
			header             []string
			status             int
			origin, methods    string // Access-Control-Allow-…
			vary               string
		}{
			{"a preflight from an allowed origin", "OPTIONS", "/store/products",
				[]string{"Origin: https://shop.example", "Access-Control-Request-Method: GET", "Access-Control-Request-Headers: x-publishable-api-key"},
				204, "https://shop.example", "GET,HEAD,PUT,PATCH,POST,DELETE", "Origin, Access-Control-Request-Headers"},
			{"a preflight from another origin", "OPTIONS", "/store/products",
				[]string{"Origin: https://evil.example", "Access-Control-Request-Method: GET"},
				204, "", "GET,HEAD,PUT,PATCH,POST,DELETE", "Origin, Access-Control-Request-Headers"},
			{"a preflight for the admin routes", "OPTIONS", "/admin/api-keys/apk_1/revoke",
				[]string{"Origin: https://staff.example", "Access-Control-Request-Method: POST"},
				204, "https://staff.example", "GET,HEAD,PUT,PATCH,POST,DELETE", "Origin, Access-Control-Request-Headers"},
			{"a preflight for a route that does not exist", "OPTIONS", "/store/nothing",
				[]string{"Origin: https://shop.example", "Access-Control-Request-Method: GET"}, 400, "", "", ""},
			{"a preflight for a method that does not exist", "OPTIONS", "/store/products",
				[]string{"Origin: https://shop.example", "Access-Control-Request-Method: DELETE"}, 400, "", "", ""},
			{"OPTIONS that is no preflight", "OPTIONS", "/store/products", []string{"Origin: https://shop.example"}, 400, "", "", ""},
			{"a refusal can be read by the page", "GET", "/store/products", []string{"Origin: http://localhost:8000"}, 400, "http://localhost:8000", "", ""},
			{"the store's origins are not the admin's", "GET", "/admin/api-keys", []string{"Origin: https://shop.example"}, 401, "", "", ""},
		} {
			t.Run(c.name, func(t *testing.T) {
				r := p.ask(c.method, c.path, "", c.header...).expect(t, c.status)
				if got := r.header.Get("Access-Control-Allow-Origin"); got != c.origin {
					t.Errorf("Allow-Origin %q, want %q", got, c.origin)
				}
				if got := r.header.Get("Access-Control-Allow-Methods"); got != c.methods {
					t.Errorf("Allow-Methods %q, want %q", got, c.methods)
				}
				if got := r.header.Get("Vary"); c.vary != "" && got != c.vary {
					t.Errorf("Vary %q, want %q", got, c.vary)
				}
				if c.status == 204 && r.header.Get("Access-Control-Allow-Credentials") != "true" {
					t.Error("Allow-Credentials is missing")
				}
			})
		}
	})
}
