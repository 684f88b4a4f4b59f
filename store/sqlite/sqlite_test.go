package sqlite_test

import (
	"context"
	"database/sql"
	"errors"
	"path/filepath"
	"testing"
	"time"

	"go.uber.org/goleak"
	_ "modernc.org/sqlite"

	"github.com/latchkey-go/latchkey/store"
	"github.com/latchkey-go/latchkey/store/internal/sqldb/sqldbtest"
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
	s, err := quiet.Open(db)
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

func TestStatements(t *testing.T) {
	db, log := sqldbtest.Open(t, "sqlite", dsn(t))
	sqldbtest.Statements(t, open(t, db), log, sqldbtest.Counts{Create: 4, CreateMany: 6, Nothing: 1, Raise: 5})
}

func TestConcurrentChangesOverSeveralPoolsLeaveNoGap(t *testing.T) {
	file := dsn(t)
	var stores []store.Store
	for range 3 {
		stores = append(stores, open(t, pool(t, file)))
	}
	sqldbtest.GapFree(t, stores)
}

func TestAnEventOfAProgramThatKnowsNoTags(t *testing.T) {
	db := pool(t, dsn(t))
	sqldbtest.Untagged(t, open(t, db), db)
}

func TestPanic(t *testing.T) { sqldbtest.Panic(t, open(t, pool(t, dsn(t)))) }

func TestConflicts(t *testing.T) {
	sqldbtest.Conflicts(t, open(t, pool(t, dsn(t))), func(tx store.Tx) error {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, err := tx.Find(ctx, store.Query{})
		return err
	})
}

func TestTotal(t *testing.T) { sqldbtest.Total(t, open(t, pool(t, dsn(t)))) }

func TestAWriterThatHoldsTheFileForTooLong(t *testing.T) {
	file := filepath.Join(t.TempDir(), "keys.db")
	s := open(t, pool(t, file+"?_pragma=busy_timeout(50)"))
	conn, err := pool(t, file+"?_pragma=busy_timeout(50)").Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.ExecContext(t.Context(), `BEGIN IMMEDIATE`); err != nil {
		t.Fatal(err)
	}
	insert := func() error {
		_, err := s.Change(t.Context(), store.Actor{}, func(tx store.Tx) error {
			return tx.Insert(t.Context(), sqldbtest.Record(1), sqldbtest.Event(store.Created))
		})
		return err
	}
	if err := insert(); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("Change: %v", err)
	}
	if err := s.Touch(t.Context(), []store.Use{{KeyID: "apk_1", At: sqldbtest.At}}); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("Touch: %v", err)
	}
	if _, err := s.Lookup(t.Context(), sqldbtest.LookupID(1), ""); err != nil {
		t.Errorf("readers do not wait for the writer, but Lookup: %v", err)
	}
	if _, err := conn.ExecContext(t.Context(), `ROLLBACK`); err != nil {
		t.Fatal(err)
	}
	if err := insert(); err != nil {
		t.Errorf("Change after the lock was free: %v", err)
	}
}

func TestAChangeGivesUpWithItsContext(t *testing.T) {
	file := dsn(t) // busy_timeout is 5 s
	s := open(t, pool(t, file))
	_, err := s.Change(t.Context(), store.Actor{}, func(store.Tx) error {
		for name, other := range map[string]store.Store{"another pool": open(t, pool(t, file)), "the same store": s} {
			ctx, cancel := context.WithCancel(t.Context())
			time.AfterFunc(20*time.Millisecond, cancel)
			_, err := other.Change(ctx, store.Actor{}, func(store.Tx) error { t.Error("the lock was not exclusive"); return nil })
			if !errors.Is(err, store.ErrUnavailable) || !errors.Is(err, context.Canceled) {
				t.Errorf("over %s: %v", name, err)
			}
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

func TestRequirement26TheLongestFilters(t *testing.T) {
	sqldbtest.LongestFilters(t, open(t, pool(t, dsn(t))))
}

func TestRequirement29InputIsNeverPartOfAStatement(t *testing.T) {
	db, log := sqldbtest.Open(t, "sqlite", dsn(t))
	sqldbtest.Injection(t, open(t, db), log)
}

func TestRequirement29APageCostsTheSameWhereverItIs(t *testing.T) {
	db, log := sqldbtest.Open(t, "sqlite", dsn(t))
	explain := func(statement string, args ...any) string {
		rows, err := db.QueryContext(t.Context(), "EXPLAIN QUERY PLAN "+statement, args...)
		if err != nil {
			t.Fatal(err)
		}
		defer rows.Close()
		plan := ""
		for rows.Next() {
			var id, parent, unused int
			var line string
			if err := rows.Scan(&id, &parent, &unused, &line); err != nil {
				t.Fatal(err)
			}
			plan += line + "\n"
		}
		return plan
	}
	sqldbtest.Pages(t, open(t, db), log, explain, []string{"SCAN"}, []string{"TEMP B-TREE"})
}
