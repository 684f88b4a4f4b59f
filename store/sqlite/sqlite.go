// Package sqlite keeps keys in an SQLite database (3.37 or newer). It imports no driver: the program brings one, and the pool.
//
//	db, err := sql.Open("sqlite", "latchkey.db?_pragma=busy_timeout(5000)") // with modernc.org/sqlite
//	...
//	rows, err := sqlite.Open(db)
//	...
//	keys := store.New(rows)
//
// Several processes may use one file. The pool must give its connections a busy_timeout; Open refuses one that does not, and
// sets the file to WAL mode. All tables are named latchkey_….
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

// Store is a store.Store in an SQLite database. Beside the methods of that contract, Ready answers a readiness probe, and Err
// tells what keeps the store from ever working, if something does.
type Store struct{ *sqldb.Store }

// Options are for those who need more than Open. The zero value is what Open uses.
type Options struct {
	// Logger is told when the database is out of reach at the start, and when it is there. Nil: slog.Default().
	Logger *slog.Logger
	// Timeout bounds each statement, whatever the deadline of the context. Zero: 1 s.
	Timeout time.Duration
	// File is the path of the database file as the DSN has it. Errors then name it from the
	// beginning, and the Store also notices when a symbolic link in it comes to lead elsewhere. "":
	// the path that SQLite reports, without links.
	File string
}

// Open is Options{}.Open.
func Open(db *sql.DB) (*Store, error) { return Options{}.Open(db) }

// Open brings the schema up to date and returns a Store. It fails only for what cannot heal, with an error that matches store.ErrSchemaTooNew,
// store.ErrWrongDialect or, for a pool without busy_timeout, store.ErrInvalid. With the database out of reach it returns a
// Store that answers store.ErrUnavailable until it is there. The pool stays its owner's, who closes it after the Store.
func (o Options) Open(db *sql.DB) (*Store, error) {
	s, err := sqldb.Open(db, dialect(o.File), sqldb.Options{Logger: o.Logger, Timeout: o.Timeout})
	if err != nil {
		return nil, err
	}
	return &Store{s}, nil
}

// Migrate brings the schema up to date, as Open does, and returns the versions before and after. It
// also makes the indexes that are missing, which Open does in the background, and returns their
// names. With dry it only looks.
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
		Speaks:     func(string) bool { return true },
		Prepare:    f.prepare,
		Files:      f,
		Begin:      `BEGIN IMMEDIATE`,
		Migrated:   `SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = 'latchkey_version'`,
		Writers:    1, // those who wait for the file's lock sleep and try again, in no order
		TakeFeed: `UPDATE latchkey_feed SET head = head + 1, tagged = head + 1, tag = ({tag} | ?1) & ~({tag} & ?1)
			WHERE id = 1 RETURNING feed_id, head, keys, level, tag`,
		Time:     func(t time.Time) any { return t.UnixMilli() },
		Now:      now,
		Later:    now + ` + ?`,
		Contains: `instr(%s, ?) > 0`,
		Among:    `%s IN (SELECT value FROM json_each(?))`,
		Touch: `UPDATE latchkey_key SET last_used_at = u.at
			FROM (SELECT json_extract(value, '$[0]') AS id, json_extract(value, '$[1]') AS at FROM json_each(?)) AS u
			WHERE latchkey_key.id = u.id AND (last_used_at IS NULL OR last_used_at < u.at)`,
		IndexState: `SELECT CASE WHEN EXISTS (SELECT 1 FROM sqlite_master WHERE type = 'index' AND name = ? AND tbl_name = ?)
			THEN 'valid' ELSE 'missing' END`,
	}
}

// prepare checks the settings of a connection, which are the pool's, and sets the file to WAL mode, in which readers and the
// one writer do not wait for each other.
func (f *file) prepare(ctx context.Context, db *sql.DB, conn *sql.Conn) error {
	var busyTimeout int
	if err := conn.QueryRowContext(ctx, `PRAGMA busy_timeout`).Scan(&busyTimeout); err != nil {
		return err
	}
	if busyTimeout == 0 {
		return store.Errorf(store.ErrInvalid, "sqlite: the pool's connections have no busy_timeout, so that concurrent writes would fail: "+
			"append ?_pragma=busy_timeout(5000) to the DSN (modernc.org/sqlite) or set it as your driver wants")
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

// setWAL waits by itself: SQLite does not honour busy_timeout while it changes the mode.
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
			return err // or nil: a file system that cannot share memory keeps its old mode, which is slower but safe
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(5 * time.Millisecond):
		}
	}
}
