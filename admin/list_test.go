package admin_test

import (
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/latchkey-go/latchkey/admin"
	"github.com/latchkey-go/latchkey/store"
)

// stock fills a store: Alpha, beta, Gamma_50% publishable, delta, epsilon secret; one minute apart;
// beta revoked, delta to be revoked.
func stock(t *testing.T, c admin.Options) *fixture {
	t.Helper()
	f := open(t, c)
	for _, k := range []store.NewKey{
		{Type: store.Publishable, Title: "Alpha"}, {Type: store.Publishable, Title: "beta"}, {Type: store.Publishable, Title: "Gamma_50% x"},
		{Type: store.Secret, Title: "delta"}, {Type: store.Secret, Title: "epsilon"},
	} {
		made := f.made(k)
		switch k.Title {
		case "beta":
			if _, err := f.keys.Revoke(t.Context(), made.Key.ID); err != nil {
				t.Fatal(err)
			}
		case "delta":
			if _, err := f.keys.RevokeAt(t.Context(), made.Key.ID, f.keys.Now().Add(24*time.Hour)); err != nil {
				t.Fatal(err)
			}
		}
		f.pass(time.Minute)
	}
	return f
}

// byTitle returns a key of the stock.
func (f *fixture) byTitle(title string) *store.Key {
	f.t.Helper()
	found, err := f.keys.List(f.t.Context(), store.Query{Filter: store.Filter{Titles: []string{title}}})
	if err != nil || len(found) != 1 {
		f.t.Fatalf("%d keys are called %q, %v", len(found), title, err)
	}
	return found[0]
}

// titles is the body of a list with fields=title; ids are cut out.
func titles(count int, offset, limit string, titles ...string) string {
	var b strings.Builder
	for i, title := range titles {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `{"title":"%s"}`, title)
	}
	return fmt.Sprintf(`{"api_keys":[%s],"count":%d,"offset":%s,"limit":%s}`, b.String(), count, offset, limit)
}

// listed asks for the list with the given query and answers with the ids cut out.
func (f *fixture) listed(query string) answer {
	f.t.Helper()
	got := f.do("GET", "/api-keys?fields=title&"+query, "")
	for _, part := range strings.Split(got.body, `,"id":"`)[1:] {
		id, _, _ := strings.Cut(part, `"`)
		got.body = strings.Replace(got.body, `,"id":"`+id+`"`, "", 1)
	}
	return got
}

func TestList(t *testing.T) {
	t.Run("by default in the order of creation, 20 a page, in full", func(t *testing.T) {
		f := open(t, admin.Options{})
		shop, erp := f.publishable("shop"), f.secret("ERP")
		f.do("GET", "/api-keys", "").is(t, 200, `{"api_keys":[`+fill(plainShop, shop)+`,`+fill(plainSecret, erp)+`],"count":2,"offset":0,"limit":20}`)
	})
	t.Run("without keys", func(t *testing.T) {
		open(t, admin.Options{}).do("GET", "/api-keys", "").is(t, 200, `{"api_keys":[],"count":0,"offset":0,"limit":20}`)
	})
}

func TestPagingFollowsParseInt(t *testing.T) {
	f := stock(t, admin.Options{})
	all := []string{"Alpha", "beta", "Gamma_50% x", "delta", "epsilon"}
	for _, tt := range []struct {
		query, offset, limit string
		want                 []string
	}{
		{"limit=2", "0", "2", all[:2]},
		{"limit=2&offset=4", "4", "2", all[4:]},
		{"offset=5", "5", "20", nil},
		{"limit=1.9", "0", "1", all[:1]},
		{"limit=2abc", "0", "2", all[:2]},
		{"limit=1e3", "0", "1", all[:1]},
		{"limit=0x3", "0", "3", all[:3]},
		{"limit=+2", "0", "2", all[:2]},
		{"limit=%2B2", "0", "2", all[:2]},
		{"limit=0", "0", "0", nil},
		{"limit=-0", "0", "0", nil},
		{"limit=9007199254740991", "0", "9007199254740991", all},
		{"limit=9007199254740993", "0", "9007199254740992", all},
		{"limit=1000000000000000000000", "0", "1e+21", all},
		{"offset=9007199254740991", "9007199254740991", "20", nil},
		{"offset=9007199254740993", "9007199254740992", "20", all},
	} {
		t.Run(tt.query, func(t *testing.T) {
			f.listed(tt.query).is(t, 200, titles(5, tt.offset, tt.limit, tt.want...))
		})
	}
	for query, want := range map[string]string{
		"limit=abc":                         `Expected type: 'number' for field 'limit', got: 'abc'`,
		"limit=":                            `Expected type: 'number' for field 'limit', got: ''`,
		"limit=Infinity":                    `Expected type: 'number' for field 'limit', got: 'Infinity'`,
		"limit=NaN":                         `Expected type: 'number' for field 'limit', got: 'NaN'`,
		"limit=1&limit=2":                   `Expected type: 'number' for field 'limit', got: '1,2'`,
		"limit[a]=1":                        `Expected type: 'number' for field 'limit', got: '[object Object]'`,
		"limit=-1":                          `Value for field 'limit' too small, expected at least: '0'`,
		"offset=-9":                         `Value for field 'offset' too small, expected at least: '0'`,
		"limit=x&offset=y":                  `Expected type: 'number' for field 'offset', got: 'y'; Expected type: 'number' for field 'limit', got: 'x'`,
		"q[]=a&q[]=b":                       `Expected type: 'string' for field 'q', got: 'a,b'`,
		"id[$ne]=x":                         `Expected type: 'string, array' for field 'id', got: '[object Object]'`,
		"type[]=secret":                     `Expected: 'publishable, secret' for field 'type', but got: 'secret'`,
		"type=foo":                          `Expected: 'publishable, secret' for field 'type', but got: 'foo'`,
		"order[]=a&order[]=b":               `Expected type: 'string' for field 'order', got: 'a,b'`,
		"order=foo":                         `Order field foo is not valid`,
		"order=":                            `Order field  is not valid`,
		"order=title,id":                    `Order field title,id is not valid`,
		"order=%2Btitle":                    `Order field +title is not valid`,
		"order=--title":                     `Order field -title is not valid`,
		"with_deleted=1":                    `Expected type: 'boolean' for field 'with_deleted', got: '1'`,
		"created_by=x&expand=y&redacted":    `Unrecognized fields: 'created_by, expand, redacted'`,
		"q=%00":                             `Field 'q' contains a NUL character`,
		"title[]=a&title[]=%00":             `Field 'title, 1' contains a NUL character`,
		"title=\xff":                        `Field 'title' is not valid UTF-8`,
		"title[0][a]=x":                     `Field 'title, 0' is required`,
		"title.x=1":                         `Expected type: 'string, array' for field 'title', got: '[object Object]'`,
		"foo.bar=1":                         `Unrecognized fields: 'foo'`,
		"2=x&a=y&1=z":                       `Unrecognized fields: '1, 2, a'`,
		"title.b=c&title=a":                 `Field 'title' is given in two ways`,
		"title=a&title.b=c":                 `Field 'title' is given in two ways`,
		strings.Repeat("id=a&", 1000):       `too many parameters`,
		"id[]=" + strings.Repeat(",", 1000): `Field 'id' holds too many values, at most 1000 are allowed`,
	} {
		t.Run("refused: "+query[:min(len(query), 40)], func(t *testing.T) {
			f.listed(query).is(t, 400, invalid(want))
		})
	}
	t.Run("fields twice", func(t *testing.T) {
		f.do("GET", "/api-keys?fields=id&fields=title", "").is(t, 400, invalid(`Expected type: 'string' for field 'fields', got: 'id,title'`))
		f.do("GET", "/api-keys?fields[]=id,title", "").is(t, 400, invalid(`Expected type: 'string' for field 'fields', got: 'id,title'`))
	})
	t.Run("a page that would be too great is refused, whatever the limit, and one that fits is not", func(t *testing.T) {
		f := stock(t, admin.Options{MaxPage: 4})
		tooGreat := invalid(`Value for field 'limit' too big, expected at most: '4'`)
		f.listed("limit=5").is(t, 400, tooGreat)
		f.listed("limit=9007199254740993").is(t, 400, tooGreat)
		f.listed("").is(t, 400, tooGreat)
		f.listed("limit=4").is(t, 200, titles(5, "0", "4", all[:4]...))
		f.listed("limit=99&offset=1").is(t, 200, titles(5, "1", "99", all[1:]...))
	})
}

func TestFilters(t *testing.T) {
	f := stock(t, admin.Options{})
	alpha, beta, delta := f.byTitle("Alpha"), f.byTitle("beta"), f.byTitle("delta")
	const g = "Gamma_50% x"
	at := func(minutes int) string {
		return url.QueryEscape(begin.Add(time.Duration(minutes) * time.Minute).Format(time.RFC3339Nano))
	}
	for _, tt := range []struct {
		query string
		want  []string
	}{
		{"q=", []string{"Alpha", "beta", g, "delta", "epsilon"}},
		{"q=ALPHA", []string{"Alpha"}},
		{"q=ta", []string{"beta", "delta"}},
		{"q=x+gamma", []string{g}},
		{"q=gamma+alpha", nil},
		{"q=%25", []string{g}}, // a wildcard in Medusa
		{"q=_", []string{"Alpha", "beta", g, "delta", "epsilon"}},
		{"q=a_5", []string{g}},
		{"q=%5C", nil},
		{"q=" + url.QueryEscape(alpha.Redacted), []string{"Alpha"}},
		{"q=" + alpha.ID, nil},
		{"q=secret", nil},

		{"id=" + alpha.ID, []string{"Alpha"}},
		{"id=" + alpha.ID + "," + beta.ID, nil},
		{"id[]=" + alpha.ID + "," + beta.ID, []string{"Alpha", "beta"}},
		{"id[]=" + alpha.ID + "&id[]=" + beta.ID, []string{"Alpha", "beta"}},
		{"id[0]=" + alpha.ID, []string{"Alpha"}},
		{"id=" + alpha.ID + "&id=" + beta.ID, []string{"Alpha", "beta"}},
		{"id%5B%5D=" + alpha.ID, []string{"Alpha"}},
		{"id[]=" + alpha.ID + "," + beta.ID + "&id[]=x", nil},
		{"id=", nil},
		{"title=beta", []string{"beta"}},
		{"title=Beta", nil},
		{"title[]=beta,delta", []string{"beta", "delta"}},
		{"token=" + alpha.Token, []string{"Alpha"}},
		{"token=" + delta.Redacted, nil},
		{"type=secret", []string{"delta", "epsilon"}},
		{"type=secret&title=beta", nil},
		{"with_deleted=true", []string{"Alpha", "beta", g, "delta", "epsilon"}},
		{"with_deleted=false&q=beta", []string{"beta"}},

		{"created_at=" + at(1), []string{"beta"}},
		{"created_at[]=" + at(1) + "," + at(2), []string{"beta", g}},
		{"created_at[]=" + at(1) + "&created_at[]=" + at(2), []string{"beta", g}},
		{"created_at[$eq]=" + at(1), []string{"beta"}},
		{"created_at[$eq][]=" + at(1) + "&created_at[$eq][]=" + at(3), []string{"beta", "delta"}},
		{"created_at[$ne]=" + at(1), []string{"Alpha", g, "delta", "epsilon"}},
		{"created_at[$ne][]=" + at(1) + "&created_at[$ne][]=" + at(0), []string{g, "delta", "epsilon"}},
		{"created_at[$in][]=" + at(1) + "&created_at[$in][]=" + at(4), []string{"beta", "epsilon"}},
		{"created_at[$nin][]=" + at(1) + "&created_at[$nin][]=" + at(4), []string{"Alpha", g, "delta"}},
		{"created_at[$gt]=" + at(3), []string{"epsilon"}},
		{"created_at[$gte]=" + at(3), []string{"delta", "epsilon"}},
		{"created_at[$lt]=" + at(1), []string{"Alpha"}},
		{"created_at[$lte]=" + at(1), []string{"Alpha", "beta"}},
		{"created_at[$gt]=" + at(0) + "&created_at[$lt]=" + at(2), []string{"beta"}},
		{"created_at.$gt=" + at(0) + "&created_at.$lt=" + at(2), []string{"beta"}},
		{"created_at[$gt]=" + at(0) + "&created_at.$lt=" + at(2), []string{"beta"}},
		{"created_at[$gt]=2026-03-04", []string{"Alpha", "beta", g, "delta", "epsilon"}},
		{"created_at[$lt]=infinity", []string{"Alpha", "beta", g, "delta", "epsilon"}},
		{"created_at[$lt]=-infinity", nil},
		{"updated_at[$gt]=" + at(3), []string{"epsilon"}},
		{"deleted_at=null", []string{"Alpha", "beta", g, "delta", "epsilon"}},
		{"deleted_at[$gt]=2020-01-01", nil},
		{"revoked_at=null", []string{"Alpha", g, "epsilon"}},
		{"revoked_at[$eq]=null", []string{"Alpha", g, "epsilon"}},
		{"revoked_at[$ne]=null", []string{"beta", "delta"}},
		{"revoked_at[$in][]=null", nil},
		{"revoked_at[$in][]=null&revoked_at[$in][]=" + at(1), []string{"beta"}},
		{"revoked_at[$nin][]=null&revoked_at[$nin][]=" + at(1), nil},
		{"revoked_at[$gt]=null", nil},
		{"revoked_at[$ne]=" + at(1), []string{"delta"}},
		{"revoked_at[$nin][]=" + at(0), []string{"beta", "delta"}},
		{"revoked_at[$lte]=" + at(1), []string{"beta"}},

		{"$or[0][title]=Alpha&$or[1][type]=secret", []string{"Alpha", "delta", "epsilon"}},
		{"$or[0][title]=Alpha&$or[1][type]=secret&title=delta", []string{"delta"}},
		{"$and[0][type]=secret&$and[1][title]=delta", []string{"delta"}},
		{"$and[][type]=secret", []string{"delta", "epsilon"}},
		{"$or[0][title][]=Alpha&$or[0][title][]=beta", []string{"Alpha", "beta"}},
		{"$or[0][created_at][$in][0]=" + at(1) + "&$or[1][revoked_at]=null", []string{"Alpha", "beta", g, "epsilon"}},
		{"$or[0][title][]=Alpha,beta", nil}, // Medusa splits at the top alone
	} {
		t.Run(tt.query, func(t *testing.T) {
			f.listed(tt.query).is(t, 200, titles(len(tt.want), "0", "20", tt.want...))
		})
	}
	t.Run("by when they expire, which Medusa has no filter for", func(t *testing.T) {
		f.made(store.NewKey{Type: store.Secret, Title: "zeta", ExpiresAt: begin.Add(48 * time.Hour)})
		f.listed("expires_at[$gt]="+at(0)+"&expires_at[$lte]="+at(48*60)).is(t, 200, titles(1, "0", "20", "zeta"))
		f.listed("expires_at=null&type=secret").is(t, 200, titles(2, "0", "20", "delta", "epsilon"))
		f.listed("$or[0][revoked_at]=null&$or[0][expires_at][$gt]="+at(0)+"&$or[1][revoked_at][$gt]="+at(9)+"&$or[1][expires_at]=null").is(t, 200, titles(2, "0", "20", "delta", "zeta"))
		f.listed("expires_at=soon").is(t, 400, invalid(`Expected type: 'date' for field 'expires_at', got: 'soon'`))
	})
	for query, want := range map[string]string{
		"created_at=bad":                         `Expected type: 'date' for field 'created_at', got: 'bad'`,
		"created_at=":                            `Expected type: 'date' for field 'created_at', got: ''`,
		"created_at=0":                           `Expected type: 'date' for field 'created_at', got: '0'`,
		"created_at=1772600767000":               `Expected type: 'date' for field 'created_at', got: '1772600767000'`,
		"created_at[$gt]=bad":                    `Expected type: 'date' for field 'created_at, $gt', got: 'bad'`,
		"created_at[]=2020-01-01&created_at[]=x": `Expected type: 'date' for field 'created_at, 1', got: 'x'`,
		"created_at[$in]=x":                      `Expected type: 'array' for field 'created_at, $in', got: 'x'`,
		"created_at[$in][a]=x":                   `Expected type: 'array' for field 'created_at, $in', got: '[object Object]'`,
		"created_at[$in][][a]=x":                 `Field 'created_at, $in, 0' is required`,
		"created_at[$gt][]=x":                    `Expected type: 'string' for field 'created_at, $gt', got: 'x'`,
		"created_at[$eq][a]=x":                   `Expected type: 'string, array' for field 'created_at, $eq', got: '[object Object]'`,
		"revoked_at[gt]=2020-01-01":              `Unrecognized fields: 'gt'`,
		"revoked_at[$foo]=x&revoked_at[$like]=y": `Unrecognized fields: '$foo, $like'`,
		"revoked_at=null&revoked_at[$gt]=x":      `Field 'revoked_at, 1' is required`,
		"$or=x":                                  `Expected type: 'array' for field '$or', got: 'x'`,
		"$or[a]=x":                               `Expected type: 'array' for field '$or', got: '[object Object]'`,
		"$or[]=x":                                `Field '$or, 0' is required`,
		"$or[0][type]=foo":                       `Field '$or, 0, type' is required`,
		"$and[0][id][a]=x":                       `Field '$and, 0, id' is required`,
		"$or[0][created_at]=bad":                 `Field '$or, 0, created_at' is required`,
		"$or[0][q]=x":                            `Unrecognized fields: 'q'`,
		"$or[0][limit]=1":                        `Unrecognized fields: 'limit'`,
		"$or[0][$or][0][id]=x":                   `Unrecognized fields: '$or'`,
		"$or[0][title][a][b][c][d]=x":            `Field '$or, 0, title' is required`,
	} {
		t.Run("refused: "+query, func(t *testing.T) {
			f.listed(query).is(t, 400, invalid(want))
		})
	}
	t.Run("refused: deep accessors", func(t *testing.T) {
		f.listed("a.b.c=1").is(t, 400, `{"type":"invalid_data","message":"Key accessor more than 2 levels deep: a.b.c"}`)
	})
}

func TestOrder(t *testing.T) {
	f := stock(t, admin.Options{})
	const a, b, g, d, e = "Alpha", "beta", "Gamma_50% x", "delta", "epsilon"
	for order, want := range map[string][]string{
		"id": {a, b, g, d, e}, "-id": {e, d, g, b, a}, "created_at": {a, b, g, d, e}, "-created_at": {e, d, g, b, a},
		"title": {a, g, b, d, e}, "-title": {e, d, b, g, a}, "updated_at": {a, b, g, d, e}, "-updated_at": {e, d, g, b, a},
		"type": {a, b, g, d, e}, "-type": {d, e, a, b, g},
		"revoked_at": {b, d, a, g, e}, "-revoked_at": {a, g, e, d, b}, // nulls last ascending, first descending
		"salt": {a, b, g, d, e}, "-deleted_at": {a, b, g, d, e}, "created_by": {a, b, g, d, e}, "last_used_at": {a, b, g, d, e},
	} {
		t.Run(order, func(t *testing.T) {
			f.listed("order="+order).is(t, 200, titles(5, "0", "20", want...))
		})
	}
	for _, order := range []string{"token", "-token", "redacted", "-redacted", "-created_by", "-last_used_at", "-salt", "deleted_at"} {
		t.Run(order+" is known", func(t *testing.T) {
			if got := f.listed("order=" + order); got.status != 200 {
				t.Errorf("answered %d %s", got.status, got.body)
			}
		})
	}
}

func TestFields(t *testing.T) {
	f := open(t, admin.Options{SalesChannels: &shops{}})
	key := f.made(store.NewKey{Type: store.Publishable, Title: "shop", SalesChannelIDs: []string{"sc_web"}}).Key
	const (
		withoutID   = `"title":"shop","token":"{token}","redacted":"{redacted}","type":"publishable","last_used_at":null,"updated_at":"2026-03-04T05:06:07.089Z","created_at":"2026-03-04T05:06:07.089Z","created_by":"user_1","revoked_at":null,"revoked_by":null`
		id          = `"id":"{id}"`
		channels    = `"sales_channels":[{"id":"sc_web","name":"Web"}]`
		full        = `"sales_channels":[{"id":"sc_web","name":"Web","description":"The site","is_disabled":false,"metadata":{"b":1,"a":"<"},"created_at":"2026-03-04T05:06:07.089Z","updated_at":"2026-03-04T05:06:08.089Z","deleted_at":null}]`
		defaults    = id + `,` + withoutID + `,` + channels
		withoutChan = id + `,` + withoutID
	)
	for _, tt := range []struct{ fields, want string }{
		{"id,title", id + `,"title":"shop"`},
		{"title,type,created_by", `"title":"shop","type":"publishable","created_by":"user_1",` + id},
		{"title,title", `"title":"shop",` + id},
		{"title,-id", `"title":"shop",` + id},
		{"title,%2Btype", `"title":"shop","type":"publishable",` + id},
		{"title,+type,-redacted", `"title":"shop","type":"publishable","redacted":"{redacted}",` + id},
		{"title,*sales_channels", `"title":"shop",` + id + `,` + full},
		{"-id", withoutID + `,` + id + `,` + channels},
		{"-title,-token,-redacted,-last_used_at,-updated_at,-created_at,-created_by,-revoked_at,-revoked_by", id + `,"type":"publishable",` + channels},
		{"-sales_channels", withoutChan},
		{"-sales_channels.name", withoutChan + `,"sales_channels":[{"id":"sc_web"}]`},
		{"-sales_channels.id,-sales_channels.name", withoutChan},
		{"-sales_channels.id", withoutChan + `,"sales_channels":[{"name":"Web","id":"sc_web"}]`},
		{"-sales_channels,%2Bsales_channels.name", withoutChan + `,"sales_channels":[{"name":"Web","id":"sc_web"}]`},
		{"*sales_channels", withoutChan + `,` + full},
		{"sales_channels.*", withoutChan + `,` + full},
		{"*sales_channels,-sales_channels", withoutChan},
		{"sales_channels", id},
		{"title,sales_channels", `"title":"shop",` + id},
		{"%2Bsales_channels", defaults},
		{"sales_channels.id", id + `,"sales_channels":[{"id":"sc_web"}]`},
		{"sales_channels.name,title", `"title":"shop",` + id + `,"sales_channels":[{"name":"Web","id":"sc_web"}]`},
		{"id,sales_channels.name", id + `,"sales_channels":[{"name":"Web","id":"sc_web"}]`},
		{"sales_channels.name,sales_channels.id", id + `,"sales_channels":[{"name":"Web","id":"sc_web"}]`},
		{"sales_channels.is_disabled,sales_channels.foo", id + `,"sales_channels":[{"is_disabled":false,"id":"sc_web"}]`},
		{"id,*sales_channels,sales_channels.name", id + `,` + full},
		{"%2Bsales_channels.name", defaults},
		{"%2Bsales_channels.id", defaults},
		{"%2Bsales_channels.is_disabled", withoutChan + `,"sales_channels":[{"id":"sc_web","name":"Web","is_disabled":false}]`},
		{"+sales_channels.is_disabled,+sales_channels.name", withoutChan + `,"sales_channels":[{"id":"sc_web","name":"Web","is_disabled":false}]`},
		{"%2Bdeleted_at", withoutChan + `,"deleted_at":null,` + channels},
		{"+deleted_at", withoutChan + `,"deleted_at":null,` + channels},
		{"+deleted_at,-id", withoutID + `,"deleted_at":null,` + id + `,` + channels},
		{"*sales_channels_link", withoutChan + `,` + channels + `,"sales_channels_link":[{"publishable_key_id":"{id}","sales_channel_id":"sc_web"}]`},
		{"sales_channels_link.sales_channel_id", id + `,"sales_channels_link":[{"sales_channel_id":"sc_web","publishable_key_id":"{id}"}]`},
		{"sales_channels_link.publishable_key_id", id + `,"sales_channels_link":[{"publishable_key_id":"{id}"}]`},
		{"sales_channels_link.*,id", id + `,"sales_channels_link":[{"publishable_key_id":"{id}","sales_channel_id":"sc_web"}]`},
		{"sales_channels_link.publishable_key_id,sales_channels.name", id + `,"sales_channels_link":[{"publishable_key_id":"{id}","sales_channel_id":"sc_web"}],"sales_channels":[{"name":"Web","id":"sc_web"}]`},
		{"%2Bsales_channels_link.publishable_key_id", withoutChan + `,` + channels + `,"sales_channels_link":[{"publishable_key_id":"{id}","sales_channel_id":"sc_web"}]`},
		{"sales_channels_link", id},
		{"sales_channels_link.id", id},
		{"", id},
		{",", id},
		{"foo,bar", id},
		{"%2Bfoo", defaults},
		{"-foo", defaults},
		{"*foo", defaults},
		{"*", defaults},
		{"foo.*", defaults},
		{"%2Bsales_channels.foo", defaults},
		{"%2B", defaults},
		{"-", defaults},
		{"salt", id},
		{"%2Bsalt", defaults},
		{"*title", defaults},
		{"%2Bscopes,%2Bversion", withoutChan + `,"scopes":null,"version":1,` + channels},
		{"expires_at,rolled_from", `"expires_at":null,"rolled_from":null,` + id},
	} {
		t.Run("fields="+tt.fields, func(t *testing.T) {
			f.do("GET", "/api-keys/"+key.ID+"?fields="+tt.fields, "").is(t, 200, fill(`{"api_key":{`+tt.want+`}}`, key))
			f.do("GET", "/api-keys?fields="+tt.fields, "").is(t, 200, fill(`{"api_keys":[{`+tt.want+`}],"count":1,"offset":0,"limit":20}`, key))
		})
	}
}
