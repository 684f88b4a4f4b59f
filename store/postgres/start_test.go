package postgres_test

import (
	"context"
	"database/sql"
	"errors"
	"io"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"

	_ "modernc.org/sqlite"

	"github.com/latchkey-go/latchkey/store"
	"github.com/latchkey-go/latchkey/store/internal/sqldb/sqldbtest"
	"github.com/latchkey-go/latchkey/store/postgres"
	"github.com/latchkey-go/latchkey/store/sqlite"
	"github.com/latchkey-go/latchkey/store/storetest/servers"
)

var quiet = postgres.Options{Logger: slog.New(slog.NewTextHandler(io.Discard, nil))}

func TestTenInstancesStartAtOnce(t *testing.T) {
	for name, o := range map[string]postgres.Options{
		"in the public schema":     quiet,
		"in a schema of their own": {Logger: quiet.Logger, Schema: "latchkey"},
	} {
		t.Run(name, func(t *testing.T) {
			dsn := servers.Postgres(t).Database(t)
			sqldbtest.TenAtOnce(t, func() (store.Store, error) { return o.Open(pool(t, dsn)) })
		})
	}
}

func TestTwoSchemasAreTwoStores(t *testing.T) {
	dsn := servers.Postgres(t).Database(t)
	ids := map[string]bool{}
	for _, schema := range []string{"", "one", "two"} {
		s := open(t, pool(t, dsn), postgres.Options{Schema: schema, Logger: quiet.Logger})
		if _, err := s.Change(t.Context(), store.Actor{}, func(tx store.Tx) error {
			return tx.Insert(t.Context(), sqldbtest.Record(1), sqldbtest.Event(store.Created))
		}); err != nil {
			t.Error(err)
		}
		feed, err := s.Feed(t.Context(), 0, 0)
		if err != nil {
			t.Error(err)
		}
		ids[feed.ID] = true
	}
	if len(ids) != 3 {
		t.Errorf("feeds %v", ids)
	}
}

func TestOpenRefuses(t *testing.T) {
	t.Run("a schema name that is no plain identifier", func(t *testing.T) {
		for _, name := range []string{"Caps", "1st", `a"b`, "a b", "a;b", "é", strings.Repeat("a", 64)} {
			if _, err := (postgres.Options{Schema: name}).Open(new(sql.DB)); !errors.Is(err, store.ErrInvalid) {
				t.Errorf("%q: %v", name, err)
			}
		}
	})
	t.Run("SQLite", func(t *testing.T) {
		db, err := sql.Open("sqlite", filepath.Join(t.TempDir(), "keys.db")+"?_pragma=busy_timeout(5000)")
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		if _, err := postgres.Open(db); !errors.Is(err, store.ErrWrongDialect) || !strings.Contains(err.Error(), "SQLite 3.") {
			t.Errorf("Open: %v", err)
		}
	})
	t.Run("to be SQLite", func(t *testing.T) {
		_, err := sqlite.Open(pool(t, servers.Postgres(t).Database(t)))
		if !errors.Is(err, store.ErrWrongDialect) || !strings.Contains(err.Error(), "PostgreSQL") {
			t.Errorf("sqlite.Open: %v", err)
		}
	})
	t.Run("a schema from a newer, incompatible version, but not from a compatible one", func(t *testing.T) {
		dsn := servers.Postgres(t).Database(t)
		db := pool(t, dsn)
		open(t, db, quiet)
		if _, err := db.Exec(`UPDATE latchkey_version SET version = 9, min_compatible = 8`); err != nil {
			t.Fatal(err)
		}
		if _, err := postgres.Open(pool(t, dsn)); !errors.Is(err, store.ErrSchemaTooNew) || strings.Contains(err.Error(), "\n") {
			t.Errorf("Open: %v", err)
		}
		if _, err := db.Exec(`UPDATE latchkey_version SET min_compatible = 1`); err != nil {
			t.Fatal(err)
		}
		open(t, pool(t, dsn), quiet)
	})
}

func TestAServerThatIsDownAtTheStart(t *testing.T) {
	server := servers.NewPostgres(t)
	dsn := server.Database(t)
	server.Stop()
	s, err := quiet.Open(pool(t, dsn))
	if err != nil {
		t.Fatalf("Open fails for something that can heal: %v", err)
	}
	t.Cleanup(func() { s.Close(context.Background()) })
	if _, err := s.Lookup(t.Context(), sqldbtest.LookupID(1), ""); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("Lookup: %v", err)
	}
	if err := s.Ready(t.Context()); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("Ready: %v", err)
	}
	server.Restart()
	sqldbtest.Eventually(t, "ready", func() bool { return s.Ready(t.Context()) == nil })
	if _, err := s.Lookup(t.Context(), sqldbtest.LookupID(1), ""); err != nil {
		t.Errorf("Lookup: %v", err)
	}
}
