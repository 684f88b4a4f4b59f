// Package sqlite stores keys in an SQLite database (3.37 or newer). It imports no driver: the
// program provides the driver and the pool.
//
//	db, err := sql.Open("sqlite", "latchkey.db?_pragma=busy_timeout(5000)") // modernc.org/sqlite
//	...
//	rows, err := sqlite.Open(db)
//	...
//	keys := store.New(rows)
//
// Several processes may use one file. Connections of the pool need a busy_timeout; otherwise Open
// returns an error. Open sets the file to WAL mode. The names of all tables begin with latchkey_.
package sqlite

import (
	"context"
	"database/sql"
	"embed"
	"log/slog"
	"time"

	"github.com/latchkey-go/latchkey/store"
	"github.com/latchkey-go/latchkey/store/internal/sqldb"
)

//go:embed migrations
var migrations embed.FS

// Store is a store.Store in an SQLite database. In addition, Ready answers a readiness probe, and
// Err returns the error that makes the store unusable, if there is one.
type Store struct{ *sqldb.Store }

// Options are the settings of a Store. The zero value is what Open uses.
type Options struct {
	// Logger receives a message when the database is unreachable at the start and when it becomes
	// reachable. Nil: slog.Default().
	Logger *slog.Logger
	// Timeout bounds each statement, even if the context has a later deadline. Zero: 1 s.
	Timeout time.Duration
	// File is the path of the database file, as in the DSN. With it, errors name the file from the
	// beginning, and the Store notices when a symbolic link in the path changes. "": the path that
	// SQLite reports, without links.
	File string
}

// Open is Options{}.Open.
func Open(db *sql.DB) (*Store, error) { return Options{}.Open(db) }

// Open migrates the schema and returns a Store. An error means that a retry does not help. It
// matches store.ErrSchemaTooNew, store.ErrWrongDialect or, for a pool without busy_timeout,
// store.ErrInvalid. If the database is unreachable, Open returns a Store that returns
// store.ErrUnavailable until it is reachable. The caller closes the pool, after the Store.
func (o Options) Open(db *sql.DB) (*Store, error) {
	s, err := sqldb.Open(db, dialect(o.File), sqldb.Options{Logger: o.Logger, Timeout: o.Timeout})
	if err != nil {
		return nil, err
	}
	return &Store{s}, nil
}

// Migrate migrates the schema, as Open does, and returns the versions before and after. It also
// creates the missing indexes, which Open does in the background, and returns their names. With dry
// it only reads.
func (o Options) Migrate(ctx context.Context, db *sql.DB, dry bool) (from, to int, indexes []string, err error) {
	return sqldb.Migrate(ctx, db, dialect(o.File), sqldb.Options{Logger: o.Logger, Timeout: o.Timeout}, dry)
}

func dialect(path string) sqldb.Dialect {
	f := &file{given: path}
	const now = `CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER)` // Unix milliseconds
	return sqldb.Dialect{
		Unprepared: true,
		Name:       "sqlite",
		Migrations: migrations,
		Indexes:    sqldb.Indexes(),
		Probe:      `SELECT sqlite_version()`,
		Matches:    func(string) bool { return true },
		Prepare:    f.prepare,
		Files:      f,
		Begin:      `BEGIN IMMEDIATE`,
		Migrated:   `SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = 'latchkey_version'`,
		Writers:    1, // SQLite does not queue for the file's lock
		TakeFeed: `UPDATE latchkey_feed SET head = head + 1, tagged = head + 1, tag = ({tag} | ?1) & ~({tag} & ?1)
			WHERE id = 1 RETURNING feed_id, head, keys, level, tag`,
		Time:     func(t time.Time) any { return t.UnixMilli() },
		Now:      now,
		Later:    now + ` + ?`,
		Contains: `instr(%s, ?) > 0`,
		InList:   `%s IN (SELECT value FROM json_each(?))`,
		Touch: `UPDATE latchkey_key SET last_used_at = u.at
			FROM (SELECT json_extract(value, '$[0]') AS id, json_extract(value, '$[1]') AS at FROM json_each(?)) AS u
			WHERE latchkey_key.id = u.id AND (last_used_at IS NULL OR last_used_at < u.at)`,
		IndexState: `SELECT CASE WHEN EXISTS (SELECT 1 FROM sqlite_master WHERE type = 'index' AND name = ? AND tbl_name = ?)
			THEN 'valid' ELSE 'missing' END`,
	}
}

// prepare checks the pool's settings. It sets the file to WAL mode, in which readers and the one
// writer do not wait for each other.
func (f *file) prepare(ctx context.Context, db *sql.DB, conn *sql.Conn) error {
	var busyTimeout int
	if err := conn.QueryRowContext(ctx, `PRAGMA busy_timeout`).Scan(&busyTimeout); err != nil {
		return err
	}
	if busyTimeout == 0 {
		return store.Errorf(store.ErrInvalid, "sqlite: the pool's connections have no busy_timeout, so concurrent writes would fail: "+
			"append ?_pragma=busy_timeout(5000) to the DSN (modernc.org/sqlite), or set it as your driver requires")
	}
	if err := conn.QueryRowContext(ctx, `SELECT file FROM pragma_database_list WHERE name = 'main'`).Scan(&f.path); err != nil {
		return err
	}
	if f.path == "" {
		if db.Stats().MaxOpenConnections != 1 {
			return store.Errorf(store.ErrInvalid, "sqlite: a database in memory exists once per "+
				"connection and is lost with it: use a file, or store.NewMemory. (For a test: db.SetMaxOpenConns(1))")
		}
		return nil
	}
	return setWAL(ctx, conn)
}

// setWAL sets WAL mode. It retries, because SQLite ignores busy_timeout while it changes the mode.
func setWAL(ctx context.Context, conn *sql.Conn) error {
	for {
		var mode string
		err := conn.QueryRowContext(ctx, `PRAGMA journal_mode`).Scan(&mode)
		if err == nil && mode == "wal" {
			return nil
		}
		if err == nil {
			err = conn.QueryRowContext(ctx, `PRAGMA journal_mode = WAL`).Scan(&mode)
		}
		if !sqldb.IsBusy(err) {
			return err // or nil: without shared memory the old mode stays, which is slower but safe
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(5 * time.Millisecond):
		}
	}
}
