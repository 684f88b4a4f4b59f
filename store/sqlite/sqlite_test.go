package sqlite_test

import (
	"context"
	"database/sql"
	"path/filepath"
	"testing"

	"go.uber.org/goleak"
	_ "modernc.org/sqlite"

	"github.com/latchkey-go/latchkey/store"
	"github.com/latchkey-go/latchkey/store/sqlite"
	"github.com/latchkey-go/latchkey/store/storetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// dsn names a database file in the test's own folder.
func dsn(tb testing.TB) string {
	return filepath.Join(tb.TempDir(), "keys.db") + "?_pragma=busy_timeout(5000)"
}

// pool opens a pool that is closed at the end of the test.
func pool(tb testing.TB, dsn string) *sql.DB {
	tb.Helper()
	db, err := sql.Open("sqlite", dsn)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { db.Close() })
	return db
}

// open opens a store that is closed at the end of the test.
func open(tb testing.TB, db *sql.DB) *sqlite.Store {
	tb.Helper()
	s, err := sqlite.Open(db)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := s.Close(context.Background()); err != nil {
			tb.Error(err)
		}
	})
	if err := s.Ready(tb.Context()); err != nil {
		tb.Fatal(err)
	}
	return s
}

func TestStore(t *testing.T) {
	storetest.Run(t, func(t *testing.T) store.Store { return open(t, pool(t, dsn(t))) })
}
