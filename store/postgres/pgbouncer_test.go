package postgres_test

import (
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"

	"github.com/latchkey-go/latchkey/store"
	"github.com/latchkey-go/latchkey/store/internal/sqldb/sqldbtest"
	"github.com/latchkey-go/latchkey/store/postgres"
	"github.com/latchkey-go/latchkey/store/storetest"
	"github.com/latchkey-go/latchkey/store/storetest/servers"
)

// behind returns the DSN of a new database, through a PgBouncer in transaction mode.
func behind(t *testing.T, b *servers.PgBouncerServer, mode string) string {
	t.Helper()
	dsn := setting(t, b.DSN(servers.Postgres(t).Database(t)), "default_query_exec_mode", mode)
	if err := pool(t, dsn).Ping(); err != nil { // the first connection to a database may take PgBouncer longer than a start waits
		t.Fatal(err)
	}
	return dsn
}

func TestBehindPgBouncerMore(t *testing.T) {
	// Fewer connections of the server than clients, so that they change hands.
	b := servers.NewPgBouncer(t, servers.Postgres(t), "default_pool_size=3")
	t.Run("a store is as it should be", func(t *testing.T) {
		storetest.Run(t, func(t *testing.T) store.Store {
			return open(t, pool(t, behind(t, b, "exec")), quiet)
		})
	})
	for _, c := range []struct{ mode, schema string }{{"exec", ""}, {"exec", "latchkey"}, {"simple_protocol", ""}} {
		t.Run("ten start at once with "+c.mode+" "+c.schema, func(t *testing.T) {
			dsn := behind(t, b, c.mode)
			sqldbtest.TenAtOnce(t, func() (store.Store, error) {
				return postgres.Options{Logger: quiet.Logger, Schema: c.schema}.Open(pool(t, dsn))
			})
		})
	}
	t.Run("changes over several pools leave no gap", func(t *testing.T) {
		dsn := behind(t, b, "exec")
		var stores []store.Store
		for range 3 {
			stores = append(stores, open(t, pool(t, dsn), quiet))
		}
		sqldbtest.GapFree(t, stores)
	})
	t.Run("its refusals have no SQLSTATE of their own, and their words are in the error", func(t *testing.T) {
		dsn := behind(t, b, "exec")
		for _, c := range []struct{ was, is, words string }{
			{"latchkey:", "latchkey:wrong-password", "SASL authentication failed"},
			{"/latchkey_", "/nowhere_", "does not exist"},
		} {
			s, err := quiet.Open(pool(t, strings.Replace(dsn, c.was, c.is, 1)))
			if err != nil {
				t.Fatalf("Open: %v", err)
			}
			defer s.Close(t.Context())
			if err := s.Ready(t.Context()); state(err) != "08P01" || !strings.Contains(err.Error(), c.words) || strings.Contains(err.Error(), "wrong-password") {
				t.Errorf("Ready: %v", err)
			}
		}
	})
	t.Run("without a mode that fits, the errors say which does", func(t *testing.T) {
		dsn := b.DSN(servers.Postgres(t).Database(t))
		loud := &lines{}
		said := func(err error) bool {
			return err != nil && strings.Contains(err.Error(), "default_query_exec_mode=exec") || strings.Contains(loud.String(), "default_query_exec_mode=exec")
		}
		var stores []*postgres.Store
		sqldbtest.Eventually(t, "an error", func() bool {
			s, err := postgres.Options{Logger: slog.New(slog.NewTextHandler(loud, nil))}.Open(pool(t, dsn))
			if err != nil {
				t.Fatalf("Open: %v", err)
			}
			t.Cleanup(func() { s.Close(t.Context()) })
			for _, s := range append(stores, s) {
				_, err := s.Lookup(t.Context(), sqldbtest.LookupID(1), "")
				if err != nil && !errors.Is(err, store.ErrUnavailable) {
					t.Fatal(err)
				}
				if said(err) {
					return true
				}
			}
			stores = append(stores, s)
			return false
		})
	})
}

// lines is a log.
type lines struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}
