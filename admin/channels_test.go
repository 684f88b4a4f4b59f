package admin_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/latchkey-go/latchkey/admin"
	"github.com/latchkey-go/latchkey/store"
)

// shops is a shop with the channels sc_web and sc_pos. It notes what it is asked.
type shops struct {
	err   error
	asked [][]string
}

func (s *shops) ByID(_ context.Context, ids []string) ([]admin.SalesChannel, error) {
	s.asked = append(s.asked, slices.Clone(ids))
	var found []admin.SalesChannel
	for _, c := range []admin.SalesChannel{
		{ID: "sc_pos", Name: "Till", IsDisabled: true},
		{ID: "sc_web", Name: "Web", Description: "The site", Metadata: []byte(`{ "b": 1, "a": "<" }`), CreatedAt: begin, UpdatedAt: begin.Add(time.Second)},
	} {
		if slices.Contains(ids, c.ID) {
			found = append(found, c)
		}
	}
	return found, s.err
}

func TestLinkSalesChannels(t *testing.T) {
	const (
		route  = "/sales-channels?fields=sales_channels.id"
		linked = `{"api_key":{"id":"{id}","sales_channels":`
	)
	for _, tt := range []struct {
		name, before, body string
		status             int
		want               string
	}{
		{"nothing to do", ``, ``, 200, linked + `[]}}`},
		{"an empty object", ``, `{}`, 200, linked + `[]}}`},
		{"added", ``, `{"add":["sc_web","sc_pos"]}`, 200, linked + `[{"id":"sc_web"},{"id":"sc_pos"}]}}`},
		{"added already", `{"add":["sc_web"]}`, `{"add":["sc_web"]}`, 200, linked + `[{"id":"sc_web"}]}}`},
		{"removed", `{"add":["sc_web","sc_pos"]}`, `{"remove":["sc_web"]}`, 200, linked + `[{"id":"sc_pos"}]}}`},
		{"unknown and unlinked ones removed", `{"add":["sc_web"]}`, `{"remove":["sc_x","sc_pos"]}`, 200, linked + `[{"id":"sc_web"}]}}`},
		{"one in both lists is added", ``, `{"add":["sc_web"],"remove":["sc_web"]}`, 200, linked + `[{"id":"sc_web"}]}}`},
		{"unknown ones added, each told once, and nothing is changed", `{"add":["sc_web"]}`, `{"add":["b","sc_pos","a"],"remove":["sc_web"]}`, 400,
			`{"type":"invalid_data","message":"Sales channels with IDs b, a do not exist"}`},
		{"the same id twice", ``, `{"add":["sc_web","sc_web"]}`, 400, invalid(`Field 'add' names 'sc_web' twice`)},
		{"a wrong type", ``, `{"add":"sc_web"}`, 400, invalid(`Expected type: 'array' for field 'add', got: 'sc_web'`)},
		{"wrong types in the list are not the same id", ``, `{"add":["a",null,{}]}`, 400, invalid(`Field 'add, 1' is required; Field 'add, 2' is required`)},
		{"a wrong type in the list", ``, `{"add":[1],"remove":["a",null]}`, 400, invalid(`Field 'add, 0' is required; Field 'remove, 1' is required`)},
		{"other fields", ``, `{"set":[]}`, 400, invalid(`Unrecognized fields: 'set'`)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := open(t, admin.Options{SalesChannels: &shops{}})
			shop := f.publishable("shop")
			if tt.before != "" {
				f.do("POST", "/api-keys/"+shop.ID+route, tt.before)
			}
			before, err := f.keys.Get(t.Context(), shop.ID)
			if err != nil {
				t.Fatal(err)
			}
			f.do("POST", "/api-keys/"+shop.ID+route, tt.body).is(t, tt.status, fill(tt.want, shop))
			after, err := f.keys.Get(t.Context(), shop.ID)
			if err != nil || tt.status != 200 && !slices.Equal(after.SalesChannelIDs, before.SalesChannelIDs) {
				t.Errorf("channels went from %v to %v, %v", before.SalesChannelIDs, after.SalesChannelIDs, err)
			}
			if after.UpdatedAt != shop.UpdatedAt {
				t.Error("updated_at moved")
			}
		})
	}
	t.Run("a secret key is refused whatever the body says", func(t *testing.T) {
		f := open(t, admin.Options{SalesChannels: &shops{}})
		for _, body := range []string{``, `{"add":["unknown"]}`} {
			f.do("POST", "/api-keys/"+f.secret("ERP").ID+"/sales-channels", body).
				is(t, 400, `{"type":"invalid_data","message":"Sales channels can only be associated with publishable API keys"}`)
		}
	})
	t.Run("an unknown key", func(t *testing.T) {
		open(t, admin.Options{SalesChannels: &shops{}}).do("POST", "/api-keys/apk_x/sales-channels", `{"add":["unknown"]}`).
			is(t, 404, `{"type":"not_found","message":"API Key with id: apk_x was not found"}`)
	})
	t.Run("a revoked key can be linked", func(t *testing.T) {
		f := open(t, admin.Options{SalesChannels: &shops{}})
		shop := f.publishable("shop")
		f.do("POST", "/api-keys/"+shop.ID+"/revoke", ``)
		f.do("POST", "/api-keys/"+shop.ID+route, `{"add":["sc_web"]}`).is(t, 200, fill(linked+`[{"id":"sc_web"}]}}`, shop))
	})
}

func TestChannelsAreShownAsTheShopKnowsThem(t *testing.T) {
	channels := func(f *fixture, ids ...string) *store.Key {
		return f.made(store.NewKey{Type: store.Publishable, SalesChannelIDs: ids}).Key
	}
	t.Run("id and name by default, in the order they were linked", func(t *testing.T) {
		f := open(t, admin.Options{SalesChannels: &shops{}})
		f.do("GET", "/api-keys/"+channels(f, "sc_web", "sc_pos").ID+"?fields=sales_channels.id,sales_channels.name,-id", "").
			isLike(t, 200, `"sales_channels":[{"id":"sc_web","name":"Web"},{"id":"sc_pos","name":"Till"}]}}`)
	})
	t.Run("in full", func(t *testing.T) {
		f := open(t, admin.Options{SalesChannels: &shops{}})
		f.do("GET", "/api-keys/"+channels(f, "sc_web", "sc_pos").ID+"?fields=*sales_channels", "").
			isLike(t, 200, `"sales_channels":[{"id":"sc_web","name":"Web","description":"The site","is_disabled":false,"metadata":{"b":1,"a":"<"},"created_at":"2026-03-04T05:06:07.089Z","updated_at":"2026-03-04T05:06:08.089Z","deleted_at":null},`+
				`{"id":"sc_pos","name":"Till","description":null,"is_disabled":true,"metadata":null,"created_at":null,"updated_at":null,"deleted_at":null}]}}`)
	})
	t.Run("one that the shop does not know goes by its id", func(t *testing.T) {
		f := open(t, admin.Options{SalesChannels: &shops{}})
		f.do("GET", "/api-keys/"+channels(f, "sc_gone").ID, "").isLike(t, 200, `"sales_channels":[{"id":"sc_gone","name":"sc_gone"}]}}`)
	})
	t.Run("without a shop every channel goes by its id", func(t *testing.T) {
		var none *shops
		for _, c := range []admin.Options{{}, {SalesChannels: none}} {
			f := open(t, c)
			shop := channels(f)
			f.do("POST", "/api-keys/"+shop.ID+"/sales-channels", `{"add":["sc_any"]}`).isLike(t, 200, `"sales_channels":[{"id":"sc_any","name":"sc_any"}]}}`)
		}
	})
	t.Run("the shop is asked once for a page, each id once, and not for ids alone", func(t *testing.T) {
		s := &shops{}
		f := open(t, admin.Options{SalesChannels: s})
		channels(f, "sc_web", "sc_pos")
		channels(f, "sc_pos")
		f.secret("ERP")
		f.do("GET", "/api-keys?fields=sales_channels.id", "")
		f.do("GET", "/api-keys?fields=title", "")
		f.do("GET", "/api-keys?type=secret", "")
		f.do("GET", "/api-keys", "")
		if len(s.asked) != 1 || !slices.Equal(s.asked[0], []string{"sc_pos", "sc_web"}) {
			t.Errorf("the shop was asked for %v, want once for sc_pos and sc_web", s.asked)
		}
	})
	t.Run("a shop that fails is a 500, one that cannot be reached a 503", func(t *testing.T) {
		s := &shops{err: errors.New("boom")}
		f := open(t, admin.Options{SalesChannels: s, Logger: quiet})
		target := "/api-keys/" + channels(f, "sc_web").ID
		f.do("GET", target, "").is(t, 500, `{"code":"unknown_error","type":"unknown_error","message":"An unknown error occurred."}`)
		s.err = store.ErrUnavailable
		f.do("GET", target, "").is(t, 503, `{"type":"unavailable","message":"The service cannot answer now. Try again."}`)
		f.do("POST", target+"/sales-channels", `{"add":["sc_pos"]}`).is(t, 503, `{"type":"unavailable","message":"The service cannot answer now. Try again."}`)
	})
}
