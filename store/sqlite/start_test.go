package sqlite_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/latchkey-go/latchkey/store"
	"github.com/latchkey-go/latchkey/store/internal/sqldb/sqldbtest"
	"github.com/latchkey-go/latchkey/store/sqlite"
)

var quiet = sqlite.Options{Logger: slog.New(slog.NewTextHandler(io.Discard, nil))}

func TestTenInstancesStartAtOnce(t *testing.T) {
	file := dsn(t)
	sqldbtest.TenAtOnce(t, func() (store.Store, error) { return quiet.Open(pool(t, file)) })
}

func TestOpenRefuses(t *testing.T) {
	t.Run("a pool without busy_timeout, and names the DSN that has one", func(t *testing.T) {
		_, err := sqlite.Open(pool(t, filepath.Join(t.TempDir(), "keys.db")))
		if !errors.Is(err, store.ErrInvalid) || !strings.Contains(err.Error(), "?_pragma=busy_timeout(5000)") {
			t.Errorf("Open: %v", err)
		}
	})
	t.Run("a database in memory that each connection would have for itself", func(t *testing.T) {
		db := pool(t, ":memory:?_pragma=busy_timeout(5000)")
		if _, err := sqlite.Open(db); !errors.Is(err, store.ErrInvalid) {
			t.Errorf("Open: %v", err)
		}
		db.SetMaxOpenConns(1)
		open(t, db)
	})
	t.Run("a file of something else", func(t *testing.T) {
		file := filepath.Join(t.TempDir(), "keys.db")
		if err := os.WriteFile(file, []byte(strings.Repeat("root:x:0:0:root:/root:/bin/bash\n", 50)), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := sqlite.Open(pool(t, file+"?_pragma=busy_timeout(5000)")); !errors.Is(err, store.ErrWrongDialect) {
			t.Errorf("Open: %v", err)
		}
	})
	t.Run("no pool at all", func(t *testing.T) {
		if _, err := sqlite.Open(nil); !errors.Is(err, store.ErrInvalid) {
			t.Errorf("Open: %v", err)
		}
	})
	t.Run("a schema from a newer, incompatible version", func(t *testing.T) {
		file := dsn(t)
		setVersion(t, file, 9, 8)
		_, err := sqlite.Open(pool(t, file))
		if !errors.Is(err, store.ErrSchemaTooNew) || strings.Contains(err.Error(), "\n") {
			t.Errorf("Open: %v", err)
		}
	})
}

// setVersion makes the file look as if a later program had migrated it.
func setVersion(t *testing.T, dsn string, version, minCompatible int) {
	t.Helper()
	db := pool(t, dsn)
	open(t, db)
	if _, err := db.Exec(`UPDATE latchkey_version SET version = ?, min_compatible = ?`, version, minCompatible); err != nil {
		t.Fatal(err)
	}
}

func TestOpenAcceptsASchemaFromANewerCompatibleVersion(t *testing.T) {
	file := dsn(t)
	setVersion(t, file, 9, 1)
	s := open(t, pool(t, file))
	if _, err := s.Lookup(t.Context(), sqldbtest.LookupID(1), ""); err != nil {
		t.Error(err)
	}
}

func TestOpenSetsWAL(t *testing.T) {
	db := pool(t, dsn(t))
	open(t, db)
	var mode string
	if err := db.QueryRow(`PRAGMA journal_mode`).Scan(&mode); err != nil || mode != "wal" {
		t.Errorf("journal_mode is %q (%v)", mode, err)
	}
}

func TestAStartThatMigratesNothingDoesNotWaitForAWriter(t *testing.T) {
	file := dsn(t)
	open(t, pool(t, file))
	writer, err := pool(t, file).Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer writer.Close()
	if _, err := writer.ExecContext(t.Context(), `BEGIN IMMEDIATE`); err != nil {
		t.Fatal(err)
	}
	open(t, pool(t, strings.Replace(file, "5000", "50", 1)))
}

// notThere opens a store in a folder that does not exist.
func notThere(t *testing.T) (s *sqlite.Store, folder, dsn string) {
	folder = filepath.Join(t.TempDir(), "later")
	dsn = filepath.Join(folder, "keys.db") + "?_pragma=busy_timeout(5000)"
	s, err := quiet.Open(pool(t, dsn))
	if err != nil {
		t.Fatalf("Open fails for something that can heal: %v", err)
	}
	t.Cleanup(func() { s.Close(context.Background()) })
	return s, folder, dsn
}

func TestADatabaseThatIsNotThereYet(t *testing.T) {
	t.Run("is unavailable, and heals by itself", func(t *testing.T) {
		s, folder, _ := notThere(t)
		for name, err := range everyMethod(t.Context(), s) {
			if !errors.Is(err, store.ErrUnavailable) || errors.Is(err, store.ErrClosed) {
				t.Errorf("%s: %v", name, err)
			}
		}
		if err := s.Err(); err != nil {
			t.Errorf("Err: %v", err)
		}
		if err := os.Mkdir(folder, 0o700); err != nil {
			t.Fatal(err)
		}
		sqldbtest.Eventually(t, "ready", func() bool { return s.Ready(t.Context()) == nil })
	})
	t.Run("is given up when it turns out to be too new, and every method says so", func(t *testing.T) {
		ready := dsn(t)
		setVersion(t, ready, 9, 8)
		s, folder, _ := notThere(t)
		from, _, _ := strings.Cut(ready, "/keys.db")
		if err := os.Symlink(from, folder); err != nil {
			t.Fatal(err)
		}
		sqldbtest.Eventually(t, "given up", func() bool { return s.Err() != nil })
		for name, err := range everyMethod(t.Context(), s) {
			if !errors.Is(err, store.ErrUnavailable) || !errors.Is(err, store.ErrSchemaTooNew) {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
	t.Run("does not keep Close from ending the background work", func(t *testing.T) {
		s, _, _ := notThere(t)
		if err := s.Close(t.Context()); err != nil {
			t.Error(err)
		}
		for name, err := range everyMethod(t.Context(), s) {
			if !errors.Is(err, store.ErrClosed) {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
}

// everyMethod calls every method that can fail and returns the errors.
func everyMethod(ctx context.Context, s *sqlite.Store) map[string]error {
	errs := make(map[string]error)
	for name, call := range methods(ctx, s) {
		errs[name] = call()
	}
	return errs
}

// methods returns every method that can fail.
func methods(ctx context.Context, s *sqlite.Store) map[string]func() error {
	return map[string]func() error{
		"Ready": func() error { return s.Ready(ctx) },
		"Touch": func() error { return s.Touch(ctx, nil) },
		"Join":  func() error { return s.Join(ctx, store.Member{ID: "a"}) },
		"Leave": func() error { return s.Leave(ctx, "a") },
		"Lookup": func() error {
			_, err := s.Lookup(ctx, sqldbtest.LookupID(1), "")
			return err
		},
		"Change": func() error {
			_, err := s.Change(ctx, store.Actor{}, func(store.Tx) error { panic("run without a database") })
			return err
		},
		"Get":         func() error { _, err := s.Get(ctx, "apk_1"); return err },
		"List":        func() error { _, err := s.List(ctx, store.Query{}); return err },
		"Count":       func() error { _, err := s.Count(ctx, store.Filter{}); return err },
		"Events":      func() error { _, err := s.Events(ctx, store.EventQuery{}); return err },
		"PruneEvents": func() error { _, err := s.PruneEvents(ctx, sqldbtest.At); return err },
		"Feed":        func() error { _, err := s.Feed(ctx, 0, 1); return err },
		"Members":     func() error { _, err := s.Members(ctx); return err },
	}
}
