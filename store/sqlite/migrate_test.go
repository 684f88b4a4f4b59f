package sqlite_test

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/latchkey-go/latchkey/store"
	"github.com/latchkey-go/latchkey/store/internal/sqldb"
	"github.com/latchkey-go/latchkey/store/internal/sqldb/sqldbtest"
	"github.com/latchkey-go/latchkey/store/sqlite"
)

func TestMigrationsAreInstant(t *testing.T) { sqldbtest.Instant(t, sqlite.Dialect("")) }

// lines is a log.
type lines struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *lines) count(text string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.text.String(), text)
}

func (l *lines) says(t *testing.T, text string) {
	t.Helper()
	sqldbtest.Eventually(t, "in the log: "+text, func() bool { return l.count(text) > 0 })
}

// startWithTitles opens a store of a program that has an index more. It is closed at the end of the
// test.
func startWithTitles(t *testing.T, db *sql.DB) (*sqldb.Store, *lines) {
	t.Helper()
	return startWith(t, db, `title`)
}

func startWith(t *testing.T, db *sql.DB, column string) (*sqldb.Store, *lines) {
	t.Helper()
	v := sqldbtest.Version{Indexes: "CREATE INDEX IF NOT EXISTS latchkey_key_title ON latchkey_key (" + column + ");\n"}
	log := &lines{}
	s, err := sqldb.Open(db, v.Of(t, sqlite.Dialect("")),
		sqldb.Options{Logger: slog.New(slog.NewTextHandler(log, nil)), IndexAfter: time.Nanosecond})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return s, log
}

func titles(t *testing.T, db *sql.DB) (there bool) {
	t.Helper()
	if err := db.QueryRow(`SELECT count(*) FROM sqlite_master WHERE name = 'latchkey_key_title'`).Scan(&there); err != nil {
		t.Fatal(err)
	}
	return there
}

func TestIndexes(t *testing.T) {
	t.Run("come with the tables of a new file", func(t *testing.T) {
		db := pool(t, dsn(t))
		startWithTitles(t, db)
		if !titles(t, db) {
			t.Error("the index is not there at once")
		}
	})
	t.Run("are made in the background, when the file's lock is free, and keys are looked up meanwhile", func(t *testing.T) {
		file := strings.Replace(dsn(t), "5000", "100", 1)
		db := pool(t, file)
		open(t, db)
		lock, err := pool(t, file).Conn(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer lock.Close()
		if _, err := lock.ExecContext(t.Context(), `BEGIN IMMEDIATE`); err != nil {
			t.Fatal(err)
		}
		one, log := startWithTitles(t, db)
		two, _ := startWithTitles(t, pool(t, file))
		sqldbtest.Eventually(t, "another attempt", func() bool { return log.count("making an index") > 1 })
		for range 100 {
			for _, s := range []store.Store{one, two} {
				if _, err := s.Lookup(t.Context(), sqldbtest.LookupID(1), ""); err != nil {
					t.Fatal(err)
				}
			}
		}
		if titles(t, db) || log.count("WARN") > 0 {
			t.Fatal("the index is made although the file is locked, or that is a warning")
		}
		if _, err := lock.ExecContext(t.Context(), `ROLLBACK`); err != nil {
			t.Fatal(err)
		}
		sqldbtest.Eventually(t, "the index", func() bool { return titles(t, db) })
	})
	t.Run("let lookups through while they are made, and no change; and Close stops them until the next start", func(t *testing.T) {
		db := pool(t, dsn(t))
		open(t, db)
		var ids strings.Builder
		for n := range 20_000 {
			fmt.Fprintf(&ids, `,"%064x"`, n)
		}
		if _, err := db.Exec(fill, 0, "["+ids.String()[1:]+"]"); err != nil {
			t.Fatal(err)
		}
		s, log := startWith(t, db, `length(title || printf('%1000000d', version))`) // half a minute of work
		log.says(t, "making an index")
		for range 20 {
			if found, err := s.Lookup(t.Context(), store.LookupID{31: 1}, ""); err != nil || found.Record == nil {
				t.Errorf("Lookup: %v", err)
			}
		}
		if _, err := s.Change(t.Context(), store.Actor{}, func(tx store.Tx) error {
			return tx.Append(t.Context(), nil, sqldbtest.Event(store.Imported))
		}); !errors.Is(err, store.ErrUnavailable) {
			t.Errorf("a change is made at the same time, or fails otherwise: %v", err)
		}
		if err := s.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		if titles(t, db) {
			t.Fatal("Close has not stopped it")
		}
		startWithTitles(t, db)
		sqldbtest.Eventually(t, "the index", func() bool { return titles(t, db) })
	})
	t.Run("are left to others by a pool of one connection", func(t *testing.T) {
		db := pool(t, dsn(t))
		open(t, db)
		db.SetMaxOpenConns(1)
		_, log := startWithTitles(t, db)
		log.says(t, "run latchkey migrate")
		if titles(t, db) {
			t.Error("it is made")
		}
	})
}
