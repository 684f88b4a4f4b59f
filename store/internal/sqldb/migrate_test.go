package sqldb_test

import (
	"database/sql"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"go.uber.org/goleak"
	_ "modernc.org/sqlite"

	"github.com/latchkey-go/latchkey/store"
	"github.com/latchkey-go/latchkey/store/internal/sqldb"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// program is a version of a program that knows some migrations.
func program(migrations ...string) sqldb.Dialect {
	files := fstest.MapFS{}
	for i, text := range migrations {
		files["migrations/000"+string(rune('1'+i))+"_x.sql"] = &fstest.MapFile{Data: []byte(text)}
	}
	return dialect(files)
}

// with returns the dialect with other indexes.
func with(indexes string, d sqldb.Dialect) sqldb.Dialect {
	d.Indexes = indexes
	return d
}

func dialect(files fs.FS) sqldb.Dialect {
	return sqldb.Dialect{
		Name: "sqlite", Migrations: files,
		Probe: `SELECT sqlite_version()`, Matches: func(string) bool { return true },
		Begin: `BEGIN IMMEDIATE`, Migrated: `SELECT count(*) FROM sqlite_master WHERE name = 'latchkey_version'`,
		IndexState: `SELECT CASE count(*) WHEN 1 THEN 'valid' ELSE 'missing' END FROM sqlite_master WHERE name = ? AND tbl_name = ?`,
	}
}

const (
	first    = "-- min_compatible: 1\nCREATE TABLE latchkey_a (n integer);\nINSERT INTO latchkey_a VALUES (1);\n"
	expand   = "-- min_compatible: 1\nALTER TABLE latchkey_a ADD COLUMN m integer;\n"
	contract = "-- min_compatible: 2\nALTER TABLE latchkey_a DROP COLUMN n;\n"
	broken   = "-- min_compatible: 1\nALTER TABLE latchkey_a ADD COLUMN k integer;\nINSERT INTO latchkey_nowhere VALUES (1);\n"
)

func newPool(t *testing.T) *sql.DB {
	db, err := sql.Open("sqlite", filepath.Join(t.TempDir(), "x.db")+"?_pragma=busy_timeout(5000)")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

// start opens and closes a store; what it answers in between says whether the migration went well.
func start(t *testing.T, db *sql.DB, d sqldb.Dialect) error {
	t.Helper()
	s, err := sqldb.Open(db, d, sqldb.Options{Logger: slog.New(slog.NewTextHandler(io.Discard, nil))})
	if err != nil {
		return err
	}
	_, err = s.List(t.Context(), store.Query{Limit: -1}) // nothing but whether the store is usable
	if err2 := s.Close(t.Context()); err2 != nil {
		t.Error(err2)
	}
	return err
}

// columns returns the columns of latchkey_a and the version row.
func columns(t *testing.T, db *sql.DB) (names string, version, minCompatible int) {
	t.Helper()
	if err := db.QueryRow(`SELECT group_concat(name) FROM pragma_table_info('latchkey_a')`).Scan(&names); err != nil {
		t.Fatal(err)
	}
	if err := db.QueryRow(`SELECT version, min_compatible FROM latchkey_version`).Scan(&version, &minCompatible); err != nil {
		t.Fatal(err)
	}
	return names, version, minCompatible
}

func TestMigrations(t *testing.T) {
	t.Run("are applied in order, each once, by whichever version comes", func(t *testing.T) {
		db := newPool(t)
		for _, step := range []struct {
			d                      sqldb.Dialect
			names                  string
			version, minCompatible int
		}{
			{program(first), "n", 1, 1},
			{program(first), "n", 1, 1},
			{program(first, expand), "n,m", 2, 1},
			{program(first), "n,m", 2, 1}, // a rollback of one version
			{program(first, expand, contract), "m", 3, 2},
			{program(first, expand), "m", 3, 2},
		} {
			if err := start(t, db, step.d); err != nil {
				t.Fatal(err)
			}
			if names, version, minCompatible := columns(t, db); names != step.names || version != step.version || minCompatible != step.minCompatible {
				t.Errorf("columns %s, version %d, min_compatible %d; want %+v", names, version, minCompatible, step)
			}
		}
		err := start(t, db, program(first))
		if !errors.Is(err, store.ErrSchemaTooNew) || !strings.Contains(err.Error(), "version 3, which needs a program that knows version 2; this one knows 1") {
			t.Errorf("the oldest version: %v", err)
		}
	})
	t.Run("leave nothing behind when one fails", func(t *testing.T) {
		db := newPool(t)
		if err := start(t, db, program(first)); err != nil {
			t.Fatal(err)
		}
		if err := start(t, db, program(first, expand, broken)); !errors.Is(err, store.ErrUnavailable) || !strings.Contains(err.Error(), "migration 3") {
			t.Errorf("Open: %v", err)
		}
		if names, version, _ := columns(t, db); names != "n" || version != 1 {
			t.Errorf("columns %s, version %d", names, version)
		}
	})
	t.Run("need a number and a min_compatible", func(t *testing.T) {
		for name, files := range map[string]fstest.MapFS{
			"a gap":             {"migrations/0002_x.sql": {Data: []byte(first)}},
			"no number":         {"migrations/x.sql": {Data: []byte(first)}},
			"no min_compatible": {"migrations/0001_x.sql": {Data: []byte("CREATE TABLE latchkey_a (n integer);\n")}},
			"unknown header":    {"migrations/0001_x.sql": {Data: []byte("-- min_compatible: 1\n-- online: 1\nCREATE TABLE latchkey_a (n integer);\n")}},
			"no number there":   {"migrations/0001_x.sql": {Data: []byte("-- min_compatible: 1\n-- level: high\nCREATE TABLE latchkey_a (n integer);\n")}},
		} {
			if err := start(t, newPool(t), dialect(files)); err == nil {
				t.Errorf("%s is accepted", name)
			}
		}
		for name, index := range map[string]string{
			"no index":                   "ALTER TABLE latchkey_a ADD COLUMN m integer;\n",
			"an index that may be there": "CREATE INDEX latchkey_a_n ON latchkey_a (n);\n",
		} {
			if err := start(t, newPool(t), with(index, program(first))); err == nil {
				t.Errorf("%s is accepted", name)
			}
		}
	})
	t.Run("have headers, then comments and statements", func(t *testing.T) {
		db := newPool(t)
		text := "-- level: 7\n-- min_compatible: 1\n-- Columns: two.\n" + strings.TrimPrefix(first, "-- min_compatible: 1\n")
		if err := start(t, db, with("-- No index yet.\n", program(text))); err != nil {
			t.Fatal(err)
		}
		if names, version, minCompatible := columns(t, db); names != "n" || version != 1 || minCompatible != 1 {
			t.Errorf("columns %s, version %d, min_compatible %d", names, version, minCompatible)
		}
	})
	t.Run("make the indexes with new tables, and otherwise when told to", func(t *testing.T) {
		const indexes = "CREATE INDEX IF NOT EXISTS latchkey_a_n ON latchkey_a (n);\n"
		for _, c := range []struct {
			name   string
			before bool
			want   string
		}{{"new", false, "[]"}, {"there", true, "[latchkey_a_n]"}} {
			db := newPool(t)
			if c.before {
				if err := start(t, db, program(first)); err != nil {
					t.Fatal(err)
				}
			}
			o := sqldb.Options{Logger: slog.New(slog.NewTextHandler(io.Discard, nil))}
			for _, dry := range []bool{true, true, false} {
				_, _, made, err := sqldb.Migrate(t.Context(), db, with(indexes, program(first)), o, dry)
				if err != nil || fmt.Sprint(made) != c.want {
					t.Errorf("tables that are %s, dry %v: %v, %v", c.name, dry, made, err)
				}
			}
			var n int
			if err := db.QueryRow(`SELECT count(*) FROM sqlite_master WHERE name = 'latchkey_a_n'`).Scan(&n); n != 1 || err != nil {
				t.Errorf("%d indexes, %v", n, err)
			}
		}
	})
}

// What Tx.Raise has raised keeps programs out for good: a later migration that would serve them
// does not let them in again.
func TestAMigrationNeverLowersMinCompatible(t *testing.T) {
	db := newPool(t)
	if err := start(t, db, program(first, expand)); err != nil {
		t.Fatal(err)
	}
	if _, err := db.Exec(`UPDATE latchkey_version SET min_compatible = 2`); err != nil {
		t.Fatal(err)
	}
	if err := start(t, db, program(first, expand, "-- min_compatible: 1\nALTER TABLE latchkey_a ADD COLUMN k integer;\n")); err != nil {
		t.Fatal(err)
	}
	if err := start(t, db, program(first)); !errors.Is(err, store.ErrSchemaTooNew) {
		t.Errorf("the first program again: %v", err)
	}
}
