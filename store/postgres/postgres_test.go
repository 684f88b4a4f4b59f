package postgres_test

import (
	"context"
	"database/sql"
	"net/url"
	"testing"

	_ "github.com/jackc/pgx/v5/stdlib"
	"go.uber.org/goleak"

	"github.com/latchkey-go/latchkey/store"
	"github.com/latchkey-go/latchkey/store/postgres"
	"github.com/latchkey-go/latchkey/store/storetest"
	"github.com/latchkey-go/latchkey/store/storetest/servers"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(servers.Main(m)) }

// pool opens a pool that is closed at the end of the test.
func pool(tb testing.TB, dsn string) *sql.DB {
	tb.Helper()
	db, err := sql.Open("pgx", dsn)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { db.Close() })
	return db
}

// open opens a store that is closed at the end of the test.
func open(tb testing.TB, db *sql.DB, o postgres.Options) *postgres.Store {
	tb.Helper()
	s, err := o.Open(db)
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

// simpleProtocol returns the DSN with the setting of pgx that PgBouncer's users need.
func simpleProtocol(tb testing.TB, dsn string) string {
	tb.Helper()
	u, err := url.Parse(dsn)
	if err != nil {
		tb.Fatal(err)
	}
	q := u.Query()
	q.Set("default_query_exec_mode", "simple_protocol")
	u.RawQuery = q.Encode()
	return u.String()
}

func TestStore(t *testing.T) {
	t.Run("with statements cached by pgx", func(t *testing.T) {
		storetest.Run(t, func(t *testing.T) store.Store {
			return open(t, pool(t, servers.Postgres(t).Database(t)), postgres.Options{})
		})
	})
	t.Run("with the simple protocol, as behind PgBouncer, in a schema of its own", func(t *testing.T) {
		storetest.Run(t, func(t *testing.T) store.Store {
			dsn := simpleProtocol(t, servers.Postgres(t).Database(t))
			return open(t, pool(t, dsn), postgres.Options{Schema: "latchkey_keys"})
		})
	})
}
