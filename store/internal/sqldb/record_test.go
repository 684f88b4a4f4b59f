package sqldb

import (
	"fmt"
	"io/fs"
	"os"
	"reflect"
	"regexp"
	"strings"
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
	cached := k.Cached()
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
	for _, of := range []struct{ v, lookup any }{{k, cached}, {e, e}} {
		v, lookup := reflect.ValueOf(of.v).Elem(), reflect.ValueOf(of.lookup).Elem()
		for i := range v.NumField() {
			visit(v.Type().Name()+"."+v.Type().Field(i).Name, v.Field(i), lookup.Field(i))
		}
	}
}

// A list of texts that a filter has, and that no column is compared with, would select all keys.
func TestEveryListOfAFilterHasAColumn(t *testing.T) {
	d := &Dialect{InList: "%s among ?", Contains: "%s contains ?"}
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

// A column that a migration lacks is named here, before any database is asked.
func TestEveryColumnIsInTheMigrationsOfBothDatabases(t *testing.T) {
	for _, dialect := range []string{"sqlite", "postgres"} {
		folder := os.DirFS("../../" + dialect + "/migrations")
		first, err := fs.ReadFile(folder, "0001_first.sql")
		if err != nil {
			t.Fatal(err)
		}
		later, err := fs.Glob(folder, "*.sql")
		if err != nil {
			t.Fatal(err)
		}
		added := map[string]string{} // columns and what is said of them
		for _, name := range later {
			source, err := fs.ReadFile(folder, name)
			if err != nil {
				t.Fatal(err)
			}
			for _, statement := range regexp.MustCompile(`ALTER TABLE latchkey_key\s[^;]*`).FindAllString(string(source), -1) {
				for _, m := range regexp.MustCompile(`ADD COLUMN (\w+) ([^,]*)`).FindAllStringSubmatch(statement, -1) {
					added[m[1]] = m[2]
				}
			}
		}
		for _, c := range keyColumns {
			form, isAdded := added[c.name]
			_, isText := c.target(&store.Key{}, &store.Evidence{}).(*text)
			switch {
			case !isAdded && !regexp.MustCompile(`(?m)^\s+`+c.name+`\s`).Match(first):
				t.Errorf("column %s is in keyColumns (record.go) and in no migration of store/%s", c.name, dialect)
			case isAdded && isText && !c.nullable:
				t.Errorf("column %s was added to a table that has rows: keyColumns (record.go) must say nullable", c.name)
			case dialect == "postgres" && isAdded && isText && !strings.Contains(form, `COLLATE "C"`):
				t.Errorf(`column %s of store/postgres must have COLLATE "C", so that both databases compare alike`, c.name)
			}
		}
	}
}
