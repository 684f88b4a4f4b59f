package admin_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/latchkey-go/latchkey/admin"
	"github.com/latchkey-go/latchkey/store"
)

// What is too long, too large or too many is refused with the name of what it was, before anything
// is changed: who corrects one field and sends the rest again has lost nothing.
func TestRequirement26WhatIsTooMuchIsNamedAndChangesNothing(t *testing.T) {
	list := func(n int, form string) string {
		items := make([]string, n)
		for i := range items {
			items[i] = strings.ReplaceAll(form, "#", fmt.Sprint(i))
		}
		return strings.Join(items, ",")
	}
	for _, tt := range []struct{ name, fields, names string }{
		{"scopes", `"scopes":[` + list(101, `"s#"`) + `]`, "scopes"},
		{"a scope", `"scopes":["` + strings.Repeat("s", 101) + `"]`, "scopes"},
		{"a description", `"description":"` + strings.Repeat("x", 1025) + `"`, "description"},
		{"metadata, entries", `"metadata":{` + list(51, `"m#":"x"`) + `}`, "metadata"},
		{"metadata, bytes", `"metadata":{"a":"` + strings.Repeat("x", 16<<10) + `"}`, "metadata"},
		{"networks", `"allowed_cidrs":[` + list(101, `"10.0.0.#/32"`) + `]`, "allowed_cidrs"},
		{"requests", `"rate_limit":{"requests":1e12,"window":1}`, "rate_limit, requests"},
		{"a window", `"rate_limit":{"requests":1,"window":1e12}`, "rate_limit, window"},
		{"an expiry", `"expires_at":"10000-01-01T00:00:00Z"`, "expires_at"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := open(t, admin.Options{})
			key := f.secret("before")
			for _, r := range [][2]string{{"/api-keys", `{"title":"after","type":"secret",` + tt.fields + `}`}, {"/api-keys/" + key.ID, `{"title":"after",` + tt.fields + `}`}} {
				got := f.do("POST", r[0], r[1])
				var told struct{ Type, Message string }
				if err := json.Unmarshal([]byte(got.body), &told); err != nil || got.status != 400 || told.Type != "invalid_data" || !strings.Contains(told.Message, "ield '"+strings.Split(tt.names, ",")[0]) || len(told.Message) > 1000 {
					t.Errorf("%s was answered %d %.300s", r[0], got.status, got.body)
				}
			}
			all, err := f.keys.List(t.Context(), store.Query{})
			if err != nil || len(all) != 1 || all[0].Title != "before" || all[0].Version != 1 {
				t.Errorf("afterwards there are %d keys, %+v, %v", len(all), all[0], err)
			}
		})
	}
	t.Run("channels", func(t *testing.T) {
		f := open(t, admin.Options{})
		shop := f.publishable("shop")
		got := f.do("POST", "/api-keys/"+shop.ID+"/sales-channels", `{"add":[`+list(1001, `"sc_#"`)+`]}`)
		if got.status != 400 || !strings.Contains(got.body, "at most 1000") {
			t.Errorf("answered %d %.300s", got.status, got.body)
		}
	})
	t.Run("pages", func(t *testing.T) {
		f := open(t, admin.Options{MaxPage: 5})
		for range 6 {
			f.secret("a")
		}
		f.do("GET", "/api-keys?limit=6", "").is(t, 400, invalid(`Value for field 'limit' too big, expected at most: '5'`))
		if got := f.do("GET", "/api-keys?limit=5", ""); got.status != 200 || strings.Count(got.body, `"id"`) != 5 {
			t.Errorf("limit=5: %d, %d keys", got.status, strings.Count(got.body, `"id"`))
		}
	})
	t.Run("conditions of a filter", func(t *testing.T) {
		f := open(t, admin.Options{})
		f.do("POST", "/api-keys/revoke", `{"$or":[`+list(store.MaxConditions, `{"id":"a#"}`)+`],"dry_run":true}`).
			is(t, 400, invalid(fmt.Sprintf("The filter holds more than %d conditions", store.MaxConditions)))
		f.do("GET", "/api-keys?q="+strings.Repeat("a+", store.MaxConditions+1), "").
			is(t, 400, invalid(fmt.Sprintf("The filter holds more than %d conditions", store.MaxConditions)))
	})
}

// A field that a route does not know is a mistake or an attack: it is refused, and nothing changes.
// Who created or revoked a key comes from the principal, never from the body.
func TestRequirement24UnknownFieldsAreRefused(t *testing.T) {
	everyRoute(t, func(t *testing.T, _, method, target, body string) {
		if method == http.MethodGet || method == http.MethodDelete {
			return // bodies there are not looked at beyond being JSON
		}
		f := open(t, admin.Options{})
		target = strings.Replace(target, "{id}", f.publishable("shop").ID, 1)
		before := len(eventsOf(t, f))
		for _, field := range []string{"nonsense", "created_by", "revoked_by", "revoked_at", "redacted", "id", "lookup_id", "proof", "revoked", "version", "Title"} {
			if strings.HasSuffix(target, "/api-keys/revoke") && (field == "created_by" || field == "id" || field == "revoked_at") {
				continue // a filter's
			}
			with := `{"` + field + `":"user_9"` + strings.TrimSuffix(strings.Replace(body, "{", ",", 1), "}") + `}`
			if body == "" {
				with = `{"` + field + `":"user_9"}`
			}
			if got := f.do(method, target, with); got.status != 400 || !strings.Contains(got.body, "Unrecognized fields: '"+field+"'") {
				t.Errorf("%s was answered %d %s", with, got.status, got.body)
			}
		}
		if n := len(eventsOf(t, f)); n != before {
			t.Errorf("%d changes", n-before)
		}
	})
}

func TestRequirement24WhoDidItIsWhoAsked(t *testing.T) {
	f := open(t, admin.Options{})
	asking := f.secret("ERP")
	got := f.send(asking, "POST", "/api-keys", `{"title":"a","type":"secret"}`)
	var made struct {
		Key struct {
			ID        string
			CreatedBy string `json:"created_by"`
		} `json:"api_key"`
	}
	if err := json.Unmarshal([]byte(got.body), &made); err != nil || made.Key.CreatedBy != asking.ID {
		t.Fatalf("created_by is %q, want %s: %s", made.Key.CreatedBy, asking.ID, got.body)
	}
	if got := f.send(asking, "POST", "/api-keys/"+made.Key.ID+"/revoke", ``); !strings.Contains(got.body, `"revoked_by":"`+asking.ID+`"`) {
		t.Errorf("answered %d %s", got.status, got.body)
	}
	for _, e := range eventsOf(t, f)[1:] {
		if e.Actor != asking.ID {
			t.Errorf("event %+v", e)
		}
	}
}

func eventsOf(t *testing.T, f *fixture) []store.Event {
	t.Helper()
	list, err := f.keys.Events(t.Context(), store.EventQuery{})
	if err != nil {
		t.Fatal(err)
	}
	return list
}
