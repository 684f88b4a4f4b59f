package postgres_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/latchkey-go/latchkey/store"
	"github.com/latchkey-go/latchkey/store/internal/sqldb"
	"github.com/latchkey-go/latchkey/store/internal/sqldb/sqldbtest"
	"github.com/latchkey-go/latchkey/store/postgres"
	"github.com/latchkey-go/latchkey/store/storetest/servers"
)

// version is a program that knows more than this one.
type version struct {
	schema string
	sqldbtest.Version
}

func (v version) dialect(tb testing.TB) sqldb.Dialect {
	tb.Helper()
	d, err := postgres.Options{Schema: v.schema}.Dialect()
	if err != nil {
		tb.Fatal(err)
	}
	return v.Of(tb, d)
}

func withSteps(steps ...string) version { return version{Version: sqldbtest.Version{Steps: steps}} }

// instance is a running program.
type instance struct {
	*sqldb.Store
	log *lines
}

func (v version) options(log *lines) sqldb.Options {
	return sqldb.Options{Logger: slog.New(slog.NewTextHandler(log, nil)), IndexAfter: time.Nanosecond}
}

// start opens a store, which is ready, and is closed at the end of the test.
func (v version) start(t *testing.T, db *sql.DB) instance {
	t.Helper()
	log := &lines{}
	s, err := sqldb.Open(db, v.dialect(t), v.options(log))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	sqldbtest.Eventually(t, "ready", func() bool { return s.Ready(t.Context()) == nil })
	return instance{s, log}
}

// says polls until the log has a text.
func (i instance) says(t *testing.T, text string) {
	t.Helper()
	sqldbtest.Eventually(t, "in the log: "+text, func() bool { return strings.Contains(i.log.String(), text) })
}

// serves tests that keys are looked up and changed.
func (i instance) serves(t *testing.T) {
	t.Helper()
	if err := i.Ready(t.Context()); err != nil {
		t.Error(err)
	}
	if _, err := i.Lookup(t.Context(), sqldbtest.LookupID(1), ""); err != nil {
		t.Error(err)
	}
	if _, err := i.Change(t.Context(), store.Actor{}, func(tx store.Tx) error {
		return tx.Append(t.Context(), nil, sqldbtest.Event(store.Imported))
	}); err != nil {
		t.Error(err)
	}
}

// answer returns what a query of one value says.
func answer[T any](t *testing.T, db *sql.DB, query string) (v T) {
	t.Helper()
	if err := db.QueryRow(query).Scan(&v); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return v
}

// busy begins a transaction that runs a statement, and returns what ends it.
func busy(t *testing.T, db *sql.DB, statement string) (end func()) {
	t.Helper()
	tx, err := db.Begin()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = tx.Rollback() })
	if _, err := tx.Exec(statement); err != nil {
		t.Fatal(err)
	}
	return func() {
		if err := tx.Rollback(); err != nil {
			t.Error(err)
		}
	}
}

const (
	reading = `SELECT count(*) FROM latchkey_key`
	// writing is what a change of a key takes too. An index of the table is not begun until it
	// ends.
	writing = `LOCK TABLE latchkey_key IN ROW EXCLUSIVE MODE`

	queued   = `SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'latchkey_key'::regclass`
	building = `SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'CREATE %INDEX CONCURRENTLY%' AND state = 'active'
		AND datname = current_database()`

	// alone is how many hold the lock of those who make indexes, and no snapshot with it.
	alone = `SELECT count(*) FROM pg_locks l JOIN pg_stat_activity a USING (pid) WHERE l.locktype = 'advisory' AND l.granted
		AND l.mode = 'ExclusiveLock' AND a.datname = current_database() AND a.backend_xmin IS NULL`

	byTitle = "CREATE INDEX IF NOT EXISTS latchkey_key_title ON latchkey_key (title) WHERE title <> '';\n"
	// byTitleState is NULL while there is no such index.
	byTitleState = `SELECT (SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass('latchkey_key_title'))`
)

var withTitles = version{Version: sqldbtest.Version{Indexes: "-- Lists by title.\n" + byTitle}}

func waitForTitles(t *testing.T, db *sql.DB) {
	t.Helper()
	sqldbtest.Eventually(t, "the index", func() bool { return answer[sql.NullBool](t, db, byTitleState).Bool })
}

func TestMigrationsAreInstant(t *testing.T) { sqldbtest.Instant(t, version{}.dialect(t)) }

func TestAMigrationDoesNotKeepLookupsWaiting(t *testing.T) {
	db := pool(t, servers.Postgres(t).Database(t))
	old := version{}.start(t, db)
	end := busy(t, db, reading) // as pg_dump does

	log, migrated := &lines{}, make(chan error)
	v := withSteps("ALTER TABLE latchkey_key ADD COLUMN more text;\n")
	go func() {
		_, _, _, err := sqldb.Migrate(t.Context(), db, v.dialect(t), v.options(log), false)
		migrated <- err
	}()
	instance{nil, log}.says(t, "the migration waits")
	for range 200 {
		if n := answer[int](t, db, queued); n != 0 {
			t.Fatalf("%d wait for a lock of the table", n)
		}
		if _, err := old.Lookup(t.Context(), sqldbtest.LookupID(1), ""); err != nil {
			t.Fatal(err)
		}
	}
	old.serves(t)
	select {
	case err := <-migrated:
		t.Fatalf("migrated although the table is in use: %v", err)
	default:
	}
	end()
	if err := <-migrated; err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(log.String(), "the migration waits"); n != 1 {
		t.Errorf("one long transaction has stopped %d attempts:\n%s", n, log)
	}
	if n := answer[int](t, db, `SELECT count(more) FROM latchkey_key`); n != 0 {
		t.Error(n)
	}
	old.serves(t)
}

func TestAMigrationHasOneBudgetForAllItsLocks(t *testing.T) {
	dsn := servers.Postgres(t).Database(t)
	version{}.start(t, pool(t, dsn))
	db, sent := sqldbtest.Open(t, "pgx", dsn)
	withSteps("ALTER TABLE latchkey_key ADD COLUMN more text;\nSELECT pg_sleep(0.3);\nALTER TABLE latchkey_event ADD COLUMN more text;\n").start(t, db)
	var waits []string
	for _, s := range sent.Take() {
		if wait, is := strings.CutPrefix(s, "SET LOCAL lock_timeout = "); is {
			waits = append(waits, wait)
		}
	}
	if len(waits) != 3 || len(waits[0]) != 3 || waits[0] > "200" || waits[2] != "1" {
		t.Errorf("the statements may wait %v ms for their locks", waits)
	}
}

func TestAMigrationGoesOnAfterOneThatWasStopped(t *testing.T) {
	db := pool(t, servers.Postgres(t).Database(t))
	version{}.start(t, db)
	end := busy(t, db, `LOCK TABLE latchkey_event IN ACCESS SHARE MODE`)
	v := withSteps("ALTER TABLE latchkey_key ADD COLUMN more text;\n", "ALTER TABLE latchkey_event ADD COLUMN more text;\n")
	ctx, stop := context.WithCancel(t.Context())
	log, stopped := &lines{}, make(chan error)
	go func() {
		_, _, _, err := sqldb.Migrate(ctx, db, v.dialect(t), v.options(log), false)
		stopped <- err
	}()
	instance{nil, log}.says(t, "the migration waits")
	stop()
	if err := <-stopped; !errors.Is(err, store.ErrUnavailable) || state(err) != "55P03" {
		t.Errorf("Migrate: %v", err)
	}
	before := answer[int](t, db, `SELECT version FROM latchkey_version`)
	if n := answer[int](t, db, `SELECT count(*) FROM pg_attribute WHERE attname = 'more'`); n != 0 {
		t.Errorf("%d columns are left behind", n)
	}
	end()
	v.start(t, db).serves(t)
	if after := answer[int](t, db, `SELECT version FROM latchkey_version`); after != before+2 {
		t.Errorf("version %d after %d", after, before)
	}
}

func TestIndexes(t *testing.T) {
	t.Run("come with the tables of an empty database", func(t *testing.T) {
		db := pool(t, servers.Postgres(t).Database(t))
		i := withTitles.start(t, db)
		if !answer[sql.NullBool](t, db, byTitleState).Bool || strings.Contains(i.log.String(), "index") {
			t.Errorf("the index is not there at once:\n%s", i.log)
		}
	})

	t.Run("are made once while all instances serve", func(t *testing.T) {
		madeOnce(t, "", func(dsn string) string { return dsn })
	})

	t.Run("that failed are dropped and made again", func(t *testing.T) {
		db := pool(t, servers.Postgres(t).Database(t))
		old := version{}.start(t, db)
		if _, err := old.Change(t.Context(), store.Actor{}, func(tx store.Tx) error {
			for n := range 2 {
				r := sqldbtest.Record(n)
				r.Key.Title = "twice"
				if err := tx.Insert(t.Context(), r, sqldbtest.Event(store.Created)); err != nil {
					return err
				}
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		i := version{Version: sqldbtest.Version{Indexes: strings.Replace(byTitle, "INDEX", "UNIQUE INDEX", 1)}}.start(t, db)
		i.says(t, "an index could not be made: trying again")
		if valid := answer[sql.NullBool](t, db, byTitleState); !valid.Valid || valid.Bool {
			t.Errorf("no broken index is left: %v", valid)
		}
		i.serves(t)
		if _, err := db.Exec(`UPDATE latchkey_key SET title = id`); err != nil {
			t.Fatal(err)
		}
		waitForTitles(t, db)
		i.says(t, "an index was not completed: it is dropped and made again")
		i.says(t, "index made")
	})

	t.Run("that Close has stopped are made at the next start", func(t *testing.T) {
		db := pool(t, servers.Postgres(t).Database(t))
		version{}.start(t, db)
		end := busy(t, db, writing)
		i := withTitles.start(t, db)
		sqldbtest.Eventually(t, "it builds", func() bool { return answer[int](t, db, building) == 1 })
		if err := i.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		sqldbtest.Eventually(t, "it builds no more", func() bool { return answer[int](t, db, building) == 0 })
		end()
		if valid := answer[sql.NullBool](t, db, byTitleState); !valid.Valid || valid.Bool {
			t.Errorf("no broken index is left: %v", valid)
		}
		again := withTitles.start(t, db)
		waitForTitles(t, db)
		again.says(t, "an index was not completed")
	})

	t.Run("that a process was killed over are left to the server, which goes on", func(t *testing.T) {
		dsn := servers.Postgres(t).Database(t)
		db := pool(t, dsn)
		version{}.start(t, db)
		end := busy(t, db, writing)
		server := servers.Postgres(t)
		network := servers.Proxy(t, server.Addr())
		killed, err := pgx.Connect(t.Context(), throughProxy(t, dsn, network.Addr()))
		if err != nil {
			t.Fatal(err)
		}
		gone := make(chan error)
		go func() {
			_, err := killed.Exec(context.Background(), `CREATE INDEX CONCURRENTLY latchkey_key_title ON latchkey_key (title)`)
			gone <- err
		}()
		sqldbtest.Eventually(t, "it builds", func() bool { return answer[sql.NullBool](t, db, byTitleState).Valid })
		network.Cut() // as SIGKILL does: nothing is cancelled
		<-gone
		i := withTitles.start(t, db)
		log := &lines{}
		waited := make(chan []string)
		go func() {
			_, _, made, err := sqldb.Migrate(t.Context(), db, withTitles.dialect(t), withTitles.options(log), false)
			if err != nil {
				t.Error(err)
			}
			waited <- made
		}()
		instance{nil, log}.says(t, "waiting for another instance")
		i.serves(t)
		end()
		waitForTitles(t, db)
		if made := <-waited; len(made) != 0 || strings.Contains(i.log.String(), "making an index") {
			t.Errorf("%v was made again:\n%s", made, i.log)
		}
	})

	t.Run("are made by Migrate, which says which", func(t *testing.T) {
		db := pool(t, servers.Postgres(t).Database(t))
		version{}.start(t, db)
		for _, c := range []struct {
			conns int
			dry   bool
			want  string
			err   error
		}{
			{0, true, "[latchkey_key_title]", nil},
			{1, false, "[]", store.ErrInvalid},
			{2, false, "[latchkey_key_title]", nil},
			{2, false, "[]", nil},
			{1, true, "[]", nil},
		} {
			db.SetMaxOpenConns(c.conns)
			from, to, made, err := sqldb.Migrate(t.Context(), db, withTitles.dialect(t), withTitles.options(&lines{}), c.dry)
			if fmt.Sprint(made) != c.want || from != to || !errors.Is(err, c.err) {
				t.Errorf("%+v: from %d to %d, %v, %v", c, from, to, made, err)
			}
		}
	})

	t.Run("are left to others by pools that would have no connection left for lookups", func(t *testing.T) {
		for _, conns := range []int{1, 2} {
			db := pool(t, servers.Postgres(t).Database(t))
			version{}.start(t, db)
			db.SetMaxOpenConns(conns)
			i := withTitles.start(t, db)
			i.says(t, "run latchkey migrate")
			i.serves(t)
			if answer[sql.NullBool](t, db, byTitleState).Valid {
				t.Error("it is made")
			}
		}
	})

	t.Run("are left alone in a schema that is newer", func(t *testing.T) {
		db := pool(t, servers.Postgres(t).Database(t))
		withSteps("SELECT 1;\n").start(t, db)
		i := withTitles.start(t, db)
		i.serves(t)
		_, _, made, err := sqldb.Migrate(t.Context(), db, withTitles.dialect(t), withTitles.options(&lines{}), false)
		if len(made) != 0 || err != nil || answer[sql.NullBool](t, db, byTitleState).Valid {
			t.Errorf("%v, %v\n%s", made, err, i.log)
		}
	})
}

// madeOnce tests that one of two instances makes an index, and that all serve meanwhile. through
// leads them to the database of a DSN.
func madeOnce(t *testing.T, schema string, through func(dsn string) string) {
	dsn := servers.Postgres(t).Database(t)
	admin := pool(t, setting(t, dsn, "search_path", "latchkey,public"))
	dsn = through(dsn)
	if err := pool(t, dsn).Ping(); err != nil { // PgBouncer's first connection may take long
		t.Fatal(err)
	}
	old := version{schema: schema}.start(t, pool(t, dsn))
	end := busy(t, admin, writing)
	v := withTitles
	v.schema = schema
	one := v.start(t, pool(t, dsn))
	two := v.start(t, pool(t, dsn))
	sqldbtest.Eventually(t, "one builds", func() bool { return answer[int](t, admin, building) == 1 })
	for range 50 {
		for _, i := range []instance{old, one, two} {
			i.serves(t)
		}
		if n := answer[int](t, admin, building); n != 1 {
			t.Fatalf("%d build the index", n)
		}
	}
	sqldbtest.Eventually(t, "one alone may build, although it is idle for longer than is allowed", func() bool {
		return answer[int](t, admin, alone+" AND clock_timestamp() - a.state_change > interval '400 milliseconds'") == 1
	})
	end()
	waitForTitles(t, admin)
	logs := one.log.String() + two.log.String()
	if strings.Count(logs, "making an index") != 1 || strings.Contains(logs, "WARN") {
		t.Errorf("made %d times:\n%s", strings.Count(logs, "making an index"), logs)
	}
	sqldbtest.Eventually(t, "it says so", func() bool {
		return strings.Contains(one.log.String()+two.log.String(), `msg="index made" store=postgres index=latchkey_key_title took=`)
	})
	sqldbtest.Eventually(t, "the lock is free", func() bool { return answer[int](t, admin, alone) == 0 })
}

func TestIndexesMore(t *testing.T) {
	bouncer := servers.NewPgBouncer(t, servers.Postgres(t), "default_pool_size=4")
	for name, through := range map[string]func(dsn string) string{
		"behind PgBouncer": func(dsn string) string {
			return setting(t, bouncer.DSN(dsn), "default_query_exec_mode", "exec")
		},
		"where idle transactions are ended, and have snapshots": func(dsn string) string {
			dsn = setting(t, dsn, "default_transaction_isolation", "repeatable read")
			return strings.ReplaceAll(setting(t, dsn, "idle_in_transaction_session_timeout", "200"), "+", "%20")
		},
	} {
		for _, schema := range []string{"", "latchkey"} {
			t.Run(strings.TrimSpace("are made once "+name+" "+schema), func(t *testing.T) { madeOnce(t, schema, through) })
		}
	}
	t.Run("that the role may not make cost one warning, which names the right", func(t *testing.T) {
		p := newRealm(t).database(t).migrated(t)
		i := withTitles.start(t, pool(t, p.as(t, "latchkey_run")))
		i.says(t, "GRANT latchkey_owner TO latchkey_run")
		i.serves(t)
		if n := strings.Count(i.log.String(), "WARN"); n != 1 {
			t.Errorf("%d warnings:\n%s", n, i.log)
		}
	})
}
