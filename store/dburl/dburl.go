// Package dburl opens the key store that a URL names, and includes the drivers. It is for programs
// that read their database from the environment or a flag. Programs that have a pool use
// store/sqlite and store/postgres, which include no driver.
//
//	database, err := dburl.Parse(os.Getenv("DATABASE_URL"))
//	...
//	db, err := database.Connect()
//	rows, err := database.Open(db, logger)
package dburl

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	_ "modernc.org/sqlite" // the driver "sqlite"

	"github.com/latchkey-go/latchkey/store"
	"github.com/latchkey-go/latchkey/store/postgres"
	"github.com/latchkey-go/latchkey/store/sqlite"
)

// Database describes a database. It holds no connection. Use Parse to create one.
type Database struct {
	file     string          // of SQLite
	sqlite   string          // DSN
	postgres *pgx.ConnConfig // nil: SQLite
	conns    int             // the size of the pool, for PostgreSQL
}

// DefaultConns is the maximum number of connections of a pool for PostgreSQL, unless the URL sets
// pool_max_conns.
const DefaultConns = 20

// Store is the interface that the stores of packages sqlite and postgres share.
type Store interface {
	store.Store
	Ready(context.Context) error // nil: migrated, reachable, and keys can be changed
	Err() error                  // not nil: unusable until the program restarts
}

// Parse parses sqlite:PATH or postgres://user:password@host:port/database. The latter accepts the
// parameters of pgx, and pool_max_conns=N as in pgxpool. Several hosts need
// target_session_attrs=read-write (or primary). Everything after sqlite: is the path. Errors can be
// shown to users: they are one line and contain no part of a password.
func Parse(address string) (Database, error) {
	if path, ok := strings.CutPrefix(address, "sqlite:"); ok {
		return parseSQLite(strings.TrimPrefix(path, "//"))
	}
	if strings.HasPrefix(address, "postgres://") || strings.HasPrefix(address, "postgresql://") {
		return parsePostgres(address)
	}
	return Database{}, errors.New("must be sqlite:PATH or postgres://user:password@host:port/database")
}

func parseSQLite(path string) (Database, error) {
	switch {
	case path == "":
		return Database{}, errors.New("must name a file: sqlite:PATH")
	case strings.Contains(path, ":memory:"), strings.Contains(path, "mode=memory"), strings.Contains(path, "vfs=memdb"):
		return Database{}, errors.New("names a database in memory, which loses all keys with its last connection: " +
			"use a file, sqlite:PATH. (A program that does not store its keys can use store.NewMemory)")
	case strings.HasPrefix(path, "file:"):
		return Database{}, errors.New("must be sqlite:PATH with a plain path: leave out file: and what follows a ?")
	}
	// WAL lets readers and the one writer work concurrently. With busy_timeout, writers wait for
	// each other instead of failing.
	return Database{file: path, sqlite: "file:" + (&url.URL{Path: path}).EscapedPath() + "?" + url.Values{
		"_pragma": {"busy_timeout(5000)", "journal_mode(WAL)", "foreign_keys(1)"},
	}.Encode()}, nil
}

func parsePostgres(dsn string) (Database, error) {
	c, err := pgx.ParseConfig(dsn)
	if err != nil {
		// The parser's error quotes parts of the address. In a wrong address these may be parts of
		// the password.
		if file := new(fs.PathError); errors.As(err, &file) {
			return Database{}, fmt.Errorf("names a file that cannot be read: %w", file)
		}
		return Database{}, errors.New("cannot be parsed: use postgres://user:password@host:port/database, " +
			"with %XX for special characters in the password")
	}
	if c.ConnectTimeout == 0 {
		c.ConnectTimeout = 5 * time.Second
	}
	conns, err := maxConns(c.RuntimeParams)
	if err != nil {
		return Database{}, err
	}
	if len(hosts(c)) > 1 && !requiresPrimary(dsn) {
		return Database{}, errors.New("names several hosts: add target_session_attrs=read-write, " +
			"so that no connection leads to a replica, whose data can be stale")
	}
	return Database{postgres: c, conns: conns}, nil
}

// requiresPrimary reports whether the driver connects to a primary only.
func requiresPrimary(dsn string) bool {
	_, query, _ := strings.Cut(dsn, "?")
	settings, err := url.ParseQuery(query)
	if err != nil {
		return false
	}
	wanted := cmp.Or(settings.Get("target_session_attrs"), os.Getenv("PGTARGETSESSIONATTRS"))
	return wanted == "read-write" || wanted == "primary"
}

// maxConns removes pgxpool's settings from those that are sent to the server, which does not know
// them. Only the number of connections is supported here.
func maxConns(settings map[string]string) (int, error) {
	const name = "pool_max_conns"
	conns := DefaultConns
	if given, ok := settings[name]; ok {
		delete(settings, name)
		n, err := strconv.Atoi(given)
		if err != nil || n < 1 {
			return 0, errors.New(name + " must be a whole number, at least 1")
		}
		conns = n
	}
	for _, other := range slices.Sorted(maps.Keys(settings)) {
		if strings.HasPrefix(other, "pool_") {
			return 0, fmt.Errorf("%s is not supported: of the pool's settings only %s is", other, name)
		}
	}
	return conns, nil
}

// IsPostgres reports whether the URL named a PostgreSQL database.
func (d Database) IsPostgres() bool { return d.postgres != nil }

// File returns the path of an SQLite file, or "" for PostgreSQL. Open creates the file if it does
// not exist.
func (d Database) File() string { return d.file }

// Connect returns a pool. For PostgreSQL it has at most pool_max_conns connections. For SQLite it
// grows as needed, and one connection writes at a time. The database need not be reachable yet.
func (d Database) Connect() (*sql.DB, error) {
	if d.postgres == nil {
		return sql.Open("sqlite", d.sqlite)
	}
	db := sql.OpenDB(newConnector(d.postgres))
	db.SetMaxOpenConns(d.conns)
	db.SetMaxIdleConns(d.conns)
	db.SetConnMaxLifetime(30 * time.Minute)
	return db, nil
}

// Open returns the key store on a pool of Connect. Errors are those of sqlite.Open and
// postgres.Open.
func (d Database) Open(db *sql.DB, log *slog.Logger) (Store, error) {
	if d.postgres == nil {
		return sqlite.Options{Logger: log, File: d.file}.Open(db)
	}
	return d.options(log).Open(db)
}

// Migrate migrates the schema on a pool of Connect. It returns the versions before and after, and
// the names of the indexes that were missing. With dry it only reads. Open does the same, with the
// indexes in the background; use Migrate to migrate with a separate role (docs/operations.md).
func (d Database) Migrate(ctx context.Context, db *sql.DB, log *slog.Logger, dry bool) (from, to int, indexes []string, err error) {
	if d.postgres == nil {
		return sqlite.Options{Logger: log, File: d.file}.Migrate(ctx, db, dry)
	}
	return d.options(log).Migrate(ctx, db, dry)
}

func (d Database) options(log *slog.Logger) postgres.Options {
	o := postgres.Options{Logger: log, Role: d.postgres.User, Database: d.postgres.Database}
	switch d.postgres.DefaultQueryExecMode {
	case pgx.QueryExecModeExec, pgx.QueryExecModeSimpleProtocol: // used behind a pooler, where LISTEN has no effect
	default:
		o.Listen = d.listen
	}
	return o
}

// listen is the Listen of postgres.Options.
func (d Database) listen(ctx context.Context, statement string, notified func()) error {
	c := newConnector(d.postgres)
	defer c.Close()
	found, err := c.connect(ctx)
	if err != nil {
		return err
	}
	defer found.Close()
	server := found.Conn.Conn()
	for _, err = server.Exec(ctx, statement); err == nil; _, err = server.WaitForNotification(ctx) {
		notified()
	}
	return err
}
