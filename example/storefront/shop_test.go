package main

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/latchkey-go/latchkey/store/storetest/servers"
)

func TestShop(t *testing.T) {
	for _, db := range []struct {
		name string
		env  func(t *testing.T) []string
	}{
		{"sqlite", func(t *testing.T) []string { return nil }},
		{"postgres", func(t *testing.T) []string {
			return []string{"DATABASE_URL=" + servers.Postgres(t).Database(t)}
		}},
	} {
		t.Run(db.name, func(t *testing.T) {
			p := start(t, t.TempDir(), db.env(t)...)
			pk, sk := p.firstKeys()
			list := p.get("/admin/api-keys?type=publishable", secretKey(sk)).expect(t, 200, `"sales_channels":[{"id":"sc_default","name":"Web shop"}]`)
			id := list.field(t, "api_keys").([]any)[0].(map[string]any)["id"].(string)

			t.Run("a product list follows the key's sales channels", func(t *testing.T) {
				made := p.ask("POST", "/admin/sales-channels", `{"name":"Fair"}`, secretKey(sk)).expect(t, 200, `"name":"Fair"`)
				fair := made.field(t, "sales_channel", "id").(string)
				p.get("/admin/sales-channels", secretKey(sk)).expect(t, 200, `"count":3`, fair)
				p.ask("POST", "/admin/api-keys/"+id+"/sales-channels", `{"add":["sc_nowhere"]}`, secretKey(sk)).
					expect(t, 400, "Sales channels with IDs sc_nowhere do not exist")
				p.ask("POST", "/admin/api-keys/"+id+"/sales-channels", `{"add":["sc_wholesale","`+fair+`"]}`, secretKey(sk)).
					expect(t, 200, `"name":"Fair"`, `"name":"Wholesale"`)
				p.get("/store/products", publishableKey(pk)).expect(t, 200, `"count":4`, "prod_crate")
				p.get("/store/products?sales_channel_id=sc_wholesale", publishableKey(pk)).expect(t, 200, `"count":2`)
				p.get("/store/products?sales_channel_id="+fair, publishableKey(pk)).expect(t, 200, `{"products":[],"count":0}`)
			})
			t.Run("regions and carts", func(t *testing.T) {
				p.get("/store/regions", publishableKey(pk)).expect(t, 200, "reg_eu", `"count":2`)
				p.ask("POST", "/store/carts", `{"sales_channel_id":"sc_wholesale","region_id":"reg_us"}`, publishableKey(pk)).
					expect(t, 200, `"sales_channel_id":"sc_wholesale"`, `"currency_code":"usd"`)
				p.ask("POST", "/store/carts", `{"region_id":"reg_x"}`, publishableKey(pk)).expect(t, 404)
			})
			t.Run("a body that was held open until after the revoke does nothing", func(t *testing.T) {
				for _, path := range []string{"/api/orders", "/admin/sales-channels", "/store/carts"} {
					kind := "secret"
					if path == "/store/carts" {
						kind = "publishable"
					}
					made := p.ask("POST", "/admin/api-keys", `{"title":"held","type":"`+kind+`"}`, secretKey(sk)).expect(t, 200)
					token, id := made.field(t, "api_key", "token").(string), made.field(t, "api_key", "id").(string)
					conn, err := net.Dial("tcp", strings.TrimPrefix(p.base, "http://"))
					if err != nil {
						t.Fatal(err)
					}
					defer conn.Close()
					in, body := bufio.NewReader(conn), `{"product_id":"prod_mug","name":"Held"}`
					fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nX-Api-Key: %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n", path, token, len(body))
					if line, err := in.ReadString('\n'); err != nil || !strings.Contains(line, "100 Continue") { // the guard has let it in
						t.Fatalf("%q, %v", line, err)
					}
					if _, err := in.ReadString('\n'); err != nil {
						t.Fatal(err)
					}
					p.ask("POST", "/admin/api-keys/"+id+"/revoke", "", secretKey(sk)).expect(t, 200)
					fmt.Fprint(conn, body)
					answer, err := http.ReadResponse(in, nil)
					if err != nil {
						t.Fatal(err)
					}
					answer.Body.Close()
					if answer.StatusCode != 401 || answer.Header.Get("WWW-Authenticate") == "" {
						t.Errorf("%s was answered %d %v", path, answer.StatusCode, answer.Header)
					}
				}
			})
			t.Run("a restricted key may do what its scopes say", func(t *testing.T) {
				made := p.ask("POST", "/admin/api-keys", `{"title":"ERP","type":"secret","scopes":["orders:read"]}`, secretKey(sk)).expect(t, 200)
				erp := secretKey(made.field(t, "api_key", "token").(string))
				p.ask("POST", "/api/orders", `{"product_id":"prod_mug"}`, erp).expect(t, 403, "orders:write")
				p.ask("POST", "/api/orders", `{"product_id":"prod_mug","quantity":3}`, secretKey(sk)).expect(t, 201, `"quantity":3`)
				p.get("/api/orders", erp).expect(t, 200, `"quantity":3`)
				p.get("/admin/api-keys", erp).expect(t, 403, "keys:read")
				p.get("/admin/sales-channels", erp).expect(t, 403, "sales-channels:read")
				p.get("/store/products", publishableKey(strings.TrimPrefix(erp, "Authorization: Basic "))).expect(t, 403)
			})
			t.Run("a key beside a login that is another's", func(t *testing.T) {
				const login = "Authorization: Basic YW5uOnBhc3N3b3Jk" // of a proxy, say
				p.get("/api/orders", login, "x-api-key: "+strings.TrimPrefix(secretKey(sk), "Authorization: Basic ")).expect(t, 200)
				p.get("/store/products", login, publishableKey(pk)).expect(t, 200)
				p.get("/admin/api-keys", login).expect(t, 401)
			})
			t.Run("bad bodies are told", func(t *testing.T) {
				for body, want := range map[string]string{
					`{`:       "malformed JSON",
					`{}`:      "Field 'product_id' is required",
					`{}{}`:    "malformed JSON",
					`[]`:      "Field '' is required",
					`{"x":1}`: "Unrecognized fields: 'x'",
					`{"product_id":"prod_mug","quantity":"3"}`: "Expected type: 'number' for field 'quantity', got: '3'",
					`{"product_id":"prod_mug","quantity":1.5}`: "quantity must be a whole number",
					`{"product_id":"prod_mug","quantity":-1}`:  "quantity must be a whole number",
				} {
					p.ask("POST", "/api/orders", body, secretKey(sk)).expect(t, 400, `"type":"invalid_data"`, want)
				}
				p.ask("POST", "/api/orders", `{"product_id":"prod_x"}`, secretKey(sk)).expect(t, 404)
				p.ask("POST", "/api/orders", `{"product_id":"`+strings.Repeat("x", 200_000)+`"}`, secretKey(sk)).expect(t, 413)
			})
			t.Run("only who has a key learns which routes there are", func(t *testing.T) {
				preflight := []string{"Origin: https://evil.example", "Access-Control-Request-Method: GET"} // CORS is off here
				for _, path := range []string{
					"/store/products", "/store/none", "/store", "/api/orders", "/api/none", "/admin", "/admin/none",
					"/admin/api-keys", "/admin/api-keys/self/revoke", "/admin/api-keys/revoke",
				} {
					p.ask("OPTIONS", path, `{}`, preflight...).expect(t, 401, `"message":"Unauthorized"`)
					p.ask("OPTIONS", path, `{}`, append(preflight, secretKey(sk), publishableKey(pk))...).expect(t, 401)
				}
				p.ask("PUT", "/api/orders", "").expect(t, 401)
				p.ask("PUT", "/api/orders", "", secretKey(sk)).expect(t, 405)
				p.ask("PUT", "/api/none", "", secretKey(sk)).expect(t, 404)
			})
			t.Run("metrics and health", func(t *testing.T) {
				p.get("/healthz").expect(t, 200, `{"status":"ok"}`)
				p.get("/readyz").expect(t, 200, `"status":"ready"`, `"redis":"none"`)
				p.get("/metrics").expect(t, 200, "# TYPE latchkey_cache_lookups_total counter\n", "\nlatchkey_cache_entries{kind=\"key\"} ")
			})
			p.stop()
		})
	}
}

func TestTablesAreMadeByManyAtOnce(t *testing.T) {
	database, err := parseDatabase(servers.Postgres(t).Database(t))
	if err != nil {
		t.Fatal(err)
	}
	db, err := database.Connect()
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	failures := make(chan error, 10)
	for range cap(failures) {
		go func() { failures <- (&shop{db: db, lock: schemaLock(database)}).create(t.Context()) }()
	}
	for range cap(failures) {
		if err := <-failures; err != nil {
			t.Error(err)
		}
	}
}
