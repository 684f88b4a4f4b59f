package admin_test

import (
	"context"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/latchkey-go/latchkey/admin"
	"github.com/latchkey-go/latchkey/store"
)

// event is how a line of the trail is shown.
func event(id int, kind string, version int, actor, request, at, details string) string {
	return fmt.Sprintf(`{"id":%d,"kind":"%s","version":%d,"actor":%s,"request_id":%s,"at":"%s","details":%s}`, id, kind, version, actor, request, at, details)
}

func TestEvents(t *testing.T) {
	f := open(t, admin.Options{})
	shop := f.publishable("shop")
	f.secret("another") // event 2
	if _, err := f.keys.Update(store.WithRequestID(context.Background(), "req-1"), shop.ID, store.Patch{Title: new("<new>")}); err != nil {
		t.Fatal(err)
	}
	f.pass(time.Second)
	f.do("POST", "/api-keys/"+shop.ID+"/revoke", "")
	target := "/api-keys/" + shop.ID + "/events"
	const at, later = "2026-03-04T05:06:07.089Z", "2026-03-04T05:06:08.089Z"
	trail := []string{
		event(1, "created", 1, `"user_1"`, "null", at, `{}`),
		event(3, "updated", 2, "null", `"req-1"`, at, `{"fields":"title"}`),
		event(4, "revoked", 3, `"apk_admin"`, "null", later, `{"revoked_at":"`+later+`"}`),
	}
	page := func(limit int, next string, events ...string) string {
		return fmt.Sprintf(`{"events":[%s],"limit":%d,"next_after":%s}`, strings.Join(events, ","), limit, next)
	}
	t.Run("of one key, oldest first", func(t *testing.T) {
		f.do("GET", target, "").is(t, 200, page(50, "null", trail...))
	})
	for _, tt := range []struct{ query, want string }{
		{"limit=2", page(2, "3", trail[:2]...)},
		{"limit=2&after=3", page(2, "null", trail[2])},
		{"limit=3", page(3, "null", trail...)},
		{"limit=1&after=1", page(1, "3", trail[1])},
		{"after=4", page(50, "null")},
		{"limit=1000&after=9007199254740991", page(1000, "null")},
	} {
		t.Run("paged: "+tt.query, func(t *testing.T) {
			f.do("GET", target+"?"+tt.query, "").is(t, 200, tt.want)
		})
	}
	for query, want := range map[string]string{
		"limit=0":                    `Value for field 'limit' too small, expected at least: '1'`,
		"limit=1001":                 `Value for field 'limit' too big, expected at most: '1000'`,
		"limit=99999999999999999999": `Value for field 'limit' too big, expected at most: '1000'`,
		"limit=":                     `Expected type: 'integer' for field 'limit', got: ''`,
		"limit=2x":                   `Expected type: 'integer' for field 'limit', got: '2x'`,
		"limit=1&limit=2":            `Expected type: 'integer' for field 'limit', got: '1,2'`,
		"after=-1":                   `Value for field 'after' too small, expected at least: '0'`,
		"after=9007199254740992":     `Value for field 'after' too big, expected at most: '9007199254740991'`,
		"after=x&limit=1.5":          `Expected type: 'integer' for field 'after', got: 'x'; Expected type: 'integer' for field 'limit', got: '1.5'`,
		"fields=id":                  `Unrecognized fields: 'fields'`,
	} {
		t.Run("refused: "+query, func(t *testing.T) {
			f.do("GET", target+"?"+query, "").is(t, 400, invalid(want))
		})
	}
	t.Run("an unknown id", func(t *testing.T) {
		for _, query := range []string{"", "?after=3"} {
			f.do("GET", "/api-keys/apk_x/events"+query, "").is(t, 404, `{"type":"not_found","message":"API Key with id: apk_x was not found"}`)
		}
	})
	t.Run("a restricted key needs the scope to read", func(t *testing.T) {
		writer := f.made(store.NewKey{Type: store.Secret, Scopes: []string{"keys:write", "keys:verify"}}).Key
		f.send(writer, "GET", target, "").is(t, 403, `{"type":"forbidden","message":"The key in use does not have the scope 'keys:read'"}`)
		reader := f.made(store.NewKey{Type: store.Secret, Scopes: []string{"keys:read"}}).Key
		f.send(reader, "GET", target, "").is(t, 200, page(50, "null", trail...))
	})
	t.Run("a key whose events were pruned has none", func(t *testing.T) {
		f := open(t, admin.Options{})
		old := f.secret("old")
		f.pass(time.Hour)
		f.secret("new")
		if n, err := f.keys.PruneEvents(t.Context(), f.clock()); err != nil || n != 1 {
			t.Fatalf("%d events were pruned, %v; want 1", n, err)
		}
		f.do("GET", "/api-keys/"+old.ID+"/events", "").is(t, 200, page(50, "null"))
	})
	t.Run("they outlive the key, and their last page ends as any", func(t *testing.T) {
		f.do("DELETE", "/api-keys/"+shop.ID, "")
		got := f.do("GET", target+"?after=3", "")
		got.isLike(t, 200, `"details":{"title":"<new>"}}],"limit":50,"next_after":null}`)
		_, tail, _ := strings.Cut(got.body, `"kind":"deleted"`)
		if tail == "" {
			t.Errorf("the deletion is not told: %s", got.body)
		}
		f.do("GET", target+"?after=1000", "").is(t, 200, page(50, "null"))
	})
	t.Run("an id is taken as it is", func(t *testing.T) {
		f.do("GET", "/api-keys/"+url.PathEscape("a/b%")+"/events", "").is(t, 404, `{"type":"not_found","message":"API Key with id: a/b% was not found"}`)
	})
}
