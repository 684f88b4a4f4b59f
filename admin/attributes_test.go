package admin_test

import (
	"net/http/httptest"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/latchkey-go/latchkey/admin"
	"github.com/latchkey-go/latchkey/store"
	"github.com/latchkey-go/latchkey/store/storetest"
)

// wireName is the name in JSON of a field of a struct in package store: AllowedCIDRs is
// allowed_cidrs.
func wireName(field string) string {
	return strings.ToLower(regexp.MustCompile("([a-z])([A-Z])").ReplaceAllString(field, "${1}_$2"))
}

// fieldsOf returns the wire names of a struct's fields, without those that have a reason not to be
// on the wire.
func fieldsOf[T any](reasons map[string]string) (names []string) {
	for _, f := range reflect.VisibleFields(reflect.TypeFor[T]()) {
		if reasons[f.Name] == "" {
			names = append(names, wireName(f.Name))
		}
	}
	return names
}

// TestEveryAttributeIsInEveryPlace names the places where an attribute of a key was forgotten.
func TestEveryAttributeIsInEveryPlace(t *testing.T) {
	d := described()
	properties := func(schema string) (names []string) {
		for name := range d.Components.Schemas[schema].Value.Properties {
			names = append(names, name)
		}
		return names
	}
	body := func(pattern string) (names []string) {
		schema := d.operations()[pattern].RequestBody.Value.Content["application/json"].Schema.Value
		for name := range schema.Properties {
			names = append(names, name)
		}
		return names
	}
	var listed []string
	for _, p := range d.operations()["GET /api-keys"].Parameters {
		listed = append(listed, p.Value.Name)
	}
	var known, own, filters []string
	settable := []string{"title"} // Medusa's; its other one, type, cannot be changed
	for _, a := range admin.Attributes() {
		known = append(known, a.Name)
		if a.Own && a.Name != "version" { // the page shows the changes that it counts
			own = append(own, a.Name)
		}
		if a.Settable {
			settable = append(settable, a.Name)
		}
		if a.Filter {
			filters = append(filters, a.Name)
		}
	}
	text, err := os.ReadFile("ui/attributes.js")
	if err != nil {
		t.Fatal(err)
	}
	var onPage []string
	for _, row := range strings.Split(string(text), "\n\t{")[1:] { // each begins at one tab
		row, _, _ = strings.Cut(row, "\n];")
		name := regexp.MustCompile(`name: '(\w+)', own: true`).FindStringSubmatch(row)
		if name == nil {
			continue
		}
		onPage = append(onPage, name[1])
		if !strings.Contains(row, "show: ") {
			t.Errorf("%s has no show in admin/ui/attributes.js: the details of a key lack it", name[1])
		}
	}

	inKey := fieldsOf[store.Key](map[string]string{
		"LookupID":        "it finds the token's row and says nothing to people",
		"Revoked":         "revoked_at says it",
		"SalesChannelIDs": "the relations sales_channels and sales_channels_link show it",
	})
	inNew := fieldsOf[store.NewKey](map[string]string{
		"Type": "Medusa's; readNewKey reads it", "SalesChannelIDs": "they are linked by a route of Medusa's",
	})
	inFilter := fieldsOf[store.Filter](map[string]string{
		"Search": "q, which only title and redacted match, as in Medusa", "And": "$and", "Or": "$or",
	})
	for i, name := range inFilter {
		inFilter[i] = strings.TrimSuffix(name, "s") // IDs is id
	}
	with := func(list []string, more ...string) []string { return append(slices.Clone(list), more...) }
	for _, place := range []struct {
		name string
		has  []string
		of   string
		want []string
	}{
		{"the table in admin/attributes.go", known, "store.Key", with(inKey, "deleted_at")},
		{"what admin/attributes.go lets bodies set", settable, "store.NewKey", inNew},
		{"what admin/attributes.go lets bodies set", settable, "store.Patch", fieldsOf[store.Patch](nil)},
		{"openapi.json, schema ApiKey", properties("ApiKey"), "the table in admin/attributes.go",
			with(known, "sales_channels", "sales_channels_link")},
		{"openapi.json, the body of POST /api-keys", body("POST /api-keys"), "the table in admin/attributes.go",
			with(settable, "type")},
		{"openapi.json, the body of POST /api-keys/{id}", body("POST /api-keys/{id}"), "the table in admin/attributes.go", settable},
		{"openapi.json, schema KeyFilter", properties("KeyFilter"), "store.Filter", inFilter},
		{"openapi.json, schema Revocation", properties("Revocation"), "store.Filter",
			with(inFilter, "q", "$and", "$or", "revoke_in", "dry_run")},
		{"the table in admin/ui/attributes.js", onPage, "our own in admin/attributes.go", own},
	} {
		for _, name := range place.want {
			if !slices.Contains(place.has, name) {
				t.Errorf("%s is in %s and not in %s: add it", name, place.of, place.name)
			}
		}
		for _, name := range place.has {
			if !slices.Contains(place.want, name) {
				t.Errorf("%s is in %s and not in %s: add it, or give a reason in this test", name, place.name, place.of)
			}
		}
	}
	whole := &store.Key{}
	storetest.Fill(t, whole)
	cached := storetest.Cached(*whole)
	for _, a := range admin.Attributes() {
		if lost := !reflect.DeepEqual(a.Show(whole), a.Show(&cached)); lost != a.Uncached {
			t.Errorf("%s is uncached in admin/attributes.go: %t; lookups leave it out: %t", a.Name, a.Uncached, lost)
		}
	}
	for _, name := range filters {
		if !slices.Contains(listed, name) {
			t.Errorf("%s is a filter in admin/attributes.go and not in openapi.json, the query of GET /api-keys", name)
		}
	}
}

func TestDescription(t *testing.T) {
	const shown = "?fields=+description,-token"
	f := open(t, admin.Options{})
	f.do("POST", "/api-keys", `{"title":"plain","type":"secret"}`)
	f.do("POST", "/api-keys"+shown, `{"title":"null","type":"secret","description":null}`).isLike(t, 200, `"deleted_at":null,"description":null}}`)
	f.do("POST", "/api-keys"+shown, `{"title":"empty","type":"secret","description":""}`).isLike(t, 200, `"deleted_at":null,"description":null}}`)
	f.do("POST", "/api-keys", `{"title":"quiet","type":"secret","description":"of the shop"}`).isLike(t, 200, `"deleted_at":null}}`)
	f.do("POST", "/api-keys"+shown, `{"title":"told","type":"secret","description":"Runs at night.\nAsk <Ada>."}`).
		isLike(t, 200, `"deleted_at":null,"description":"Runs at night.\nAsk <Ada>."}}`)

	ids := map[string]string{}
	keys, err := f.keys.List(t.Context(), store.Query{})
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range keys {
		ids[k.Title] = k.ID
	}
	at := func(title string) string { return "/api-keys/" + ids[title] }
	t.Run("it is shown when it is asked for", func(t *testing.T) {
		if got := f.do("GET", at("quiet"), ""); got.status != 200 || strings.Contains(got.body, "description") {
			t.Errorf("without being asked it was answered %d %s", got.status, got.body)
		}
		f.do("GET", at("quiet")+"?fields=description,title", "").
			is(t, 200, `{"api_key":{"description":"of the shop","title":"quiet","id":"`+ids["quiet"]+`"}}`)
		f.do("GET", at("plain")+"?fields=+description", "").isLike(t, 200, `"description":null,"sales_channels":[]}}`)
	})
	t.Run("it is changed, and taken away with null or an empty text", func(t *testing.T) {
		made := f.secret("ERP")
		answer := func(description string) string {
			return `{"api_key":{"description":` + description + `,"id":"` + made.ID + `"}}`
		}
		target := "/api-keys/" + made.ID + "?fields=description"
		for _, none := range []string{"null", `""`} {
			f.do("POST", target, `{"description":"b"}`).is(t, 200, answer(`"b"`))
			f.do("POST", target, `{"title":"still"}`).is(t, 200, answer(`"b"`))
			f.do("POST", target, `{"description":`+none+`}`).is(t, 200, answer("null"))
		}
	})
	t.Run("what is wrong with it is told", func(t *testing.T) {
		for body, want := range map[string]string{
			`{"description":7}`:        invalid(`Expected type: 'string' for field 'description', got: '7'`),
			`{"description":["a"]}`:    invalid(`Expected type: 'string' for field 'description', got: 'a'`),
			`{"description":"\u0000"}`: invalid(`Field 'description' contains a NUL character`),
		} {
			f.do("POST", at("plain"), body).is(t, 400, want)
			f.do("POST", "/api-keys", `{"title":"a","type":"secret",`+body[1:]).is(t, 400, want)
		}
		token := f.made(store.NewKey{Type: store.Secret}).Token.Reveal()
		if got := f.do("POST", at("plain"), `{"description":"it is `+token+`"}`); got.status != 400 || strings.Contains(got.body, token) {
			t.Errorf("a token in it was answered %d %s", got.status, got.body)
		}
		f.do("POST", at("plain")+"?fields=id", `{"description":"`+strings.Repeat("ä", 512)+`"}`).isLike(t, 200, `}}`)
		f.do("POST", at("plain")+"?fields=id", `{"description":null}`).isLike(t, 200, `}}`)
	})
	t.Run("a filter finds it as a whole, and q does not find it", func(t *testing.T) {
		const nothing = `[],"count":0,"offset":0,"limit":20}`
		list := func(query string, titles ...string) {
			t.Helper()
			want := `{"api_keys":[`
			for i, title := range titles {
				if i > 0 {
					want += ","
				}
				want += `{"title":"` + title + `","id":"` + ids[title] + `"}`
			}
			got := f.do("GET", "/api-keys?fields=title&"+query, "")
			if got.status != 200 || !strings.HasPrefix(got.body, want+"]") {
				t.Errorf("%s was answered %d %s, want %s]", query, got.status, got.body, want)
			}
		}
		list("description=of+the+shop", "quiet")
		list("description[]=of+the+shop&description[]=x", "quiet")
		list("$or[0][description]=of+the+shop&$or[1][title]=plain", "plain", "quiet")
		list("title[]=plain&title[]=quiet&title[]=told&description=", "plain")
		f.do("GET", "/api-keys?description=shop", "").isLike(t, 200, nothing)
		f.do("GET", "/api-keys?q=shop", "").isLike(t, 200, nothing)
		f.do("POST", "/api-keys/revoke", `{"description":"of the shop","dry_run":true}`).
			is(t, 200, `{"ids":["`+ids["quiet"]+`"],"count":1,"dry_run":true}`)
		f.do("POST", "/api-keys/revoke", `{"description":null,"dry_run":true}`).
			is(t, 400, invalid(`Expected type: 'string, array' for field 'description', got: 'null'`))
	})
	t.Run("verify shows it, and the cache does not have it", func(t *testing.T) {
		made := f.made(store.NewKey{Type: store.Publishable, Description: "of the shop"})
		f.do("POST", "/api-keys/verify?fields=description", `{"token":"`+made.Token.Reveal()+`"}`).
			is(t, 200, `{"is_authenticated":true,"api_key":{"description":"of the shop","id":"`+made.Key.ID+`"}}`)
	})
	t.Run("a roll takes it over", func(t *testing.T) {
		f.do("POST", at("told")+"/roll"+shown, ``).isLike(t, 200, `"deleted_at":null,"description":"Runs at night.\nAsk <Ada>."}}`)
	})
	t.Run("a form sets it", func(t *testing.T) {
		r := httptest.NewRequest("POST", at("plain")+"?fields=description", strings.NewReader("description=of+the+form"))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		w := httptest.NewRecorder()
		f.api.ServeHTTP(w, r.WithContext(store.NewContext(r.Context(), f.admin)))
		if want := `{"api_key":{"description":"of the form","id":"` + ids["plain"] + `"}}`; w.Code != 200 || w.Body.String() != want {
			t.Errorf("answered %d %s, want %s", w.Code, w.Body, want)
		}
	})
}
