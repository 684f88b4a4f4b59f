package postgres_test

import (
	"context"
	"database/sql"
	"errors"
	"net/url"
	"sync"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib"
	"go.uber.org/goleak"

	"github.com/latchkey-go/latchkey/store"
	"github.com/latchkey-go/latchkey/store/internal/sqldb/sqldbtest"
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

// simpleProtocol returns the DSN with the setting of pgx that poolers older than prepared
// statements need.
func simpleProtocol(tb testing.TB, dsn string) string {
	tb.Helper()
	return setting(tb, dsn, "default_query_exec_mode", "simple_protocol")
}

// setting returns the DSN with a setting.
func setting(tb testing.TB, dsn, name, value string) string {
	tb.Helper()
	u, err := url.Parse(dsn)
	if err != nil {
		tb.Fatal(err)
	}
	q := u.Query()
	q.Set(name, value)
	u.RawQuery = q.Encode()
	return u.String()
}

// throughProxy returns the DSN with another address.
func throughProxy(tb testing.TB, dsn, addr string) string {
	tb.Helper()
	u, err := url.Parse(dsn)
	if err != nil {
		tb.Fatal(err)
	}
	u.Host = addr
	return u.String()
}

func TestStore(t *testing.T) {
	t.Run("with statements cached by pgx", func(t *testing.T) {
		storetest.Run(t, func(t *testing.T) store.Store {
			return open(t, pool(t, servers.Postgres(t).Database(t)), quiet)
		})
	})
	t.Run("with the simple protocol, in a schema of its own", func(t *testing.T) {
		storetest.Run(t, func(t *testing.T) store.Store {
			dsn := simpleProtocol(t, servers.Postgres(t).Database(t))
			return open(t, pool(t, dsn), postgres.Options{Schema: "latchkey_keys", Logger: quiet.Logger})
		})
	})
}

func TestStatements(t *testing.T) {
	for name, dsn := range map[string]string{
		"cached":  servers.Postgres(t).Database(t),
		"unnamed": simpleProtocol(t, servers.Postgres(t).Database(t)),
	} {
		t.Run(name, func(t *testing.T) {
			db, log := sqldbtest.Open(t, "pgx", dsn)
			sqldbtest.Statements(t, open(t, db, quiet), log, sqldbtest.Counts{Create: 3, CreateMany: 5, Nothing: 2, Raise: 6})
		})
	}
}

func TestConcurrentChangesOverSeveralPoolsLeaveNoGap(t *testing.T) {
	dsn := servers.Postgres(t).Database(t)
	var stores []store.Store
	for range 3 {
		stores = append(stores, open(t, pool(t, dsn), quiet))
	}
	sqldbtest.GapFree(t, stores)
}

// fresh opens a store in an empty database.
func fresh(tb testing.TB) (*postgres.Store, *sql.DB) {
	tb.Helper()
	db := pool(tb, servers.Postgres(tb).Database(tb))
	return open(tb, db, quiet), db
}

func TestPanic(t *testing.T) {
	s, _ := fresh(t)
	sqldbtest.Panic(t, s)
}

func TestAnEventOfAProgramThatKnowsNoTags(t *testing.T) {
	s, db := fresh(t)
	sqldbtest.Untagged(t, s, db)
}

func TestConflicts(t *testing.T) {
	s, _ := fresh(t)
	sqldbtest.Conflicts(t, s, func(tx store.Tx) error {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, err := tx.Find(ctx, store.Query{})
		return err
	})
}

func TestTotal(t *testing.T) {
	s, _ := fresh(t)
	sqldbtest.Total(t, s)
}

func TestAChangeLeavesNothingInTheSession(t *testing.T) {
	s, db := fresh(t)
	db.SetMaxOpenConns(1)
	settings := func() (lock, idle string) {
		if err := db.QueryRow(`SELECT current_setting('lock_timeout'), current_setting('idle_in_transaction_session_timeout')`).
			Scan(&lock, &idle); err != nil {
			t.Fatal(err)
		}
		return lock, idle
	}
	lock, idle := settings()
	if _, err := s.Change(t.Context(), store.Actor{}, func(tx store.Tx) error {
		return tx.Insert(t.Context(), sqldbtest.Record(1), sqldbtest.Event(store.Created))
	}); err != nil {
		t.Fatal(err)
	}
	if lock2, idle2 := settings(); lock2 != lock || idle2 != idle {
		t.Errorf("lock_timeout was %s and is %s, idle_in_transaction_session_timeout was %s and is %s", lock, lock2, idle, idle2)
	}
}

func TestAChangeBehindALockThatIsNotGivenBack(t *testing.T) {
	s, db := fresh(t)
	blocker, err := db.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer blocker.Rollback()
	if _, err := blocker.Exec(`SELECT * FROM latchkey_feed FOR UPDATE`); err != nil {
		t.Fatal(err)
	}
	_, err = s.Change(t.Context(), store.Actor{}, func(store.Tx) error { t.Error("the lock was not exclusive"); return nil })
	var state interface{ SQLState() string }
	if !errors.Is(err, store.ErrUnavailable) || !errors.As(err, &state) || state.SQLState() != "55P03" {
		t.Errorf("not a lock timeout: %v", err)
	}
}

func TestAChangeThatIdlesWithTheLockLosesIt(t *testing.T) {
	s, db := fresh(t)
	_, err := s.Change(t.Context(), store.Actor{}, func(tx store.Tx) error {
		if err := tx.Insert(t.Context(), sqldbtest.Record(1), sqldbtest.Event(store.Created)); err != nil {
			return err
		}
		// Nothing tells the client that the server has ended the session, so ask the server.
		sqldbtest.Eventually(t, "the session has been ended", func() bool {
			var idle int
			err := db.QueryRow(`SELECT count(*) FROM pg_stat_activity WHERE state = 'idle in transaction' AND datname = current_database()`).Scan(&idle)
			return err == nil && idle == 0
		})
		return nil
	})
	if !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("Change: %v", err)
	}
	if n, err := s.Count(t.Context(), store.Filter{}); n != 0 || err != nil {
		t.Errorf("%d keys, %v", n, err)
	}
}

// A batch of touches and a change that update the same keys in opposite order would be a deadlock
// if a touch waited with locks in hand.
func TestTouchesAndChangesDoNotDeadlock(t *testing.T) {
	s, _ := fresh(t)
	ctx := t.Context()
	const keys, rounds = 20, 40
	if _, err := s.Change(ctx, store.Actor{}, func(tx store.Tx) error {
		for i := range keys {
			if err := tx.Insert(ctx, sqldbtest.Record(i), sqldbtest.Event(store.Created)); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	for w := range 3 {
		all.Go(func() {
			for round := range rounds {
				var uses []store.Use
				for i := range keys {
					uses = append(uses, store.Use{KeyID: sqldbtest.Record((i * (w + 1)) % keys).Key.ID, At: sqldbtest.At.Add(time.Duration(round+1) * time.Second)})
				}
				if err := s.Touch(ctx, uses); err != nil {
					t.Errorf("Touch: %v", err)
					return
				}
			}
		})
	}
	all.Go(func() {
		for range rounds {
			if _, err := s.Change(ctx, store.Actor{}, func(tx store.Tx) error {
				for i := keys - 1; i >= 0; i-- {
					if err := tx.Update(ctx, sqldbtest.Record(i), sqldbtest.Event(store.Updated)); err != nil {
						return err
					}
				}
				return nil
			}); err != nil {
				t.Errorf("Change: %v", err)
				return
			}
		}
	})
	all.Wait()
	records, err := s.List(ctx, store.Query{})
	if err != nil {
		t.Fatal(err)
	}
	last := sqldbtest.At.Add(rounds * time.Second)
	for i, r := range records {
		if i == 0 { // every goroutine touches key 0; the third does not touch all the others
			if !r.Key.LastUsedAt.Time().Equal(last) {
				t.Errorf("key %s was last used at %v, want %v", r.Key.ID, r.Key.LastUsedAt, last)
			}
		}
	}
}

func TestTouchWaitsForARowThatIsLocked(t *testing.T) {
	s, db := fresh(t)
	ctx := t.Context()
	if _, err := s.Change(ctx, store.Actor{}, func(tx store.Tx) error {
		return errors.Join(tx.Insert(ctx, sqldbtest.Record(1), sqldbtest.Event(store.Created)),
			tx.Insert(ctx, sqldbtest.Record(2), sqldbtest.Event(store.Created)))
	}); err != nil {
		t.Fatal(err)
	}
	holder, err := db.BeginTx(ctx, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer holder.Rollback()
	if _, err := holder.Exec(`SELECT * FROM latchkey_key WHERE id = $1 FOR UPDATE`, sqldbtest.Record(1).Key.ID); err != nil {
		t.Fatal(err)
	}
	done := make(chan error)
	go func() {
		done <- s.Touch(ctx, []store.Use{{KeyID: sqldbtest.Record(1).Key.ID, At: sqldbtest.At}, {KeyID: sqldbtest.Record(2).Key.ID, At: sqldbtest.At}})
	}()
	used := func(n int) bool {
		r, err := s.Get(ctx, sqldbtest.Record(n).Key.ID)
		return err == nil && r.Key.LastUsedAt.Time().Equal(sqldbtest.At)
	}
	sqldbtest.Eventually(t, "the free row is written", func() bool { return used(2) })
	if used(1) {
		t.Error("the locked row was written")
	}
	if err := holder.Rollback(); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil || !used(1) {
		t.Errorf("the row that had been locked was not written: %v", err)
	}
}

func TestRequirement26TheLongestFilters(t *testing.T) {
	sqldbtest.LongestFilters(t, open(t, pool(t, servers.Postgres(t).Database(t)), quiet))
}

func TestRequirement29InputIsNeverPartOfAStatement(t *testing.T) {
	for name, dsn := range map[string]string{
		"cached":  servers.Postgres(t).Database(t),
		"unnamed": simpleProtocol(t, servers.Postgres(t).Database(t)), // pgx itself puts arguments into statements here: what database/sql hands over is seen
	} {
		t.Run(name, func(t *testing.T) {
			db, log := sqldbtest.Open(t, "pgx", dsn)
			sqldbtest.Injection(t, open(t, db, quiet), log)
		})
	}
}

func TestRequirement29APageCostsTheSameWhereverItIs(t *testing.T) {
	db, log := sqldbtest.Open(t, "pgx", servers.Postgres(t).Database(t))
	explain := func(statement string, args ...any) string {
		if _, err := db.ExecContext(t.Context(), "ANALYZE latchkey_key"); err != nil {
			t.Fatal(err)
		}
		rows, err := db.QueryContext(t.Context(), "EXPLAIN "+statement, args...)
		if err != nil {
			t.Fatal(err)
		}
		defer rows.Close()
		plan := ""
		for rows.Next() {
			var line string
			if err := rows.Scan(&line); err != nil {
				t.Fatal(err)
			}
			plan += line + "\n"
		}
		return plan
	}
	sqldbtest.Pages(t, open(t, db, quiet), log, explain, []string{"Seq Scan"}, []string{"Sort"})
}
