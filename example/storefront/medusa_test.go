package main

import (
	"strings"
	"testing"

	"github.com/latchkey-go/latchkey/store"
)

const (
	missingKey = `{"type":"not_allowed","message":"Publishable API key required in the request header: x-publishable-api-key. You can manage your keys in settings in the dashboard."}`
	foreign    = `{"type":"invalid_data","message":"Requested sales channel is not part of the publishable key"}`
	badKey     = `{"type":"not_allowed","message":"A valid publishable key is required to proceed with the request"}`
)

// The statuses and bodies are those that were observed on Medusa 2.21.2.
func TestMedusaCompat(t *testing.T) {
	p := start(t, t.TempDir(), "MEDUSA_COMPAT=1", "STORE_CORS=https://Shop.example:443,http://localhost:8000", "ADMIN_CORS=https://staff.example")
	pk, sk := p.firstKeys()
	made := p.ask("POST", "/admin/api-keys", `{"title":"bare","type":"publishable"}`, secretKey(sk)).expect(t, 200)
	bare := made.field(t, "api_key", "token").(string)

	for _, c := range []struct {
		name, method, path, body, header string // header: lines
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
		{"products of another channel", "GET", "/store/products?sales_channel_id=sc_wholesale", "", publishableKey(pk), 400, foreign},
		{"products of several channels, one not the key's", "GET", "/store/products?sales_channel_id[]=sc_default&sales_channel_id[]=sc_wholesale", "", publishableKey(pk), 400, foreign},
		{"products of another channel, as the SDK writes lists", "GET", "/store/products?sales_channel_id[0]=sc_wholesale", "", publishableKey(pk), 400, foreign},
		{"products of another channel, escaped", "GET", "/store/products?sales_channel_id%5B0%5D=sc_wholesale", "", publishableKey(pk), 400, foreign},
		{"products of several channels by index", "GET", "/store/products?sales_channel_id[0]=sc_default&sales_channel_id[1]=sc_wholesale", "", publishableKey(pk), 400, foreign},
		{"products of several channels with commas", "GET", "/store/products?sales_channel_id[]=sc_default,sc_wholesale", "", publishableKey(pk), 400, foreign},
		{"products of a channel that is an object", "GET", "/store/products?sales_channel_id[$ne]=x", "", publishableKey(pk), 400, foreign},
		{"products of the key's own channel by index", "GET", "/store/products?sales_channel_id[0]=sc_default", "", publishableKey(pk), 200, ""},
		{"products of the key's own channel with commas", "GET", "/store/products?sales_channel_id[]=sc_default,sc_default", "", publishableKey(pk), 200, ""},
		{"products for a key without channels", "GET", "/store/products", "", publishableKey(bare), 400,
			`{"type":"invalid_data","message":"Publishable key needs to have a sales channel configured"}`},
		{"regions for a key without channels", "GET", "/store/regions", "", publishableKey(bare), 200, ""},
		{"a cart of another channel", "POST", "/store/carts", `{"sales_channel_id":"sc_wholesale"}`, publishableKey(pk), 400,
			`{"errors":["Sales channel ID in payload sc_wholesale is not associated with the Publishable API Key in the header."],"message":"Provided request body contains errors. Please check the data and retry the request"}`},
		{"a cart", "POST", "/store/carts", `{"region_id":"reg_us"}`, publishableKey(pk), 200, ""},
		{"malformed JSON without a key", "POST", "/store/carts", `{`, "", 400, missingKey},
		{"wrong method", "DELETE", "/store/products", "", publishableKey(pk), 405, `{"type":"not_allowed","message":"Method Not Allowed"}`},
		{"wrong method for an API", "PUT", "/api/orders", "", secretKey(sk), 405, `{"type":"not_allowed","message":"Method Not Allowed"}`},
		{"wrong method beside the admin's routes", "PUT", "/admin/sales-channels", "", secretKey(sk), 405, `{"type":"not_allowed","message":"Method Not Allowed"}`},
		{"HEAD works as GET", "HEAD", "/store/regions", "", publishableKey(pk), 200, ""},
		{"HEAD for an API", "HEAD", "/api/orders", "", secretKey(sk), 200, ""},
		{"x-api-key is no header of the store's", "GET", "/store/regions", "", "x-api-key: " + pk, 400, missingKey},
		{"a secret key in x-api-key beside a good key", "GET", "/store/regions", "", publishableKey(pk) + "\nx-api-key: " + sk, 200, ""},
		{"another publishable key in x-api-key beside a good key", "GET", "/store/regions", "", publishableKey(pk) + "\nx-api-key: " + bare, 200, ""},
		{"x-api-key is no header of the admin's", "GET", "/admin/api-keys", "", "x-api-key: " + sk, 401, `{"message":"Unauthorized"}`},
		{"nonsense in x-api-key beside a good key", "GET", "/admin/api-keys", "", secretKey(sk) + "\nx-api-key: sk_bad", 200, ""},
		{"another secret key in x-api-key beside a good key", "GET", "/admin/api-keys", "", secretKey(sk) + "\nx-api-key: " + mint(t, store.Secret), 200, ""},
		{"admin without a key", "GET", "/admin/api-keys", "", "", 401, `{"message":"Unauthorized"}`},
		{"admin without a key, any path", "GET", "/admin/nothing", "", "", 401, `{"message":"Unauthorized"}`},
		{"admin with a Bearer key", "GET", "/admin/api-keys", "", "Authorization: Bearer " + sk, 401,
			`{"message":"A secret API key was passed as a Bearer token. Secret API keys must be sent using HTTP Basic authentication instead (Authorization: Basic <secret-api-key>)."}`},
		{"admin with a publishable key", "GET", "/admin/sales-channels", "", secretKey(pk), 401, `{"message":"Unauthorized"}`},
		{"admin with a Basic key", "GET", "/admin/sales-channels", "", secretKey(sk), 200, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := p.ask(c.method, c.path, c.body, strings.FieldsFunc(c.header, isNewline)...).expect(t, c.status)
			if c.want != "" && r.body != c.want {
				t.Errorf("body %s\nwant %s", r.body, c.want)
			}
			if got := r.header.Get("Content-Type"); got != "application/json; charset=utf-8" {
				t.Errorf("Content-Type %q", got)
			}
		})
	}

	t.Run("CORS", func(t *testing.T) {
		const none = "no CORS headers at all"
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
				[]string{"Origin: https://shop.example", "Access-Control-Request-Method: GET"}, 400, none, "", ""},
			{"a preflight for a method that does not exist", "OPTIONS", "/store/products",
				[]string{"Origin: https://shop.example", "Access-Control-Request-Method: DELETE"}, 400, none, "", ""},
			{"a preflight for HEAD", "OPTIONS", "/store/products",
				[]string{"Origin: https://shop.example", "Access-Control-Request-Method: HEAD"},
				204, "https://shop.example", "GET,HEAD,PUT,PATCH,POST,DELETE", "Origin, Access-Control-Request-Headers"},
			{"a preflight for an admin route that does not exist", "OPTIONS", "/admin/none", staffAsks("GET"), 401, none, "", "Authorization"},
			{"a preflight for the admin's root", "OPTIONS", "/admin", staffAsks("GET"), 401, none, "", ""},
			{"a preflight for a method that the admin's list has not", "OPTIONS", "/admin/api-keys", staffAsks("PUT"), 401, none, "", ""},
			{"a preflight for a method that a key has not", "OPTIONS", "/admin/api-keys/x", staffAsks("PATCH"), 401, none, "", ""},
			{"a preflight for a method that revoke has not", "OPTIONS", "/admin/api-keys/x/revoke", staffAsks("GET"), 401, none, "", ""},
			{"a preflight too deep in the admin", "OPTIONS", "/admin/api-keys/x/y/z", staffAsks("GET"), 401, none, "", ""},
			{"a preflight for HEAD in the admin", "OPTIONS", "/admin/api-keys/x", staffAsks("HEAD"), 204, "https://staff.example", "GET,HEAD,PUT,PATCH,POST,DELETE", ""},
			{"OPTIONS that is no preflight", "OPTIONS", "/store/products", []string{"Origin: https://shop.example"}, 400, none, "", ""},
			{"OPTIONS that is no preflight in the admin", "OPTIONS", "/admin/api-keys", []string{"Origin: https://staff.example"}, 401, none, "", ""},
			{"an admin route that does not exist, without a key", "GET", "/admin/none", []string{"Origin: https://staff.example"}, 401, none, "", ""},
			{"an admin route that does not exist", "GET", "/admin/none", []string{"Origin: https://staff.example", secretKey(sk)}, 404, none, "", ""},
			{"a wrong method in the admin", "PUT", "/admin/api-keys", []string{"Origin: https://staff.example", secretKey(sk)}, 405, none, "", ""},
			{"a route of the admin", "GET", "/admin/api-keys", []string{"Origin: https://staff.example", secretKey(sk)}, 200, "https://staff.example", "", "Origin, Authorization"},
			{"a route of the admin with a slash at its end", "GET", "/admin/api-keys/", []string{secretKey(sk)}, 200, "", "", ""},
			{"HEAD", "HEAD", "/store/regions", []string{"Origin: https://shop.example", publishableKey(pk)}, 200, "https://shop.example", "", "Origin, X-Publishable-Api-Key"},
			{"a refusal can be read by the page", "GET", "/store/products", []string{"Origin: http://localhost:8000"}, 400, "http://localhost:8000", "", ""},
			{"the store's origins are not the admin's", "GET", "/admin/api-keys", []string{"Origin: https://shop.example"}, 401, "", "", ""},
		} {
			t.Run(c.name, func(t *testing.T) {
				r := p.ask(c.method, c.path, "", c.header...).expect(t, c.status)
				if c.origin == none {
					for name := range r.header {
						if strings.HasPrefix(name, "Access-Control-") {
							t.Errorf("there is a header %s", name)
						}
					}
					return
				}
				if got := r.header.Get("Access-Control-Allow-Origin"); got != c.origin {
					t.Errorf("Allow-Origin %q, want %q", got, c.origin)
				}
				if got := r.header.Get("Access-Control-Allow-Credentials"); got != "true" {
					t.Errorf("Allow-Credentials %q", got)
				}
				if got := r.header.Get("Access-Control-Allow-Methods"); got != c.methods {
					t.Errorf("Allow-Methods %q, want %q", got, c.methods)
				}
				if got := strings.Join(r.header.Values("Vary"), ", "); c.vary != "" && got != c.vary {
					t.Errorf("Vary %q, want %q", got, c.vary)
				}
			})
		}
	})
}

// staffAsks is the header of a preflight from the admin's pages.
func staffAsks(method string) []string {
	return []string{"Origin: https://staff.example", "Access-Control-Request-Method: " + method}
}

func isNewline(r rune) bool { return r == '\n' }
