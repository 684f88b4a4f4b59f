// Package dburl opens the key store that a URL names, drivers included: for programs that take their database from the environment or a
// flag. Programs with a pool of their own use store/sqlite and store/postgres, which bring no driver.
//
//	database, err := dburl.Parse(os.Getenv("DATABASE_URL"))
//	...
//	db, err := database.Connect()
//	rows, err := database.Open(db, logger)
package dburl

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/url"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
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
}

// Store is what the key stores of package sqlite and postgres have in common.
type Store interface {
	store.Store
	Ready(context.Context) error // nil: migrated and answering
	Err() error                  // not nil: it can never work
}

// Parse reads sqlite:PATH or postgres://user:password@host:port/database. Its errors are fit to be shown: they are one line and hold
// no part of a password.
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
	return Database{postgres: c}, nil
}

// IsPostgres reports whether the URL named a PostgreSQL database.
func (d Database) IsPostgres() bool { return d.postgres != nil }

// File returns the path of an SQLite file, which Open makes when it is missing, or "" for PostgreSQL.
func (d Database) File() string { return d.file }

// Connect returns a pool. Nothing has to be reachable yet.
func (d Database) Connect() (*sql.DB, error) {
	if d.postgres == nil {
		return sql.Open("sqlite", d.sqlite)
	}
	db := stdlib.OpenDB(*d.postgres)
	db.SetMaxOpenConns(20)
	db.SetMaxIdleConns(20)
	db.SetConnMaxLifetime(30 * time.Minute)
	return db, nil
}

// Open returns the key store over a pool of Connect. Errors are those of sqlite.Open and postgres.Open.
func (d Database) Open(db *sql.DB, log *slog.Logger) (Store, error) {
	if d.postgres == nil {
		return sqlite.Options{Logger: log, File: d.file}.Open(db)
	}
	return postgres.Options{Logger: log}.Open(db)
}
