package sqldb

import (
	"fmt"
	"io/fs"
	"reflect"
	"testing"
	"testing/fstest"

	"github.com/latchkey-go/latchkey/store"
	"github.com/latchkey-go/latchkey/store/storetest"
)

// Whoever adds a field of a key, or of what proves it, is told that it has no column.
func TestEveryFieldHasAColumn(t *testing.T) {
	k, e := &store.Key{}, &store.Evidence{}
	storetest.Fill(t, k)
	storetest.Fill(t, e)
	cached := storetest.Cached(*k)
	columnAt := map[uintptr]*keyColumn{}
	for i := range keyColumns {
		columnAt[reflect.ValueOf(keyColumns[i].target(k, e)).Pointer()] = &keyColumns[i]
	}
	var visit func(path string, v, lookup reflect.Value)
	visit = func(path string, v, lookup reflect.Value) {
		if v.Type() == reflect.TypeFor[store.RateLimit]() {
			for i := range v.NumField() {
				visit(path+"."+v.Type().Field(i).Name, v.Field(i), lookup.Field(i))
			}
			return
		}
		column := columnAt[v.Addr().Pointer()]
		switch {
		case column == nil:
			t.Errorf("%s has no column: see keyColumns (store/internal/sqldb/record.go), and the migrations of store/sqlite and store/postgres", path)
		case column.uncached != lookup.IsZero():
			t.Errorf("%s: column %s is uncached: %v, but lookups leave it out: %v (store/attributes.go)", path, column.name, column.uncached, lookup.IsZero())
		}
	}
	for _, of := range []struct{ v, lookup any }{{k, &cached}, {e, e}} {
		v, lookup := reflect.ValueOf(of.v).Elem(), reflect.ValueOf(of.lookup).Elem()
		for i := range v.NumField() {
			visit(v.Type().Name()+"."+v.Type().Field(i).Name, v.Field(i), lookup.Field(i))
		}
	}
}

// A list of texts that a filter has, and that no column is compared with, would select all keys.
func TestEveryListOfAFilterHasAColumn(t *testing.T) {
	d := &Dialect{Among: "%s among ?", Contains: "%s contains ?"}
	for _, field := range reflect.VisibleFields(reflect.TypeFor[store.Filter]()) {
		f := &store.Filter{}
		v := reflect.ValueOf(f).Elem().FieldByName(field.Name)
		if v.Kind() != reflect.Slice || v.Type().Elem().Kind() != reflect.String {
			continue
		}
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		v.Index(0).SetString("x")
		if where, _, err := d.where(*f, ""); err != nil || where == "" {
			t.Errorf("Filter.%s is compared with no column: see keyColumns (store/internal/sqldb/record.go): %q, %v", field.Name, where, err)
		}
	}
}

// steps returns migrations.
func steps(texts ...string) fs.FS {
	files := fstest.MapFS{}
	for i, text := range texts {
		files[fmt.Sprintf("migrations/%04d_x.sql", i+1)] = &fstest.MapFile{Data: []byte(text)}
	}
	return files
}

// The newest level that a migration of this module brings is the one that package store tells of.
func TestOpenKnowsTheLevelOfItsMigrations(t *testing.T) {
	for _, test := range []struct {
		header string
		level  int
	}{
		{"-- min_compatible: 1\n-- level: 7\n\nSELECT 1;\n", 7},
		{"-- min_compatible: 1\n\n-- level: 7\nSELECT 1;\n", 1}, // not in the header
		{"-- min_compatible: 1\nSELECT 1;\n", 1},
	} {
		d := &Dialect{Migrations: steps(test.header)}
		if level, err := d.level(); err != nil || level != test.level {
			t.Errorf("%q: level %d, %v", test.header, level, err)
		}
	}
	d := &Dialect{Migrations: steps("-- min_compatible: 1\n", "-- min_compatible: 1\n-- level: 2\n", "-- min_compatible: 1\n", "-- min_compatible: 2\n-- level: 4\n")}
	for level, want := range map[int]int{2: 2, 3: 4, 4: 4} {
		if n, err := d.firstWith(level); n != want || err != nil {
			t.Errorf("level %d came with migration %d, %v; want %d", level, n, err, want)
		}
	}
	if n, err := d.firstWith(5); err == nil {
		t.Errorf("no migration brings level 5, not %d", n)
	}
}
