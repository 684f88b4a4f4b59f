// Package postgres stores keys in a PostgreSQL database (13 or newer). It imports no driver: the
// program provides the driver and the pool.
//
//	db, err := sql.Open("pgx", os.Getenv("DATABASE_URL")) // with github.com/jackc/pgx/v5/stdlib
//	...
//	rows, err := postgres.Open(db)
//	...
//	keys := store.New(rows)
//
// The names of all tables begin with latchkey_, so that they can share a database with the app. The
// package leaves no named prepared statements and no settings in a session. Behind PgBouncer in
// transaction mode, use pgx's default_query_exec_mode=exec (docs/operations.md). The DSN must lead
// to the primary, never to a read replica.
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

// Store is a store.Store in a PostgreSQL database. In addition, Ready answers a readiness probe,
// and Err returns the error that makes the store unusable, if there is one.
type Store struct{ *sqldb.Store }

// Options are the settings of a Store. The zero value is what Open uses.
type Options struct {
	// Schema is the schema of the tables, and is created if it does not exist: a lower-case letter
	// or _, then at most 62 of those and digits. Empty: the first schema of the connection's
	// search_path, usually public.
	Schema string
	// Logger receives a message when the database is unreachable at the start and when it becomes
	// reachable. Nil: slog.Default().
	Logger *slog.Logger
	// Timeout bounds each statement, even if the context has a later deadline. Zero: 1 s.
	Timeout time.Duration
	// Role and Database are those of the pool. An error about a refused connection names them,
	// because the server cannot be queried then. Empty: the error says ROLE and DATABASE.
	Role, Database string
	// Listen makes changes faster without Redis: other processes see a change at once, instead of
	// within a quarter of their lease. It sends the statement, a LISTEN, through a connection of
	// its own, which is not one of the pool's. It calls notified then and for every notification,
	// and returns when ctx ends or the connection is lost. The cache calls it again, after a pause.
	// With pgx:
	//
	//	conn, err := pgx.Connect(ctx, url)
	//	if err != nil { return err }
	//	defer conn.Close(context.Background())
	//	_, err = conn.Exec(ctx, statement)
	//	for ; err == nil; _, err = conn.WaitForNotification(ctx) {
	//		notified()
	//	}
	//	return err
	//
	// Behind PgBouncer in transaction mode leave it out: LISTEN has no effect there. Nil: no
	// LISTEN.
	Listen func(ctx context.Context, statement string, notified func()) error
}

// Open is Options{}.Open.
func Open(db *sql.DB) (*Store, error) { return Options{}.Open(db) }

// Open migrates the schema and returns a Store. An error means that a retry does not help. It
// matches store.ErrSchemaTooNew, store.ErrWrongDialect, store.ErrNoAccess (a wrong password, an
// unknown database, a missing right; the message has the statement that grants it) or, for a bad
// Schema, store.ErrInvalid. If the database is unreachable, Open returns a Store that returns
// store.ErrUnavailable until it is reachable. The caller closes the pool, after the Store.
//
// A role without the right to change the schema can open a database that another role has migrated;
// docs/operations.md lists the rights. A role that may only read is accepted as well: Ready then
// names the rights that changes need.
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

// Migrate migrates the schema, as Open does, and returns the versions before and after. Use it to
// migrate with a separate role. It also creates the missing indexes, which Open does in the
// background, and returns their names. With dry it only reads. It waits for the database and the
// indexes until ctx ends. Errors are those of Open, and store.ErrUnavailable if the database is
// unreachable.
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
	d.Rights, d.ErrorHints, d.Listen = rights(o.Schema), o.errorHints(), o.Listen
	return d, nil
}

func dialect(schema string) sqldb.Dialect {
	d := sqldb.Dialect{
		Name:       "postgres",
		Migrations: migrations,
		Indexes:    sqldb.Indexes(),
		Numbered:   true,
		Probe:      `SELECT version()`,
		Matches:    func(answer string) bool { return strings.HasPrefix(answer, "PostgreSQL ") },
		Begin:      `BEGIN ISOLATION LEVEL READ COMMITTED`,
		// Instances with different schemas wait for each other too, which costs nothing.
		Lock:        []string{`SELECT pg_advisory_xact_lock(hashtextextended('latchkey_migration', 0))`},
		Isolation:   sql.LevelReadCommitted,
		Writers:     4, // the next change begins before the lock is free
		TakeFeed:    takeFeed,
		WritableCTE: true,
		Confirm:     `UPDATE latchkey_feed SET head = head WHERE id = 1`,
		Notify:      `SELECT pg_notify('latchkey:' || feed_id, '') FROM latchkey_feed WHERE id = 1`,
		Time:        func(t time.Time) any { return t },
		Now:         `clock_timestamp()`,
		Later:       `clock_timestamp() + CAST(? AS bigint) * interval '1 millisecond'`,
		Contains:    `strpos(%s, ?) > 0`,
		InList:      `%s = ANY (ARRAY(SELECT json_array_elements_text(CAST(? AS json))))`,
		Touch: `UPDATE latchkey_key k SET last_used_at = u.at FROM ` + usesTable + `
			WHERE k.id = u.id AND (k.last_used_at IS NULL OR k.last_used_at < u.at)`,
		TouchUnlocked: touchUnlocked,
		LockWait:      `SET LOCAL lock_timeout = %d`,
		Holders:       holders,
		IndexState:    indexState,
		DropIndex:     `DROP INDEX CONCURRENTLY IF EXISTS %s`,
		Concurrently:  `CONCURRENTLY `,
		IndexLock:     indexLock,
		AllowIdle:     `SET LOCAL idle_in_transaction_session_timeout = 0`,
		// This reads pg_class, because to_regclass answers from a cache that may be older than the
		// lock.
		Migrated: `SELECT count(*) FROM pg_class WHERE relname = 'latchkey_version' AND pg_table_is_visible(oid)`,
	}
	if schema != "" {
		name := quoted(schema)
		d.Schema = name + "."
		d.Migrated = `SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
			WHERE c.relname = 'latchkey_version' AND n.nspname = '` + schema + `'`
		// The migrations use table names without a schema. CREATE SCHEMA needs a right even if the
		// schema exists.
		d.Lock = append(d.Lock,
			`DO $$ BEGIN IF NOT EXISTS (SELECT FROM pg_namespace WHERE nspname = '`+schema+`') THEN CREATE SCHEMA `+name+`; END IF; END $$`,
			`SELECT set_config('search_path', '`+name+`', true)`)
	}
	return d
}

// holders lists the process id, for pg_terminate_backend, and the transaction id, which differs
// between two transactions of a process.
const holders = `SELECT DISTINCT concat('process ', pid, ', transaction ', virtualtransaction) FROM pg_locks
	WHERE granted AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
		AND relation IN (SELECT oid FROM pg_class WHERE relname LIKE 'latchkey\_%' AND relkind IN ('r', 'p'))`

// indexState returns "at work" while a process creates the index. The process continues without its
// client, and the index is not valid until it ends.
const indexState = `SELECT coalesce((SELECT CASE WHEN i.indisvalid THEN 'valid'
		WHEN EXISTS (SELECT FROM pg_stat_progress_create_index p WHERE p.index_relid = c.oid) THEN 'at work' ELSE 'broken' END
	FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid WHERE c.relname = ? AND i.indrelid = to_regclass(?)), 'missing')`

// indexLock also disables transaction_timeout, which servers before 17 do not have.
const indexLock = `SELECT pg_try_advisory_xact_lock(hashtextextended('latchkey_indexes', 0)) FROM (SELECT count(set_config(name, '0', true))
	FROM pg_settings WHERE name = 'transaction_timeout') AS forever`

// takeFeed takes the feed's lock. In the same round trip it limits, for this transaction only, the
// wait for a lock and the idle time with one (protocol 14).
var takeFeed = fmt.Sprintf(`WITH limits AS MATERIALIZED (
		SELECT set_config('lock_timeout', '%[1]d', true), set_config('idle_in_transaction_session_timeout', '%[1]d', true))
	UPDATE latchkey_feed SET head = head + 1, tagged = head + 1, tag = {tag} # CAST(? AS bigint)
	FROM limits WHERE id = 1 RETURNING feed_id, head, keys, level, tag`, sqldb.LockWaitMillis)

// usesTable is the argument of a touch as a table.
const usesTable = `(SELECT value ->> 0 AS id, to_timestamp((value ->> 1)::bigint / 1000.0) AS at
	FROM json_array_elements(CAST(? AS json)) AS value) AS u`

// touchUnlocked skips locked rows. It returns the ids that needed a write but were locked.
const touchUnlocked = `WITH due AS MATERIALIZED (
		SELECT k.id, u.at FROM latchkey_key k JOIN ` + usesTable + ` ON k.id = u.id
		WHERE k.last_used_at IS NULL OR k.last_used_at < u.at),
	free AS MATERIALIZED (
		SELECT k.id FROM latchkey_key k WHERE k.id IN (SELECT id FROM due) FOR NO KEY UPDATE SKIP LOCKED),
	moved AS (
		UPDATE latchkey_key k SET last_used_at = due.at FROM due JOIN free ON free.id = due.id
		WHERE k.id = due.id AND (k.last_used_at IS NULL OR k.last_used_at < due.at))
	SELECT id FROM due WHERE id NOT IN (SELECT id FROM free)`
