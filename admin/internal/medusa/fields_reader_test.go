package medusa_test

import (
	"net/http"
	"testing"

	"github.com/latchkey-go/latchkey/admin/internal/medusa"
)

func TestFaultsAreReportedInMedusasWords(t *testing.T) {
	const (
		jsonType = "application/json"
		formType = "application/x-www-form-urlencoded"
	)
	type item struct {
		name, region string
		count        float64
		given        bool
	}
	schema := func(r *medusa.FieldsReader) (i item) {
		i.name = r.RequiredText("name")
		i.region, _ = r.Text("region")
		i.count, i.given = r.Number("count")
		return i
	}
	for _, tt := range []struct {
		name, contentType, body string
		faults                  string // "": none
	}{
		{"JSON", jsonType, `{"count":2,"region":"eu","name":"a"}`, ""},
		{"a form", formType, `name=a&region=eu`, ""},
		{"only what is required", jsonType, `{"name":""}`, ""},
		{"no body", jsonType, ``, `Field 'name' is required`},
		{"an array", jsonType, `["name"]`, `Field '' is required`},
		{"plain text", "text/plain", `name`, `Field '' is required`},
		{"a wrong type", jsonType, `{"name":1,"region":null}`,
			`Expected type: 'string' for field 'name', got: '1'; Expected type: 'string' for field 'region', got: 'null'`},
		{"a text in place of a number", formType, `name=a&count=2`, `Expected type: 'number' for field 'count', got: '2'`},
		{"unknown fields last", jsonType, `{"y":1,"x":1}`, `Field 'name' is required; Unrecognized fields: 'y, x'`},
		{"three faults at most", jsonType, `{"name":1,"region":1,"count":"1","x":1}`,
			`Expected type: 'string' for field 'name', got: '1'; Expected type: 'string' for field 'region', got: '1'; ` +
				`Expected type: 'number' for field 'count', got: '1'`},
		{"a NUL", jsonType, `{"name":"\u0000"}`, `Field 'name' contains a NUL character`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			parse, refused := medusa.BodyParser(http.Header{"Content-Type": {tt.contentType}})
			if refused != nil {
				t.Fatal(refused)
			}
			sent, err := parse([]byte(tt.body))
			if err != nil {
				t.Fatal(err)
			}
			read, err := medusa.ReadFields(sent, schema)
			if tt.faults != "" {
				if err == nil || err.Error() != "Invalid request: "+tt.faults {
					t.Errorf("%v\nwant %s", err, tt.faults)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			want := map[string]item{
				`{"name":""}`:                          {},
				`name=a&region=eu`:                     {name: "a", region: "eu"},
				`{"count":2,"region":"eu","name":"a"}`: {name: "a", region: "eu", count: 2, given: true},
			}[tt.body]
			if read != want {
				t.Errorf("read %+v, want %+v", read, want)
			}
		})
	}
}
