// Package sqldbtest holds the tests and benchmarks that both SQL stores run beside the conformance suite: what they send to
// the database, and how they behave when many start and write at once.
package sqldbtest

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"slices"
	"sync"
	"testing"
)

// Log notes what a pool sends to its database: statements, and BEGIN, COMMIT, ROLLBACK and PREPARE.
type Log struct {
	mu     sync.Mutex
	sent   []string
	before func(what string)
}

// Before makes the pool call do before it sends something.
func (l *Log) Before(do func(what string)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.before = do
}

// Take returns what was sent since the last call.
func (l *Log) Take() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	sent := l.sent
	l.sent = nil
	return sent
}

func (l *Log) note(what string) {
	l.mu.Lock()
	l.sent = append(l.sent, what)
	before := l.before
	l.mu.Unlock()
	if before != nil {
		before(what)
	}
}

// Open opens a pool of the driver with that name which notes what it sends. It is closed at the end of the test.
func Open(tb testing.TB, driverName, dsn string) (*sql.DB, *Log) {
	tb.Helper()
	plain, err := sql.Open(driverName, dsn)
	if err != nil {
		tb.Fatal(err)
	}
	defer plain.Close()
	log := new(Log)
	db := sql.OpenDB(connector{plain.Driver(), dsn, log})
	tb.Cleanup(func() { db.Close() })
	return db, log
}

type connector struct {
	driver driver.Driver
	dsn    string
	log    *Log
}

func (c connector) Driver() driver.Driver { return c.driver }

func (c connector) Connect(context.Context) (driver.Conn, error) {
	inner, err := c.driver.Open(c.dsn)
	if err != nil {
		return nil, err
	}
	whole, ok := inner.(wholeConn)
	if !ok {
		return nil, errors.Join(errors.New("the driver lacks a method that package sqldbtest counts on"), inner.Close())
	}
	return &conn{whole, c.log}, nil
}

// wholeConn is what pgx and modernc.org/sqlite both have.
type wholeConn interface {
	driver.Conn
	driver.ConnBeginTx
	driver.ConnPrepareContext
	driver.QueryerContext
	driver.ExecerContext
	driver.SessionResetter
}

type conn struct {
	wholeConn
	log *Log
}

func (c *conn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	c.log.note(query)
	return c.wholeConn.QueryContext(ctx, query, args)
}

func (c *conn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	c.log.note(query)
	return c.wholeConn.ExecContext(ctx, query, args)
}

func (c *conn) PrepareContext(ctx context.Context, query string) (driver.Stmt, error) {
	c.log.note("PREPARE")
	inner, err := c.wholeConn.PrepareContext(ctx, query)
	if err != nil {
		return nil, err
	}
	whole, ok := inner.(wholeStmt)
	if !ok {
		return nil, errors.Join(errors.New("the driver's statements lack a method that package sqldbtest counts on"), inner.Close())
	}
	return &stmt{whole, query, c.log}, nil
}

// wholeStmt is what pgx and modernc.org/sqlite both have.
type wholeStmt interface {
	driver.Stmt
	driver.StmtQueryContext
	driver.StmtExecContext
}

type stmt struct {
	wholeStmt
	query string
	log   *Log
}

func (s *stmt) QueryContext(ctx context.Context, args []driver.NamedValue) (driver.Rows, error) {
	s.log.note(s.query)
	return s.wholeStmt.QueryContext(ctx, args)
}

func (s *stmt) ExecContext(ctx context.Context, args []driver.NamedValue) (driver.Result, error) {
	s.log.note(s.query)
	return s.wholeStmt.ExecContext(ctx, args)
}

func (c *conn) BeginTx(ctx context.Context, o driver.TxOptions) (driver.Tx, error) {
	c.log.note("BEGIN")
	inner, err := c.wholeConn.BeginTx(ctx, o)
	if err != nil {
		return nil, err
	}
	return &tx{inner, c.log}, nil
}

// CheckNamedValue lets the driver take arguments that database/sql would refuse, if it wants to.
func (c *conn) CheckNamedValue(v *driver.NamedValue) error {
	if checker, ok := c.wholeConn.(driver.NamedValueChecker); ok {
		return checker.CheckNamedValue(v)
	}
	return driver.ErrSkip
}

type tx struct {
	driver.Tx
	log *Log
}

func (t *tx) Commit() error {
	t.log.note("COMMIT")
	return t.Tx.Commit()
}

func (t *tx) Rollback() error {
	t.log.note("ROLLBACK")
	return t.Tx.Rollback()
}

// statements returns how many of what was sent are statements, and whether all of it is one transaction that was committed.
func statements(sent []string) (n int, transaction bool) {
	for _, s := range sent {
		if !slices.Contains([]string{"BEGIN", "COMMIT", "ROLLBACK"}, s) {
			n++
		}
	}
	return n, len(sent) == n+2 && sent[0] == "BEGIN" && sent[len(sent)-1] == "COMMIT"
}
