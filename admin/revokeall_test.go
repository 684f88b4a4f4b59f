package admin_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/latchkey-go/latchkey/admin"
	"github.com/latchkey-go/latchkey/store"
)

func TestAKeyRevokesItself(t *testing.T) {
	const target = "/api-keys/self/revoke?fields=revoked_at,revoked_by"
	revoked := func(k *store.Key, at string) string {
		return fmt.Sprintf(`{"api_key":{"revoked_at":"%s","revoked_by":"%s","id":"%s"}}`, at, k.ID, k.ID)
	}
	t.Run("now, whatever its scopes", func(t *testing.T) {
		f := open(t, admin.Options{})
		made := f.made(store.NewKey{Type: store.Secret, Scopes: []string{}, ExpiresAt: begin.Add(time.Hour)})
		f.send(made.Key, "POST", target, "").is(t, 200, revoked(made.Key, "2026-03-04T05:06:07.089Z"))
		if _, err := f.keys.Authenticate(t.Context(), made.Token.Reveal()); err == nil {
			t.Error("it still works")
		}
		f.send(made.Key, "POST", target, "").is(t, 401, `{"type":"unauthorized","message":"Unauthorized"}`)
	})
	t.Run("and is shown as every key is", func(t *testing.T) {
		f := open(t, admin.Options{})
		erp := f.secret("ERP")
		want := strings.Replace(fill(`{"api_key":`+plainSecret+`}`, erp), `"revoked_at":null,"revoked_by":null`, `"revoked_at":"2026-03-04T05:06:07.089Z","revoked_by":"`+erp.ID+`"`, 1)
		f.send(erp, "POST", "/api-keys/self/revoke", "{}").is(t, 200, want)
	})
	t.Run("later, and then sooner, but not later again", func(t *testing.T) {
		f := open(t, admin.Options{})
		erp := f.secret("ERP")
		f.send(erp, "POST", target, `{"revoke_in":60}`).is(t, 200, revoked(erp, "2026-03-04T05:07:07.089Z"))
		erp, err := f.keys.Get(t.Context(), erp.ID)
		if err != nil {
			t.Fatal(err)
		}
		f.send(erp, "POST", target, `{"revoke_in":61}`).is(t, 403, `{"type":"forbidden","message":"The key in use ends at 2026-03-04T05:07:07.089Z and cannot make a key last longer"}`)
		f.send(erp, "POST", target, `{"revoke_in":59}`).is(t, 200, revoked(erp, "2026-03-04T05:07:06.089Z"))
	})
	t.Run("where only so many may be active", func(t *testing.T) {
		keys, err := store.Options{FlushInterval: -1, MaxActiveSecrets: 1}.New(store.NewMemory())
		if err != nil {
			t.Fatal(err)
		}
		f := &fixture{t: t, keys: keys, api: documented(t, admin.New(keys, admin.Options{}))}
		for _, body := range []string{`{"revoke_in":60}`, ``, `{"revoke_in":60}`} { // one that is ending, and another
			if got := f.send(f.secret("ERP"), "POST", target, body); got.status != 200 {
				t.Errorf("answered %d %s", got.status, got.body)
			}
		}
	})
	t.Run("a body that is wrong", func(t *testing.T) {
		f := open(t, admin.Options{})
		f.send(f.secret("ERP"), "POST", target, `{"revoke_in":"1","id":"x"}`).
			is(t, 400, invalid(`Expected type: 'number' for field 'revoke_in', got: '1'; Unrecognized fields: 'id'`))
	})
	t.Run("a key that is gone", func(t *testing.T) {
		open(t, admin.Options{}).send(&store.Key{ID: "apk_gone", Type: store.Secret}, "POST", target, "").is(t, 401, `{"type":"unauthorized","message":"Unauthorized"}`)
	})
}

func TestRevokeAll(t *testing.T) {
	const target = "/api-keys/revoke"
	// ids is the answer for keys of the stock.
	ids := func(f *fixture, dry bool, titles ...string) string {
		list := make([]string, len(titles))
		for i, title := range titles {
			list[i] = `"` + f.byTitle(title).ID + `"`
		}
		return fmt.Sprintf(`{"ids":[%s],"count":%d,"dry_run":%t}`, strings.Join(list, ","), len(list), dry)
	}
	const g = "Gamma_50% x"
	at := func(minutes int) string {
		return begin.Add(time.Duration(minutes) * time.Minute).Format(time.RFC3339Nano)
	}
	for _, tt := range []struct {
		name, filter string
		want         []string // of those that are not revoked: all but beta
	}{
		{"a type", `"type":"publishable"`, []string{"Alpha", g}},
		{"a title", `"title":"delta"`, []string{"delta"}},
		{"titles", `"title":["delta","beta","Alpha"]`, []string{"Alpha", "delta"}},
		{"words", `"q":"LPHA a"`, []string{"Alpha"}},
		{"no ids", `"id":[]`, nil},
		{"who created", `"created_by":["user_1","user_2"]`, []string{"Alpha", g, "delta", "epsilon"}},
		{"who did not", `"created_by":"user_2"`, nil},
		{"a time", `"created_at":"` + at(3) + `"`, []string{"delta"}},
		{"times", `"created_at":["` + at(0) + `",null,"` + at(3) + `"]`, []string{"Alpha", "delta"}},
		{"a span", `"created_at":{"$gt":"` + at(0) + `","$lt":"` + at(3) + `"}`, []string{g}},
		{"null", `"revoked_at":null`, []string{"Alpha", g, "epsilon"}},
		{"not null", `"revoked_at":{"$ne":null}`, []string{"delta"}},
		{"the text null", `"revoked_at":{"$ne":"null"}`, []string{"delta"}},
		{"when it was used", `"last_used_at":{"$gt":"2020-01-01"},"expires_at":null`, []string{"epsilon"}},
		{"never used", `"last_used_at":null,"type":"secret"`, []string{"delta"}},
		{"when it expires", `"expires_at":{"$lt":"2027-01-01"}`, []string{"Alpha"}},
		{"either", `"$or":[{"title":"Alpha"},{"last_used_at":{"$ne":null}}]`, []string{"Alpha", "epsilon"}},
		{"both", `"$and":[{"created_by":"user_1"},{"type":"secret"}]`, []string{"delta", "epsilon"}},
		{"neither", `"$or":[]`, nil},
		{"deleted", `"deleted_at":{"$ne":null}`, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := stock(t, admin.Options{})
			if err := f.rows.Touch(t.Context(), []store.Use{{KeyID: f.byTitle("epsilon").ID, At: begin}}); err != nil {
				t.Fatal(err)
			}
			if _, err := f.keys.Update(t.Context(), f.byTitle("Alpha").ID, store.Patch{ExpiresAt: new(time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC))}); err != nil {
				t.Fatal(err)
			}
			before, _ := f.keys.Events(t.Context(), store.EventQuery{})
			f.do("POST", target, `{`+tt.filter+`,"dry_run":true}`).is(t, 200, ids(f, true, tt.want...))
			if after, _ := f.keys.Events(t.Context(), store.EventQuery{}); len(after) != len(before) {
				t.Fatal("the dry run changed something")
			}
			f.do("POST", target, `{`+tt.filter+`,"dry_run":false}`).is(t, 200, ids(f, false, tt.want...))
			f.pass(time.Millisecond)
			for _, title := range []string{"Alpha", g, "delta", "epsilon"} {
				wanted := strings.Contains(strings.Join(tt.want, "\n"), title)
				if key := f.byTitle(title); key.Revoked != wanted || wanted && key.RevokedBy != "apk_admin" {
					t.Errorf("%s: revoked is %t by %q", title, key.Revoked, key.RevokedBy)
				}
			}
			f.do("POST", target, `{`+tt.filter+`}`).is(t, 200, ids(f, false))
		})
	}
	t.Run("later, which puts no end off", func(t *testing.T) {
		f := stock(t, admin.Options{}) // delta ends a day after it was made
		f.do("POST", target, `{"type":"secret","revoke_in":172800}`).is(t, 200, ids(f, false, "epsilon"))
		f.do("POST", target, `{"type":"secret","revoke_in":60}`).is(t, 200, ids(f, false, "delta", "epsilon"))
		if at := f.byTitle("delta").RevokedAt.Time(); !at.Equal(f.clock().Add(time.Minute)) {
			t.Errorf("delta ends at %s", at)
		}
	})
	t.Run("by a key that ends, and by one that revokes itself as well", func(t *testing.T) {
		f := stock(t, admin.Options{})
		asking := f.made(store.NewKey{Type: store.Secret, Title: "asking", Scopes: []string{"keys:read", "keys:write"}, ExpiresAt: f.clock().Add(time.Hour)}).Key
		f.send(asking, "POST", target, `{"type":"secret","revoke_in":86000}`).is(t, 200, ids(f, false, "delta", "epsilon", "asking"))
	})
	t.Run("more than so many", func(t *testing.T) {
		f := open(t, admin.Options{})
		in := make([]store.NewKey, store.MaxRevoke)
		for i := range in {
			in[i] = store.NewKey{Type: store.Secret}
		}
		if _, err := f.keys.CreateMany(t.Context(), in); err != nil {
			t.Fatal(err)
		}
		last := f.secret("last")
		f.do("POST", target, `{"type":"secret"}`).is(t, 400, `{"type":"invalid_data","message":"More than 1000 keys would be revoked: narrow the filter, or name them by their ids, so many at a time"}`)
		dry := f.do("POST", target, `{"type":"secret","dry_run":true}`)
		dry.isLike(t, 200, `],"count":1001,"dry_run":true}`)
		list, _, _ := strings.Cut(strings.TrimPrefix(dry.body, `{"ids":`), `,"count"`)
		f.do("POST", target, `{"id":`+list+`}`).isLike(t, 200, `],"count":1000,"dry_run":false}`)
		f.do("POST", target, `{"type":"secret"}`).is(t, 200, `{"ids":["`+last.ID+`"],"count":1,"dry_run":false}`)
	})
	const everything = `A filter is required, such as 'type' or 'created_by': this one leaves out no key`
	for body, want := range map[string]string{
		``:                                   everything,
		`{}`:                                 everything,
		`{"dry_run":true,"revoke_in":1}`:     everything,
		`{"q":" \t"}`:                        `Field 'q' holds no word`,
		`{"q":"","type":"secret"}`:           `Field 'q' holds no word`,
		`{"created_at":{}}`:                  everything,
		`{"deleted_at":null}`:                everything,
		`{"$and":[]}`:                        everything,
		`{"$and":[{},{"created_at":{}}]}`:    everything,
		`{"$or":[{"type":"secret"},{}]}`:     everything,
		`{"type":null}`:                      `Expected: 'publishable, secret' for field 'type', but got: 'null'`,
		`{"id":null,"dry_run":"true"}`:       `Expected type: 'string, array' for field 'id', got: 'null'; Expected type: 'boolean' for field 'dry_run', got: 'true'`,
		`{"created_at":1}`:                   `Expected type: 'string, array' for field 'created_at', got: '1'`,
		`{"created_at":{"$gt":["a"]}}`:       `Expected type: 'string' for field 'created_at, $gt', got: 'a'`,
		`{"last_used_at":"ages ago"}`:        `Expected type: 'date' for field 'last_used_at', got: 'ages ago'`,
		`{"$or":[{"q":"x"}]}`:                `Unrecognized fields: 'q'`,
		`{"typ":"secret"}`:                   `Unrecognized fields: 'typ'`,
		`{"created_by":["a",1],"limit":10}`:  `Field 'created_by, 1' is required; Unrecognized fields: 'limit'`,
		`{"type":"secret","revoke_in":1e13}`: `Value for field 'revoke_in' too big, expected at most: '253402300799'`,
		`[]`:                                 `Field '' is required`,
	} {
		t.Run("refused: "+body, func(t *testing.T) {
			f := stock(t, admin.Options{})
			f.do("POST", target, body).is(t, 400, invalid(want))
			if f.byTitle("epsilon").Revoked {
				t.Error("keys were revoked all the same")
			}
		})
	}
}
