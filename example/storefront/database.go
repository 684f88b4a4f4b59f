package main

import (
	"cmp"
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

// database is where the keys and the shop's own tables are: a pool, and the key store that fits it.
type database struct {
	connect func() (*sql.DB, error)
	keys    func(*sql.DB, *slog.Logger) (keyStore, error)
	lock    string // makes several statements in one Exec run one instance at a time, where that is needed
}

// keyStore is what store/sqlite and store/postgres have in common.
type keyStore interface {
	store.Store
	Ready(context.Context) error // nil: migrated and answering
	Err() error                  // not nil: it can never work
}

// parseDatabase reads sqlite:PATH or postgres://…; "" is a file in the current folder.
func parseDatabase(address string) (database, error) {
	address = cmp.Or(address, "sqlite:latchkey.db")
	if path, ok := strings.CutPrefix(address, "sqlite:"); ok {
		return sqliteDatabase(strings.TrimPrefix(path, "//"))
	}
	if strings.HasPrefix(address, "postgres://") || strings.HasPrefix(address, "postgresql://") {
		return postgresDatabase(address)
	}
	return database{}, errors.New("must be sqlite:PATH or postgres://user:password@host:port/database")
}

func sqliteDatabase(path string) (database, error) {
	if path == "" || strings.HasPrefix(path, ":memory:") {
		return database{}, errors.New("must name a file: sqlite:PATH")
	}
	// WAL lets readers and the one writer work at once; busy_timeout makes writers wait for each other instead of failing.
	dsn := "file:" + (&url.URL{Path: path}).EscapedPath() + "?" + url.Values{
		"_pragma": {"busy_timeout(5000)", "journal_mode(WAL)", "foreign_keys(1)"},
	}.Encode()
	return database{
		connect: func() (*sql.DB, error) { return sql.Open("sqlite", dsn) },
		keys: func(db *sql.DB, log *slog.Logger) (keyStore, error) {
			return sqlite.Options{Logger: log}.Open(db)
		},
	}, nil
}

func postgresDatabase(dsn string) (database, error) {
	c, err := pgx.ParseConfig(dsn)
	if err != nil {
		// What the parser says quotes parts of the address, and where the address is wrong those can be parts of the password.
		if file := new(fs.PathError); errors.As(err, &file) {
			return database{}, fmt.Errorf("names a file that cannot be read: %w", file)
		}
		return database{}, errors.New("cannot be parsed: want postgres://user:password@host:port/database, with %XX for special characters in the password")
	}
	if c.ConnectTimeout == 0 {
		c.ConnectTimeout = 5 * time.Second
	}
	return database{
		connect: func() (*sql.DB, error) {
			db := stdlib.OpenDB(*c)
			db.SetMaxOpenConns(20)
			db.SetMaxIdleConns(20)
			db.SetConnMaxLifetime(30 * time.Minute)
			return db, nil
		},
		keys: func(db *sql.DB, log *slog.Logger) (keyStore, error) {
			return postgres.Options{Logger: log}.Open(db)
		},
		// CREATE TABLE IF NOT EXISTS fails when another session creates the same table at that moment.
		lock: `SELECT pg_advisory_xact_lock(hashtextextended('storefront_schema', 0));`,
	}, nil
}
