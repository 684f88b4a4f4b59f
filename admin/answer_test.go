package admin_test

import (
	"context"
	"encoding/json"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/latchkey-go/latchkey/admin"
	"github.com/latchkey-go/latchkey/store"
)

// maxAnswer is the bound of an answer that the documentation names.
const maxAnswer = 8 << 20

const tooLong = `{"type":"invalid_data","message":"Invalid request: The answer would be longer than 8388608 bytes: narrow the limit, the filter or the fields"}`

// insert puts records past the verbs: what they hold is what old and imported keys may.
func (f *fixture) insert(n int, fill func(i int, k *store.Key)) {
	f.t.Helper()
	_, err := f.rows.Change(f.t.Context(), store.Actor{}, func(tx store.Tx) error {
		for i := range n {
			r := &store.Record{Key: store.Key{
				ID: fmt.Sprintf("apk_01M82NJBTYECRRGD8R7R%06d", i), Type: store.Publishable, Title: fmt.Sprintf("Storefront %d, the old one", i),
				Token: fmt.Sprintf("pk_%049d", i), Redacted: "pk_000***001", CreatedBy: "user_01M82NJBTYECRRGD8R7R7012W4", CreatedAt: store.TimeOf(begin),
				UpdatedAt: store.TimeOf(begin), LastUsedAt: store.TimeOf(begin), Version: 1,
			}}
			fill(i, &r.Key)
			if err := tx.InsertQuietly(f.t.Context(), r); err != nil {
				return err
			}
		}
		return tx.Append(f.t.Context(), nil, store.Event{Kind: store.Imported, At: begin})
	})
	if err != nil {
		f.t.Fatal(err)
	}
}

// rawly returns a fixture whose answers are not held to openapi.json, which would cost more than
// they.
func rawly(t *testing.T, c admin.Options) *fixture {
	t.Helper()
	f := open(t, c)
	api := admin.New(f.keys, c)
	f.api = api
	return f
}

// fatShop is a shop whose channels say much.
type fatShop struct{ asked, most int }

func (s *fatShop) ByID(_ context.Context, ids []string) ([]admin.SalesChannel, error) {
	s.asked += len(ids)
	s.most = max(s.most, len(ids))
	list := make([]admin.SalesChannel, len(ids))
	for i, id := range ids {
		list[i] = admin.SalesChannel{ID: id, Name: id, Description: strings.Repeat("d", 20_000), Metadata: json.RawMessage(`{"a":"` + strings.Repeat("m", 20_000) + `"}`)}
	}
	return list, nil
}

// unread is a store that notes the bounds that it is asked with.
type unread struct {
	store.Store
	bounds []int
}

func (u *unread) List(ctx context.Context, q store.Query) ([]*store.Record, error) {
	u.bounds = append(u.bounds, q.MaxBytes)
	return u.Store.List(ctx, q)
}

func (u *unread) Events(ctx context.Context, q store.EventQuery) ([]store.Event, error) {
	if q.Limit != 1 {
		u.bounds = append(u.bounds, q.MaxBytes)
	}
	return u.Store.Events(ctx, q)
}

func TestRequirement35AnErrorRepeatsLittleOfARequest(t *testing.T) {
	f := rawly(t, admin.Options{})
	long := strings.Repeat("ä", 50_000)
	for target, body := range map[string]string{
		"GET /api-keys?order=" + long: "", "GET /api-keys?" + long + "=x": "", "POST /api-keys": `{"title":1,"type":"` + long + `"}`,
		"POST /api-keys/" + long: `{"title":"b","` + long + `":1}`,
	} {
		method, path, _ := strings.Cut(target, " ")
		if got := f.do(method, path, body); got.status != 400 && got.status != 200 || len(got.body) > 9000 || !utf8.ValidString(got.body) {
			t.Errorf("%.40s was answered %d with %d bytes", target, got.status, len(got.body))
		}
	}
}

func TestRequirement35AnAnswerHasABoundInBytesMore(t *testing.T) {
	t.Run("a page of 10 000 ordinary keys is shown", func(t *testing.T) {
		f := rawly(t, admin.Options{SalesChannels: everyChannel{}})
		f.insert(10_000, func(i int, k *store.Key) {
			k.SalesChannelIDs = []string{"sc_01M82NJBTYECRRGD8R7R7012W4", "sc_01M82NJBTYECRRGD8R7R7012W5"}
			k.Scopes, k.Metadata = []string{"orders:read", "products:read"}, map[string]string{"team": "web", "ticket": "SHOP-1234"}
		})
		for _, fields := range []string{"", "&fields=%2Bscopes,%2Bmetadata,%2Bexpires_at"} {
			got := f.do("GET", "/api-keys?limit=10000"+fields, "")
			if got.status != 200 || strings.Count(got.body, `"redacted"`) != 10_000 {
				t.Fatalf("answered %d, %.300s", got.status, got.body)
			}
			t.Logf("%d bytes a key", len(got.body)/10_000)
		}
	})
	t.Run("long keys are refused before they are shown, and a narrower limit is answered", func(t *testing.T) {
		f := rawly(t, admin.Options{})
		f.insert(500, func(i int, k *store.Key) { k.Title = strings.Repeat("x", 100<<10) })
		for _, target := range []string{"/api-keys?limit=500", "/api-keys/report?limit=500", "/api-keys?limit=500&fields=id"} {
			var before, after runtime.MemStats
			f.do("GET", target, "").is(t, 400, tooLong)
			runtime.ReadMemStats(&before)
			f.do("GET", target, "")
			runtime.ReadMemStats(&after)
			if n := after.TotalAlloc - before.TotalAlloc; n > 4*maxAnswer {
				t.Errorf("%s: %d bytes were allocated", target, n)
			}
		}
		if got := f.do("GET", "/api-keys?limit=50", ""); got.status != 200 || len(got.body) < 50*100<<10 {
			t.Errorf("answered %d, %d bytes", got.status, len(got.body))
		}
	})
	t.Run("events", func(t *testing.T) {
		f := rawly(t, admin.Options{})
		shop := f.publishable("shop")
		_, err := f.rows.Change(t.Context(), store.Actor{}, func(tx store.Tx) error {
			for range 200 {
				e := store.Event{Kind: store.Updated, At: begin, Details: map[string]string{"sales_channels": strings.Repeat("x", 100<<10)}}
				if err := tx.Append(t.Context(), &store.Record{Key: *shop}, e); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		f.do("GET", "/api-keys/"+shop.ID+"/events?limit=200", "").is(t, 400, tooLong)
		if got := f.do("GET", "/api-keys/"+shop.ID+"/events?limit=50", ""); got.status != 200 {
			t.Errorf("answered %d %.300s", got.status, got.body)
		}
	})
	t.Run("what the shop says of the channels counts, also of one key", func(t *testing.T) {
		shop := &fatShop{}
		f := rawly(t, admin.Options{SalesChannels: shop})
		f.insert(3, func(i int, k *store.Key) {
			for n := range 1000 {
				k.SalesChannelIDs = append(k.SalesChannelIDs, fmt.Sprintf("sc_%d_%d", i, n))
			}
		})
		f.do("GET", "/api-keys?fields=*sales_channels", "").is(t, 400, tooLong)
		if shop.asked > 1000 || shop.most > 1000 {
			t.Errorf("the shop was asked for %d channels, %d at once", shop.asked, shop.most)
		}
		f.do("GET", "/api-keys/apk_01M82NJBTYECRRGD8R7R000000?fields=*sales_channels", "").is(t, 400, tooLong)
		if got := f.do("GET", "/api-keys?fields=id,sales_channels.id", ""); got.status != 200 {
			t.Errorf("answered %d %.300s", got.status, got.body)
		}
	})
	t.Run("one channel of many keys counts each time", func(t *testing.T) {
		f := rawly(t, admin.Options{SalesChannels: &fatShop{}})
		f.insert(1000, func(i int, k *store.Key) { k.SalesChannelIDs = []string{"sc_web"} })
		f.do("GET", "/api-keys?limit=1000&fields=*sales_channels", "").is(t, 400, tooLong)
	})
	t.Run("every list is read with the bound", func(t *testing.T) {
		rows := &unread{Store: store.NewMemory()}
		f := openOver(t, admin.Options{}, rows)
		shop := f.publishable("shop")
		for _, target := range []string{"/api-keys", "/api-keys/report", "/api-keys/" + shop.ID + "/events"} {
			f.do("GET", target, "")
		}
		f.do("POST", "/api-keys/revoke", `{"title":"none","dry_run":true}`)
		for _, bound := range rows.bounds {
			if bound <= 0 || bound > 64<<20 {
				t.Errorf("a list was read with the bound %d", bound)
			}
		}
		if len(rows.bounds) != 7 { // the report is four lists
			t.Errorf("%d lists were read", len(rows.bounds))
		}
	})
}

// A new title is short; one that was imported stays.
func TestRequirement26TitlesAreBounded(t *testing.T) {
	f := open(t, admin.Options{})
	long := strings.Repeat("x", 1025)
	if got := f.do("POST", "/api-keys", `{"title":"`+long[1:]+`","type":"secret"}`); got.status != 200 {
		t.Errorf("1024 bytes: %d %.200s", got.status, got.body)
	}
	want := `{"type":"invalid_data","message":"Field 'title' is 1025 bytes long, at most 1024 are allowed"}`
	f.do("POST", "/api-keys", `{"title":"`+long+`","type":"secret"}`).is(t, 400, want)
	key := f.secret("before")
	f.do("POST", "/api-keys/"+key.ID, `{"title":"`+long+`"}`).is(t, 400, want)
}
