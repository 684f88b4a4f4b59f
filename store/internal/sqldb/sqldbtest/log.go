// Package sqldbtest contains the tests and benchmarks that both SQL stores run in addition to the
// conformance suite: the statements that they send, and concurrent starts and writes.
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

// Log records what a pool sends to its database: statements, and BEGIN, COMMIT, ROLLBACK and
// PREPARE.
type Log struct {
	mu     sync.Mutex
	sent   []string
	before func(what string)
}

// Before sets a function that the pool calls before it sends something.
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

func (l *Log) record(what string) {
	l.mu.Lock()
	l.sent = append(l.sent, what)
	before := l.before
	l.mu.Unlock()
	if before != nil {
		before(what)
	}
}

// Open opens a pool of the named driver that records what it sends, and the Log. The pool is closed
// at the end of the test.
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
	whole, ok := inner.(fullConn)
	if !ok {
		return nil, errors.Join(errors.New("the driver lacks a method that package sqldbtest needs"), inner.Close())
	}
	return &conn{whole, c.log}, nil
}

// fullConn has the methods that the connections of pgx and modernc.org/sqlite share.
type fullConn interface {
	driver.Conn
	driver.ConnBeginTx
	driver.ConnPrepareContext
	driver.QueryerContext
	driver.ExecerContext
	driver.SessionResetter
}

type conn struct {
	fullConn
	log *Log
}

func (c *conn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	c.log.record(query)
	return c.fullConn.QueryContext(ctx, query, args)
}

func (c *conn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	c.log.record(query)
	return c.fullConn.ExecContext(ctx, query, args)
}

func (c *conn) PrepareContext(ctx context.Context, query string) (driver.Stmt, error) {
	c.log.record("PREPARE")
	inner, err := c.fullConn.PrepareContext(ctx, query)
	if err != nil {
		return nil, err
	}
	whole, ok := inner.(fullStmt)
	if !ok {
		return nil, errors.Join(errors.New("the driver's statements lack a method that package sqldbtest needs"), inner.Close())
	}
	return &stmt{whole, query, c.log}, nil
}

// fullStmt has the methods that the statements of pgx and modernc.org/sqlite share.
type fullStmt interface {
	driver.Stmt
	driver.StmtQueryContext
	driver.StmtExecContext
}

type stmt struct {
	fullStmt
	query string
	log   *Log
}

func (s *stmt) QueryContext(ctx context.Context, args []driver.NamedValue) (driver.Rows, error) {
	s.log.record(s.query)
	return s.fullStmt.QueryContext(ctx, args)
}

func (s *stmt) ExecContext(ctx context.Context, args []driver.NamedValue) (driver.Result, error) {
	s.log.record(s.query)
	return s.fullStmt.ExecContext(ctx, args)
}

func (c *conn) BeginTx(ctx context.Context, o driver.TxOptions) (driver.Tx, error) {
	c.log.record("BEGIN")
	inner, err := c.fullConn.BeginTx(ctx, o)
	if err != nil {
		return nil, err
	}
	return &tx{inner, c.log}, nil
}

// CheckNamedValue implements driver.NamedValueChecker, so that the driver may accept arguments that
// database/sql does not.
func (c *conn) CheckNamedValue(v *driver.NamedValue) error {
	if checker, ok := c.fullConn.(driver.NamedValueChecker); ok {
		return checker.CheckNamedValue(v)
	}
	return driver.ErrSkip
}

type tx struct {
	driver.Tx
	log *Log
}

func (t *tx) Commit() error {
	t.log.record("COMMIT")
	return t.Tx.Commit()
}

func (t *tx) Rollback() error {
	t.log.record("ROLLBACK")
	return t.Tx.Rollback()
}

// statements returns the number of statements, and whether everything that was sent is one
// committed transaction.
func statements(sent []string) (n int, transaction bool) {
	for _, s := range sent {
		if !slices.Contains([]string{"BEGIN", "COMMIT", "ROLLBACK"}, s) {
			n++
		}
	}
	return n, len(sent) == n+2 && sent[0] == "BEGIN" && sent[len(sent)-1] == "COMMIT"
}
