// Package dburl opens the key store that a URL names, drivers included: for programs that take their database from the environment or a
// flag. Programs with a pool of their own use store/sqlite and store/postgres, which bring no driver.
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

// Database is a database that has been named and not yet been connected to. Make it with Parse.
type Database struct {
	file     string          // of SQLite
	sqlite   string          // DSN
	postgres *pgx.ConnConfig // nil: SQLite
	conns    int             // of the pool, for PostgreSQL
}

// DefaultConns is how many connections a pool for PostgreSQL has at most, unless the URL says
// pool_max_conns.
const DefaultConns = 20

// Store is what the key stores of package sqlite and postgres have in common.
type Store interface {
	store.Store
	Ready(context.Context) error // nil: migrated, answering, and keys can be changed
	Err() error                  // not nil: it can never work
}

// Parse reads sqlite:PATH or postgres://user:password@host:port/database. Behind the latter may
// stand what pgx understands, and pool_max_conns=N as in pgxpool; several hosts need
// target_session_attrs=read-write (or primary). Everything behind sqlite: is the path. Its errors
// are fit to be shown: they are one line and hold no part of a password.
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
			"use a file, sqlite:PATH. (A program that wants to forget its keys can use store.NewMemory)")
	case strings.HasPrefix(path, "file:"):
		return Database{}, errors.New("must be sqlite:PATH with a plain path: leave out file: and what follows a ?")
	}
	// WAL lets readers and the one writer work at once; busy_timeout makes writers wait for each other instead of failing.
	return Database{file: path, sqlite: "file:" + (&url.URL{Path: path}).EscapedPath() + "?" + url.Values{
		"_pragma": {"busy_timeout(5000)", "journal_mode(WAL)", "foreign_keys(1)"},
	}.Encode()}, nil
}

func parsePostgres(dsn string) (Database, error) {
	c, err := pgx.ParseConfig(dsn)
	if err != nil {
		// What the parser says quotes parts of the address, and where the address is wrong those can be parts of the password.
		if file := new(fs.PathError); errors.As(err, &file) {
			return Database{}, fmt.Errorf("names a file that cannot be read: %w", file)
		}
		return Database{}, errors.New("cannot be parsed: want postgres://user:password@host:port/database, with %XX for special characters in the password")
	}
	if c.ConnectTimeout == 0 {
		c.ConnectTimeout = 5 * time.Second
	}
	conns, err := maxConns(c.RuntimeParams)
	if err != nil {
		return Database{}, err
	}
	if len(hosts(c)) > 1 && !leadsToPrimary(dsn) {
		return Database{}, errors.New("names several hosts: add target_session_attrs=read-write, so that none of them is a replica, whose answers can be old")
	}
	return Database{postgres: c, conns: conns}, nil
}

// leadsToPrimary reports whether the driver makes connections to a primary only.
func leadsToPrimary(dsn string) bool {
	_, query, _ := strings.Cut(dsn, "?")
	settings, err := url.ParseQuery(query)
	if err != nil {
		return false
	}
	wanted := cmp.Or(settings.Get("target_session_attrs"), os.Getenv("PGTARGETSESSIONATTRS"))
	return wanted == "read-write" || wanted == "primary"
}

// maxConns takes pgxpool's settings out of those that are sent to the server, which does not know
// them. Of these only the number of connections has a counterpart here.
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

// File returns the path of an SQLite file, which Open makes when it is missing, or "" for PostgreSQL.
func (d Database) File() string { return d.file }

// Connect returns a pool: for PostgreSQL of at most pool_max_conns connections, for SQLite of as
// many as are used at once, of which one writes. Nothing has to be reachable yet.
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

// Open returns the key store over a pool of Connect. Errors are those of sqlite.Open and postgres.Open.
func (d Database) Open(db *sql.DB, log *slog.Logger) (Store, error) {
	if d.postgres == nil {
		return sqlite.Options{Logger: log, File: d.file}.Open(db)
	}
	return d.options(log).Open(db)
}

// Migrate brings the schema up to date over a pool of Connect, or, with dry, only looks, and
// returns the versions before and after, and the names of the indexes that were missing. Open does
// the same, with the indexes in the background: Migrate is for a role of its own
// (docs/operations.md).
func (d Database) Migrate(ctx context.Context, db *sql.DB, log *slog.Logger, dry bool) (from, to int, indexes []string, err error) {
	if d.postgres == nil {
		return sqlite.Options{Logger: log, File: d.file}.Migrate(ctx, db, dry)
	}
	return d.options(log).Migrate(ctx, db, dry)
}

func (d Database) options(log *slog.Logger) postgres.Options {
	o := postgres.Options{Logger: log, Role: d.postgres.User, Database: d.postgres.Database}
	switch d.postgres.DefaultQueryExecMode {
	case pgx.QueryExecModeExec, pgx.QueryExecModeSimpleProtocol: // as behind a pooler, where LISTEN has no effect
	default:
		o.Listen = d.listen
	}
	return o
}

// listen is a postgres.Options.Listen.
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
