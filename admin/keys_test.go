package admin_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/latchkey-go/latchkey/admin"
	"github.com/latchkey-go/latchkey/store"
)

// What Medusa shows of a key, in its order. {id}, {token} and {redacted} are the key's own.
const (
	createdSecret = `{"api_key":{"id":"{id}","token":"{token}","redacted":"{redacted}","title":"ERP <é>\u0001\u2028","type":"secret","last_used_at":null,"created_by":"apk_admin","revoked_by":null,"revoked_at":null,"created_at":"2026-03-04T05:06:07.089Z","updated_at":"2026-03-04T05:06:07.089Z","deleted_at":null}}`
	plainShop     = `{"id":"{id}","title":"shop","token":"{token}","redacted":"{redacted}","type":"publishable","last_used_at":null,"updated_at":"2026-03-04T05:06:07.089Z","created_at":"2026-03-04T05:06:07.089Z","created_by":"user_1","revoked_at":null,"revoked_by":null,"sales_channels":[]}`
	plainSecret   = `{"id":"{id}","title":"ERP","token":"","redacted":"{redacted}","type":"secret","last_used_at":null,"updated_at":"2026-03-04T05:06:07.089Z","created_at":"2026-03-04T05:06:07.089Z","created_by":"user_1","revoked_at":null,"revoked_by":null,"sales_channels":[]}`
)

func TestCreate(t *testing.T) {
	t.Run("a secret key is answered with the raw token, in the order of the columns, unescaped and not to be cached", func(t *testing.T) {
		f := open(t, admin.Options{})
		got := f.do("POST", "/api-keys", `{"title":"ERP <é>\u0001\u2028","type":"secret"}`)
		keys, err := f.keys.List(t.Context(), store.Query{})
		if err != nil || len(keys) != 1 {
			t.Fatalf("the store has %d keys, %v; want 1", len(keys), err)
		}
		var body struct {
			Key struct{ Token string } `json:"api_key"`
		}
		if err := json.Unmarshal([]byte(got.body), &body); err != nil {
			t.Fatal(err)
		}
		key := keys[0].Clone()
		key.Token = body.Key.Token
		want := strings.Replace(createdSecret, `\u2028`, "\u2028", 1) // JSON.stringify leaves it as it is
		got.is(t, 200, fill(want, key))
		if _, err := f.keys.Authenticate(t.Context(), body.Key.Token); err != nil {
			t.Errorf("the token that was shown does not authenticate: %v", err)
		}
		for name, want := range map[string]string{"Content-Type": "application/json; charset=utf-8", "Cache-Control": "no-store"} {
			if got := got.header.Get(name); got != want {
				t.Errorf("%s is %q, want %q", name, got, want)
			}
		}
	})
	t.Run("fields is accepted and ignored but for our own attributes", func(t *testing.T) {
		f := open(t, admin.Options{})
		got := f.do("POST", "/api-keys?fields=id,version,scopes,-metadata,nothing", `{"title":"","type":"publishable"}`)
		if got.status != 200 || !strings.HasSuffix(got.body, `"deleted_at":null,"version":1,"scopes":null,"metadata":null}}`) {
			t.Errorf("answered %d %s", got.status, got.body)
		}
		got = f.do("POST", "/api-keys?fields=id", `{"title":"","type":"publishable"}`)
		if got.status != 200 || !strings.HasSuffix(got.body, `"deleted_at":null}}`) {
			t.Errorf("answered %d %s", got.status, got.body)
		}
	})
	t.Run("our own attributes are kept and shown when asked for", func(t *testing.T) {
		f := open(t, admin.Options{})
		got := f.do("POST", "/api-keys?fields=%2Bscopes,+expires_at,+metadata,+allowed_cidrs,+rate_limit,+rolled_from,+version", `{
			"title":"a","type":"secret","scopes":["orders:read"],"expires_at":"2027-01-02T03:04:05.006+01:00",
			"metadata":{"z":"1","a":"<&>"},"allowed_cidrs":["10.0.0.0/8","::1"],"rate_limit":{"requests":5,"window":1.5}}`)
		want := `"scopes":["orders:read"],"expires_at":"2027-01-02T02:04:05.006Z","metadata":{"a":"<&>","z":"1"},"allowed_cidrs":["10.0.0.0/8","::1/128"],"rate_limit":{"requests":5,"window":1.5},"rolled_from":null,"version":1}}`
		if got.status != 200 || !strings.HasSuffix(got.body, `"deleted_at":null,`+want) {
			t.Errorf("answered %d %s, want an end of %s", got.status, got.body, want)
		}
	})
	for _, tt := range []struct{ name, target, body, want string }{
		{"missing fields are told in the order of the schema", "/api-keys", `{}`, invalid(`Field 'title' is required; Field 'type' is required`)},
		{"a wrong type", "/api-keys", `{"title":1,"type":"secret"}`, invalid(`Expected type: 'string' for field 'title', got: '1'`)},
		{"not in the set", "/api-keys", `{"title":"a","type":"foo"}`, invalid(`Expected: 'publishable, secret' for field 'type', but got: 'foo'`)},
		{"unknown fields come last, as one, in the order sent", "/api-keys", `{"foo":1,"bar":2,"title":null}`,
			invalid(`Expected type: 'string' for field 'title', got: 'null'; Field 'type' is required; Unrecognized fields: 'foo, bar'`)},
		{"names that are array indices are told first, as JavaScript orders them", "/api-keys", `{"title":"a","type":"secret","b":1,"10":1,"9":1}`, invalid(`Unrecognized fields: '9, 10, b'`)},
		{"a NUL in the name of metadata", "/api-keys", `{"title":"a","type":"secret","metadata":{"a\u0000":"b"}}`, invalid(`Field 'metadata, a\u0000' contains a NUL character`)},
		{"a rate limit of half requests", "/api-keys", `{"title":"a","type":"secret","rate_limit":{"requests":1.5,"window":1}}`, invalid(`Expected type: 'integer' for field 'rate_limit, requests', got: '1.5'`)},
		{"at most three faults are told", "/api-keys", `{"title":true,"type":1.5,"scopes":1,"foo":1}`,
			invalid(`Expected type: 'string' for field 'title', got: 'true'; Expected: 'publishable, secret' for field 'type', but got: '1.5'; Expected type: 'array' for field 'scopes', got: '1'`)},
		{"an array is shown joined", "/api-keys", `{"title":[1,null,["a",true],{}],"type":"secret"}`, invalid(`Expected type: 'string' for field 'title', got: '1,,a,true,[object Object]'`)},
		{"an empty array is shown as nothing", "/api-keys", `{"title":[],"type":"secret"}`, invalid(`Expected type: 'string' for field 'title', got: ''`)},
		{"an object is shown as JavaScript shows it", "/api-keys", `{"title":{},"type":"secret"}`, invalid(`Expected type: 'string' for field 'title', got: '[object Object]'`)},
		{"a number is shown as JavaScript shows it", "/api-keys", `{"title":1e21,"type":"secret"}`, invalid(`Expected type: 'string' for field 'title', got: '1e+21'`)},
		{"a number that is too big for JavaScript", "/api-keys", `{"title":-1e999,"type":"secret"}`, invalid(`Expected type: 'string' for field 'title', got: '-Infinity'`)},
		{"a wrong type in an array is told as missing", "/api-keys", `{"title":"a","type":"secret","scopes":["a",1]}`, invalid(`Field 'scopes, 1' is required`)},
		{"a NUL in a string", "/api-keys", `{"title":"a\u0000","type":"secret"}`, invalid(`Field 'title' contains a NUL character`)},
		{"a NUL in metadata", "/api-keys", `{"title":"a","type":"secret","metadata":{"a":"\u0000"}}`, invalid(`Field 'metadata, a' contains a NUL character`)},
		{"another query parameter", "/api-keys?limit=1", `{"title":"a","type":"secret"}`, invalid(`Unrecognized fields: 'limit'`)},
		{"the body is checked before the query", "/api-keys?limit=1", `{}`, invalid(`Field 'title' is required; Field 'type' is required`)},
		{"a time that is none", "/api-keys", `{"title":"a","type":"secret","expires_at":"soon"}`, invalid(`Expected type: 'date' for field 'expires_at', got: 'soon'`)},
		{"metadata that is no text", "/api-keys", `{"title":"a","type":"secret","metadata":{"n":1}}`, invalid(`Expected type: 'string' for field 'metadata, n', got: '1'`)},
		{"an address in a zone", "/api-keys", `{"title":"a","type":"secret","allowed_cidrs":["fe80::1%eth0","fe80::1%eth0/64"]}`,
			invalid(`Expected type: 'cidr' for field 'allowed_cidrs, 0', got: 'fe80::1%eth0'; Expected type: 'cidr' for field 'allowed_cidrs, 1', got: 'fe80::1%eth0/64'`)},
		{"a network that is none", "/api-keys", `{"title":"a","type":"secret","allowed_cidrs":["10.0.0.0/8","x"]}`, invalid(`Expected type: 'cidr' for field 'allowed_cidrs, 1', got: 'x'`)},
		{"a rate limit without a window", "/api-keys", `{"title":"a","type":"secret","rate_limit":{"requests":1,"burst":2}}`, invalid(`Field 'rate_limit, window' is required; Unrecognized fields: 'burst'`)},
		{"a rate limit of no requests", "/api-keys", `{"title":"a","type":"secret","rate_limit":{"requests":-1,"window":0.5}}`, invalid(`Value for field 'rate_limit, requests' too small, expected at least: '1'; Value for field 'rate_limit, window' too small, expected at least: '1'`)},
		{"a rate limit without end", "/api-keys", `{"title":"a","type":"secret","rate_limit":{"requests":1e300,"window":1e999}}`, invalid(`Value for field 'rate_limit, requests' too big, expected at most: '2147483647'; Value for field 'rate_limit, window' too big, expected at most: '9223372036'`)},
		{"what package store refuses", "/api-keys", `{"title":"a","type":"secret","scopes":["a b"]}`,
			`{"type":"invalid_data","message":"Field 'scopes' holds \"a b\": a scope is 1 to 100 visible ASCII characters, without space, \" and \\ (RFC 6749, 3.3)"}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := open(t, admin.Options{})
			f.do("POST", tt.target, tt.body).is(t, 400, tt.want)
			if n, _ := f.keys.List(t.Context(), store.Query{}); len(n) != 0 {
				t.Error("a key was made")
			}
		})
	}
}

func TestRetrieve(t *testing.T) {
	f := open(t, admin.Options{})
	shop, erp := f.publishable("shop"), f.secret("ERP")
	f.do("GET", "/api-keys/"+shop.ID, "").is(t, 200, fill(`{"api_key":`+plainShop+`}`, shop))
	t.Run("a secret key's token is not shown again", func(t *testing.T) {
		f.do("GET", "/api-keys/"+erp.ID, "").is(t, 200, fill(`{"api_key":`+plainSecret+`}`, erp))
	})
	t.Run("an unknown id", func(t *testing.T) {
		f.do("GET", "/api-keys/apk_x", "").is(t, 404, `{"type":"not_found","message":"API Key with id: apk_x was not found"}`)
	})
	t.Run("an encoded slash belongs to the id", func(t *testing.T) {
		f.do("GET", "/api-keys/a%2Fb", "").is(t, 404, `{"type":"not_found","message":"API Key with id: a/b was not found"}`)
	})
	t.Run("a NUL in the id", func(t *testing.T) {
		f.do("GET", "/api-keys/a%00", "").is(t, 400, invalid(`Field 'id' contains characters that no id has`))
	})
	t.Run("other query parameters", func(t *testing.T) {
		f.do("GET", "/api-keys/"+shop.ID+"?order=id&limit=1", "").is(t, 400, invalid(`Unrecognized fields: 'order, limit'`))
	})
	t.Run("a slash at the end does not matter", func(t *testing.T) {
		f.do("GET", "/api-keys/"+shop.ID+"/", "").is(t, 200, fill(`{"api_key":`+plainShop+`}`, shop))
	})
	t.Run("self is the key that asks", func(t *testing.T) {
		f.send(&store.Key{ID: erp.ID, Type: store.Secret, Scopes: []string{}}, "GET", "/api-keys/self", "").is(t, 200, fill(`{"api_key":`+plainSecret+`}`, erp))
	})
}

func TestUpdate(t *testing.T) {
	const renamed = `{"api_key":{"id":"{id}","title":"new","token":"{token}","redacted":"{redacted}","type":"publishable","last_used_at":null,"updated_at":"2026-03-04T05:06:08.089Z","created_at":"2026-03-04T05:06:07.089Z","created_by":"user_1","revoked_at":null,"revoked_by":null,"sales_channels":[]}}`
	t.Run("a title", func(t *testing.T) {
		f := open(t, admin.Options{})
		shop := f.publishable("shop")
		f.pass(time.Second)
		f.do("POST", "/api-keys/"+shop.ID, `{"title":"new"}`).is(t, 200, fill(renamed, shop))
	})
	t.Run("the same title does not move updated_at", func(t *testing.T) {
		f := open(t, admin.Options{})
		shop := f.publishable("shop")
		f.pass(time.Second)
		f.do("POST", "/api-keys/"+shop.ID, `{"title":"shop"}`).is(t, 200, fill(`{"api_key":`+plainShop+`}`, shop))
	})
	t.Run("a revoked key can be renamed too", func(t *testing.T) {
		f := open(t, admin.Options{})
		erp := f.secret("ERP")
		if _, err := f.keys.Revoke(t.Context(), erp.ID); err != nil {
			t.Fatal(err)
		}
		f.do("POST", "/api-keys/"+erp.ID+"?fields=title", `{"title":"new"}`).is(t, 200, fill(`{"api_key":{"title":"new","id":"{id}"}}`, erp))
	})
	t.Run("an unknown id is an answer without a key", func(t *testing.T) {
		open(t, admin.Options{}).do("POST", "/api-keys/apk_x", `{"title":"new"}`).is(t, 200, `{}`)
	})
	for _, tt := range []struct{ name, body, want string }{
		{"a title is required", `{}`, invalid(`Field 'title' is required`)},
		{"other fields", `{"title":"new","type":"secret"}`, invalid(`Unrecognized fields: 'type'`)},
		{"other fields without a title", `{"type":"secret"}`, invalid(`Field 'title' is required; Unrecognized fields: 'type'`)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := open(t, admin.Options{})
			f.do("POST", "/api-keys/"+f.secret("ERP").ID, tt.body).is(t, 400, tt.want)
		})
	}
	t.Run("a rate limit may be as large as openapi.json and the message say, and no larger", func(t *testing.T) {
		f := open(t, admin.Options{})
		erp := f.secret("ERP")
		target := "/api-keys/" + erp.ID + "?fields=rate_limit"
		bounds := described().Components.Schemas["RateLimit"].Value.Properties
		requests, window := *bounds["requests"].Value.Max, *bounds["window"].Value.Max
		limit := func(requests, window float64) string {
			return fmt.Sprintf(`{"rate_limit":{"requests":%.0f,"window":%f}}`, requests, window)
		}
		f.do("POST", target, limit(requests, window)).is(t, 200, fill(`{"api_key":{"rate_limit":{"requests":2147483647,"window":9223372036},"id":"{id}"}}`, erp))
		f.do("POST", target, limit(requests+1, window+0.001)).is(t, 400,
			invalid(`Value for field 'rate_limit, requests' too big, expected at most: '2147483647'; Value for field 'rate_limit, window' too big, expected at most: '9223372036'`))
	})
	t.Run("our own attributes can be set without a title, and taken away with null", func(t *testing.T) {
		f := open(t, admin.Options{})
		erp := f.secret("ERP")
		target := "/api-keys/" + erp.ID + "?fields=scopes,expires_at,metadata,allowed_cidrs,rate_limit"
		id := `"id":"` + erp.ID + `"`
		f.do("POST", target, `{"scopes":[],"expires_at":"2027-01-02","metadata":{},"allowed_cidrs":["10.1.2.3"],"rate_limit":{"requests":1,"window":60}}`).
			is(t, 200, `{"api_key":{"scopes":[],"expires_at":"2027-01-02T00:00:00.000Z","metadata":{},"allowed_cidrs":["10.1.2.3/32"],"rate_limit":{"requests":1,"window":60},`+id+`}}`)
		f.do("POST", target, `{"title":"still"}`).
			is(t, 200, `{"api_key":{"scopes":[],"expires_at":"2027-01-02T00:00:00.000Z","metadata":{},"allowed_cidrs":["10.1.2.3/32"],"rate_limit":{"requests":1,"window":60},`+id+`}}`)
		f.do("POST", target, `{"scopes":null,"expires_at":null,"metadata":null,"allowed_cidrs":null,"rate_limit":null}`).
			is(t, 200, `{"api_key":{"scopes":null,"expires_at":null,"metadata":null,"allowed_cidrs":null,"rate_limit":null,`+id+`}}`)
	})
}

func TestRevoke(t *testing.T) {
	const fields = "?fields=revoked_at,revoked_by,updated_at"
	revoked := func(at string) string {
		return `{"api_key":{"revoked_at":"` + at + `","revoked_by":"apk_admin","updated_at":"2026-03-04T05:06:07.089Z","id":"{id}"}}`
	}
	for _, tt := range []struct {
		name, body string
		status     int
		want       string
	}{
		{"no body is now", ``, 200, revoked("2026-03-04T05:06:07.089Z")},
		{"an empty object is now", `{}`, 200, revoked("2026-03-04T05:06:07.089Z")},
		{"seconds", `{"revoke_in":60}`, 200, revoked("2026-03-04T05:07:07.089Z")},
		{"1.5 is cut to 1", `{"revoke_in":1.5}`, 200, revoked("2026-03-04T05:06:08.089Z")},
		{"0.4 is cut to 0", `{"revoke_in":0.4}`, 200, revoked("2026-03-04T05:06:07.089Z")},
		{"0 is now", `{"revoke_in":0}`, 200, revoked("2026-03-04T05:06:07.089Z")},
		{"negative is now", `{"revoke_in":-1e300}`, 200, revoked("2026-03-04T05:06:07.089Z")},
		{"a string", `{"revoke_in":"60"}`, 400, invalid(`Expected type: 'number' for field 'revoke_in', got: '60'`)},
		{"null", `{"revoke_in":null}`, 400, invalid(`Expected type: 'number' for field 'revoke_in', got: 'null'`)},
		{"a boolean", `{"revoke_in":true}`, 400, invalid(`Expected type: 'number' for field 'revoke_in', got: 'true'`)},
		{"what lies after the year 9999 is too far", `{"revoke_in":253402300799}`, 400, `{"type":"invalid_data","message":"A key cannot be revoked later than in the year 9999"}`},
		{"1e13 is too far", `{"revoke_in":1e13}`, 400, invalid(`Value for field 'revoke_in' too big, expected at most: '253402300799'`)},
		{"infinity is too far", `{"revoke_in":1e999}`, 400, invalid(`Value for field 'revoke_in' too big, expected at most: '253402300799'`)},
		{"other fields", `{"in":1}`, 400, invalid(`Unrecognized fields: 'in'`)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := open(t, admin.Options{})
			erp := f.secret("ERP")
			f.do("POST", "/api-keys/"+erp.ID+"/revoke"+fields, tt.body).is(t, tt.status, fill(tt.want, erp))
			if now, _ := f.keys.Get(t.Context(), erp.ID); tt.status != 200 && !now.RevokedAt.IsZero() {
				t.Error("the key was revoked all the same")
			}
		})
	}
	t.Run("a secret key that is dead already", func(t *testing.T) {
		f := open(t, admin.Options{})
		erp := f.secret("ERP")
		f.do("POST", "/api-keys/"+erp.ID+"/revoke", ``)
		f.do("POST", "/api-keys/"+erp.ID+"/revoke", ``).is(t, 400, `{"type":"invalid_data","message":"There are 1 secret keys that are already revoked."}`)
	})
	t.Run("a secret key that will be dead gets the new time", func(t *testing.T) {
		f := open(t, admin.Options{})
		erp := f.secret("ERP")
		f.do("POST", "/api-keys/"+erp.ID+"/revoke", `{"revoke_in":60}`)
		f.do("POST", "/api-keys/"+erp.ID+"/revoke"+fields, `{"revoke_in":120}`).is(t, 200, fill(revoked("2026-03-04T05:08:07.089Z"), erp))
	})
	t.Run("a publishable key that is dead stays dead, and the earlier time stays", func(t *testing.T) {
		f := open(t, admin.Options{})
		shop := f.publishable("shop")
		f.do("POST", "/api-keys/"+shop.ID+"/revoke", ``)
		f.pass(time.Second)
		f.do("POST", "/api-keys/"+shop.ID+"/revoke"+fields, `{"revoke_in":120}`).is(t, 200, fill(revoked("2026-03-04T05:06:07.089Z"), shop))
	})
	t.Run("a time that no time.Duration holds", func(t *testing.T) {
		for _, seconds := range []int64{9223372037, 200_000_000_000} {
			f := open(t, admin.Options{})
			got := f.do("POST", "/api-keys/"+f.secret("ERP").ID+"/revoke?fields=revoked_at", fmt.Sprintf(`{"revoke_in":%d}`, seconds))
			var answer struct {
				Key struct {
					At time.Time `json:"revoked_at"`
				} `json:"api_key"`
			}
			if err := json.Unmarshal([]byte(got.body), &answer); err != nil || got.status != 200 {
				t.Fatalf("%d %s: %v", got.status, got.body, err)
			}
			if at := answer.Key.At.UnixMilli(); at != begin.UnixMilli()+seconds*1000 {
				t.Errorf("revoked at %v, want %d seconds from now", answer.Key.At, seconds)
			}
		}
	})
	t.Run("an unknown id is an answer without a key", func(t *testing.T) {
		open(t, admin.Options{}).do("POST", "/api-keys/apk_x/revoke", ``).is(t, 200, `{}`)
	})
}

func TestRoll(t *testing.T) {
	f := open(t, admin.Options{})
	erp := f.made(store.NewKey{Type: store.Secret, Title: "ERP", Scopes: []string{"orders:read"}})
	got := f.do("POST", "/api-keys/"+erp.Key.ID+"/roll?fields=+scopes,+rolled_from", `{"revoke_in":60}`)
	keys, err := f.keys.List(t.Context(), store.Query{})
	if err != nil || len(keys) != 2 {
		t.Fatalf("the store has %d keys, %v; want 2", len(keys), err)
	}
	next := keys[0]
	if next.ID == erp.Key.ID {
		next = keys[1]
	}
	var body struct {
		Key struct{ Token string } `json:"api_key"`
	}
	if err := json.Unmarshal([]byte(got.body), &body); err != nil {
		t.Fatal(err)
	}
	next = next.Clone()
	next.Token = body.Key.Token
	got.is(t, 200, fill(`{"api_key":{"id":"{id}","token":"{token}","redacted":"{redacted}","title":"ERP","type":"secret","last_used_at":null,"created_by":"user_1","revoked_by":null,"revoked_at":null,"created_at":"2026-03-04T05:06:07.089Z","updated_at":"2026-03-04T05:06:07.089Z","deleted_at":null,"scopes":["orders:read"],"rolled_from":"`+erp.Key.ID+`"}}`, next))

	t.Run("both work within the grace period, and only the new one after it", func(t *testing.T) {
		for range 2 {
			_, oldErr := f.keys.Authenticate(t.Context(), erp.Token.Reveal())
			_, newErr := f.keys.Authenticate(t.Context(), body.Key.Token)
			if within := f.clock().Before(begin.Add(time.Minute)); (oldErr == nil) != within || newErr != nil {
				t.Errorf("at %s the old key answers %v, the new one %v", f.clock(), oldErr, newErr)
			}
			f.pass(time.Minute)
		}
	})
	t.Run("a grace period is at most what a time.Duration holds", func(t *testing.T) {
		f.do("POST", "/api-keys/"+next.ID+"/roll", `{"revoke_in":9223372037}`).is(t, 400, invalid(`Value for field 'revoke_in' too big, expected at most: '9223372036'`))
	})
	t.Run("a revoked key cannot be rolled", func(t *testing.T) {
		f.do("POST", "/api-keys/"+erp.Key.ID+"/roll", ``).is(t, 400, `{"type":"not_allowed","message":"Cannot roll an API key that is revoked or expired - `+erp.Key.ID+`"}`)
	})
	t.Run("an unknown id", func(t *testing.T) {
		f.do("POST", "/api-keys/apk_x/roll", ``).is(t, 404, `{"type":"not_found","message":"API Key with id: apk_x was not found"}`)
	})
}

func TestDelete(t *testing.T) {
	f := open(t, admin.Options{})
	erp := f.secret("ERP")
	deleted := `{"id":"` + erp.ID + `","object":"api_key","deleted":true}`
	alive := `{"type":"not_allowed","message":"Cannot delete api keys that are not revoked - ` + erp.ID + `"}`
	t.Run("a key that is not revoked", func(t *testing.T) {
		f.do("DELETE", "/api-keys/"+erp.ID, "").is(t, 400, alive)
	})
	t.Run("a key that will be revoked", func(t *testing.T) {
		f.do("POST", "/api-keys/"+erp.ID+"/revoke", `{"revoke_in":60}`)
		f.do("DELETE", "/api-keys/"+erp.ID, "").is(t, 400, alive)
	})
	t.Run("a revoked key, whatever the query and the body say", func(t *testing.T) {
		f.pass(time.Minute)
		f.do("DELETE", "/api-keys/"+erp.ID+"?foo=1", `[1]`).is(t, 200, deleted)
		if _, err := f.keys.Get(t.Context(), erp.ID); err == nil {
			t.Error("the key is still there")
		}
	})
	t.Run("the second time, and an unknown id", func(t *testing.T) {
		f.do("DELETE", "/api-keys/"+erp.ID, "").is(t, 200, deleted)
		f.do("DELETE", "/api-keys/x%22%3C", "").is(t, 200, `{"id":"x\"<","object":"api_key","deleted":true}`)
	})
}

func TestVerify(t *testing.T) {
	f := open(t, admin.Options{})
	erp := f.made(store.NewKey{Type: store.Secret, Title: "ERP"})
	token := func(s string) string { return `{"token":"` + s + `"}` }
	const no = `{"is_authenticated":false}`
	t.Run("a token that may be used", func(t *testing.T) {
		want := strings.Replace(plainSecret, `"last_used_at":null,`, "", 1)
		f.do("POST", "/api-keys/verify", token(erp.Token.Reveal())).is(t, 200, fill(`{"is_authenticated":true,"api_key":`+want+`}`, erp.Key))
	})
	t.Run("when it was last used is read from the store, for whoever asks", func(t *testing.T) {
		f.do("POST", "/api-keys/verify?fields=last_used_at", token(erp.Token.Reveal())).is(t, 200, fill(`{"is_authenticated":true,"api_key":{"last_used_at":null,"id":"{id}"}}`, erp.Key))
	})
	t.Run("a publishable token", func(t *testing.T) {
		shop := f.publishable("shop")
		f.do("POST", "/api-keys/verify?fields=id", token(shop.Token)).is(t, 200, fill(`{"is_authenticated":true,"api_key":{"id":"{id}"}}`, shop))
	})
	for name, s := range map[string]string{
		"malformed": "sk_x", "empty": "", "unknown": "sk_" + strings.Repeat("0", 64), "with a NUL": `sk_\u0000`,
	} {
		t.Run("a token that is "+name, func(t *testing.T) {
			f.do("POST", "/api-keys/verify", token(s)).is(t, 200, no)
		})
	}
	t.Run("a revoked token", func(t *testing.T) {
		f.do("POST", "/api-keys/"+erp.Key.ID+"/revoke", "")
		f.do("POST", "/api-keys/verify", token(erp.Token.Reveal())).is(t, 200, no)
	})
	t.Run("a missing token", func(t *testing.T) {
		f.do("POST", "/api-keys/verify", `{}`).is(t, 400, invalid(`Field 'token' is required`))
	})
	t.Run("what stands in the token's place is not repeated", func(t *testing.T) {
		f.do("POST", "/api-keys/verify", `{"token":["`+erp.Token.Reveal()+`"]}`).is(t, 400, invalid(`Expected type: 'string' for field 'token', got: '***'`))
	})
}

// touches counts the writes of last-used times.
type touches struct {
	store.Store
	n atomic.Int64
}

func (s *touches) Touch(ctx context.Context, uses []store.Use) error {
	s.n.Add(int64(len(uses)))
	return s.Store.Touch(ctx, uses)
}

func TestVerifyDoesNotCountAsAUse(t *testing.T) {
	rows := &touches{Store: store.NewMemory()}
	keys := store.New(withAdmin{rows})
	f := &fixture{t: t, keys: keys, api: documented(t, admin.New(keys, admin.Options{})), admin: adminKey()}
	verified, used := f.made(store.NewKey{Type: store.Secret}), f.made(store.NewKey{Type: store.Secret})
	f.do("POST", "/api-keys/verify", `{"token":"`+verified.Token.Reveal()+`"}`)
	if _, err := keys.Authenticate(t.Context(), used.Token.Reveal()); err != nil {
		t.Fatal(err)
	}
	if err := keys.Close(context.Background()); err != nil { // writes what waits
		t.Fatal(err)
	}
	if n := rows.n.Load(); n != 1 {
		t.Errorf("%d uses were written, want 1: that of Authenticate", n)
	}
}

func TestRoutes(t *testing.T) {
	for _, tt := range []struct {
		name, method, target string
		status               int
		allow                string
	}{
		{"an unknown path", "GET", "/foo", 404, ""},
		{"the root", "GET", "/", 404, ""},
		{"a path below a key", "GET", "/api-keys/a/b", 404, ""},
		{"a double slash", "GET", "/api-keys//a", 404, ""},
		{"dots", "GET", "/api-keys/../api-keys", 404, ""},
		{"a wrong method on the list", "PUT", "/api-keys", 405, "GET, HEAD, POST"},
		{"a wrong method on a key", "PATCH", "/api-keys/a", 405, "DELETE, GET, HEAD, POST"},
		{"a wrong method on an action", "GET", "/api-keys/a/revoke", 405, "POST"},
		{"a wrong method on self", "OPTIONS", "/api-keys/self", 405, "DELETE, GET, HEAD, POST"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := open(t, admin.Options{}).do(tt.method, tt.target, "")
			want := `{"type":"not_found","message":"There is no such route"}`
			if tt.status == 405 {
				want = `{"type":"not_allowed","message":"The route does not take this method"}`
			}
			got.is(t, tt.status, want)
			if allow := got.header.Get("Allow"); allow != tt.allow {
				t.Errorf("Allow is %q, want %q", allow, tt.allow)
			}
		})
	}
	t.Run("HEAD works as GET", func(t *testing.T) {
		if got := open(t, admin.Options{}).do("HEAD", "/api-keys", ""); got.status != 200 {
			t.Errorf("answered %d", got.status)
		}
	})
}
