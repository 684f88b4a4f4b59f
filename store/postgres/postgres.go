// Package postgres keeps keys in a PostgreSQL database (13 or newer). It imports no driver: the program brings one, and the pool.
//
//	db, err := sql.Open("pgx", os.Getenv("DATABASE_URL")) // with github.com/jackc/pgx/v5/stdlib
//	...
//	rows, err := postgres.Open(db)
//	...
//	keys := store.New(rows)
//
// All tables are named latchkey_…, so that they can live in the app's own database. Nothing is
// prepared by name and nothing is left in a session: behind PgBouncer in transaction mode, use
// pgx's default_query_exec_mode=exec (docs/operations.md). The DSN must lead to the primary, never
// to a read replica.
package postgres

import (
	"context"
	"database/sql"
	"embed"
	"fmt"
	"log/slog"
	"regexp"
	"strings"
	"time"

	"github.com/latchkey-go/latchkey/store"
	"github.com/latchkey-go/latchkey/store/internal/sqldb"
)

//go:embed migrations
var migrations embed.FS

// Store is a store.Store in a PostgreSQL database. Beside the methods of that contract, Ready answers a readiness probe, and Err
// tells what keeps the store from ever working, if something does.
type Store struct{ *sqldb.Store }

// Options are for those who need more than Open. The zero value is what Open uses.
type Options struct {
	// Schema holds the tables, and is made if need be: a lower-case letter or _, then at most 62 of those and digits.
	// Empty: the first schema of the connection's search_path, as a rule public.
	Schema string
	// Logger is told when the database is out of reach at the start, and when it is there. Nil: slog.Default().
	Logger *slog.Logger
	// Timeout bounds each statement, whatever the deadline of the context. Zero: 1 s.
	Timeout time.Duration
	// Role and Database are those of the pool. They are named in errors about a connection that the
	// server refused, when it cannot be asked. Empty: such errors say ROLE and DATABASE.
	Role, Database string
	// Listen makes changes faster where there is no Redis: other processes see a change at once,
	// instead of within a quarter of their lease. It sends the statement, a LISTEN, through a
	// connection of its own, which is not one of the pool's, calls notified then and for every
	// notification, and returns when ctx ends or the connection is lost; the cache calls it again,
	// after a pause. With pgx:
	//
	//	conn, err := pgx.Connect(ctx, url)
	//	if err != nil { return err }
	//	defer conn.Close(context.Background())
	//	for _, err = conn.Exec(ctx, statement); err == nil; _, err = conn.WaitForNotification(ctx) { notified() }
	//	return err
	//
	// Behind PgBouncer in transaction mode leave it out: LISTEN has no effect there. Nil: no
	// LISTEN.
	Listen func(ctx context.Context, statement string, notified func()) error
}

// Open is Options{}.Open.
func Open(db *sql.DB) (*Store, error) { return Options{}.Open(db) }

// Open brings the schema up to date and returns a Store. It fails only for what cannot heal, with
// an error that matches store.ErrSchemaTooNew, store.ErrWrongDialect, store.ErrNoAccess (a wrong
// password, no such database, a missing right; the message has the statement that grants it) or,
// for a bad Schema, store.ErrInvalid. With the database out of reach it returns a Store that
// answers store.ErrUnavailable until it is there. The pool stays its owner's, who closes it after
// the Store.
//
// A role that may not change the schema can open a database that another has migrated;
// docs/operations.md lists the rights. One that may only read is let in as well: Ready then says
// what changes need.
func (o Options) Open(db *sql.DB) (*Store, error) {
	d, err := o.dialect()
	if err != nil {
		return nil, err
	}
	s, err := sqldb.Open(db, d, sqldb.Options{Logger: o.Logger, Timeout: o.Timeout})
	if err != nil {
		return nil, err
	}
	return &Store{s}, nil
}

// Migrate brings the schema up to date, as Open does, for those who migrate with a role of its own,
// and returns the versions before and after. It also makes the indexes that are missing, which Open
// does in the background, and returns their names. With dry it only looks. It waits for the
// database and the indexes as long as ctx lets it; errors are those of Open, and
// store.ErrUnavailable when the database is out of reach.
func (o Options) Migrate(ctx context.Context, db *sql.DB, dry bool) (from, to int, indexes []string, err error) {
	d, err := o.dialect()
	if err != nil {
		return 0, 0, nil, err
	}
	return sqldb.Migrate(ctx, db, d, sqldb.Options{Logger: o.Logger, Timeout: o.Timeout}, dry)
}

func (o Options) dialect() (sqldb.Dialect, error) {
	if o.Schema != "" && !regexp.MustCompile(`^[a-z_][a-z0-9_]{0,62}$`).MatchString(o.Schema) {
		return sqldb.Dialect{}, store.Errorf(store.ErrInvalid, "postgres: schema %q is not a lower-case identifier", o.Schema)
	}
	d := dialect(o.Schema)
	d.Rights, d.Refusals, d.Listen = rights(o.Schema), o.refusals(), o.Listen
	return d, nil
}

func dialect(schema string) sqldb.Dialect {
	d := sqldb.Dialect{
		Name:       "postgres",
		Migrations: migrations,
		Indexes:    sqldb.Indexes(),
		Numbered:   true,
		Probe:      `SELECT version()`,
		Speaks:     func(answer string) bool { return strings.HasPrefix(answer, "PostgreSQL ") },
		Begin:      `BEGIN ISOLATION LEVEL READ COMMITTED`,
		// Instances with different schemas wait for each other too, which costs nothing.
		Lock:        []string{`SELECT pg_advisory_xact_lock(hashtextextended('latchkey_migration', 0))`},
		Isolation:   sql.LevelReadCommitted,
		Writers:     4, // so that the next change has begun when the lock is free
		TakeFeed:    takeFeed,
		WritableCTE: true,
		Confirm:     `UPDATE latchkey_feed SET head = head WHERE id = 1`,
		Notify:      `SELECT pg_notify('latchkey:' || feed_id, '') FROM latchkey_feed WHERE id = 1`,
		Time:        func(t time.Time) any { return t },
		Now:         `clock_timestamp()`,
		Later:       `clock_timestamp() + CAST(? AS bigint) * interval '1 millisecond'`,
		Contains:    `strpos(%s, ?) > 0`,
		Among:       `%s = ANY (ARRAY(SELECT json_array_elements_text(CAST(? AS json))))`,
		Touch: `UPDATE latchkey_key k SET last_used_at = u.at FROM ` + used + `
			WHERE k.id = u.id AND (k.last_used_at IS NULL OR k.last_used_at < u.at)`,
		TouchFree:    touchFree,
		LockWait:     `SET LOCAL lock_timeout = %d`,
		Holders:      holders,
		IndexState:   indexState,
		DropIndex:    `DROP INDEX CONCURRENTLY IF EXISTS %s`,
		Concurrently: `CONCURRENTLY `,
		Alone:        alone,
		Idle:         `SET LOCAL idle_in_transaction_session_timeout = 0`,
		// The table of tables is read because to_regclass answers from a cache that may be older than the lock.
		Migrated: `SELECT count(*) FROM pg_class WHERE relname = 'latchkey_version' AND pg_table_is_visible(oid)`,
	}
	if schema != "" {
		quoted := `"` + schema + `"`
		d.Schema = quoted + "."
		d.Migrated = `SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
			WHERE c.relname = 'latchkey_version' AND n.nspname = '` + schema + `'`
		// The migrations name their tables bare. CREATE SCHEMA needs a right even where there is nothing to create.
		d.Lock = append(d.Lock,
			`DO $$ BEGIN IF NOT EXISTS (SELECT FROM pg_namespace WHERE nspname = '`+schema+`') THEN CREATE SCHEMA `+quoted+`; END IF; END $$`,
			`SELECT set_config('search_path', '`+quoted+`', true)`)
	}
	return d
}

// holders has what pg_terminate_backend needs, and what tells a transaction from the next of the
// same process.
const holders = `SELECT DISTINCT concat('process ', pid, ', transaction ', virtualtransaction) FROM pg_locks
	WHERE granted AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
		AND relation IN (SELECT oid FROM pg_class WHERE relname LIKE 'latchkey\_%' AND relkind IN ('r', 'p'))`

// indexState: a process that makes an index goes on without its client, and until then the index is
// not valid.
const indexState = `SELECT coalesce((SELECT CASE WHEN i.indisvalid THEN 'valid'
		WHEN EXISTS (SELECT FROM pg_stat_progress_create_index p WHERE p.index_relid = c.oid) THEN 'at work' ELSE 'broken' END
	FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid WHERE c.relname = ? AND i.indrelid = to_regclass(?)), 'missing')`

// alone also ends transaction_timeout, which servers before 17 do not know.
const alone = `SELECT pg_try_advisory_xact_lock(hashtextextended('latchkey_indexes', 0)) FROM (SELECT count(set_config(name, '0', true))
	FROM pg_settings WHERE name = 'transaction_timeout') AS forever`

// takeFeed sets, for this transaction only, how long it waits for a lock and how long it may idle
// while it holds one (protocol 14), in the same round trip as it asks for the lock.
var takeFeed = fmt.Sprintf(`WITH limits AS MATERIALIZED (
		SELECT set_config('lock_timeout', '%[1]d', true), set_config('idle_in_transaction_session_timeout', '%[1]d', true))
	UPDATE latchkey_feed SET head = head + 1, tagged = head + 1, tag = {tag} # CAST(? AS bigint)
	FROM limits WHERE id = 1 RETURNING feed_id, head, keys, level, tag`, sqldb.LockWaitMillis)

// used is the argument of a touch as a table.
const used = `(SELECT value ->> 0 AS id, to_timestamp((value ->> 1)::bigint / 1000.0) AS at
	FROM json_array_elements(CAST(? AS json)) AS value) AS u`

// touchFree skips rows that somebody has locked. What it returns was due and was not written, so it was locked.
const touchFree = `WITH due AS MATERIALIZED (
		SELECT k.id, u.at FROM latchkey_key k JOIN ` + used + ` ON k.id = u.id
		WHERE k.last_used_at IS NULL OR k.last_used_at < u.at),
	free AS MATERIALIZED (
		SELECT k.id FROM latchkey_key k WHERE k.id IN (SELECT id FROM due) FOR NO KEY UPDATE SKIP LOCKED),
	moved AS (
		UPDATE latchkey_key k SET last_used_at = due.at FROM due JOIN free ON free.id = due.id
		WHERE k.id = due.id AND (k.last_used_at IS NULL OR k.last_used_at < due.at))
	SELECT id FROM due WHERE id NOT IN (SELECT id FROM free)`
