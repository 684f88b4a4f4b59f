package main

import (
	"context"
	"database/sql"
	_ "embed"
	"fmt"
	"strings"

	"github.com/oklog/ulid/v2"

	"github.com/latchkey-go/latchkey/store"
)

// shop is the host application: its products, sales channels, carts and orders, in the same database as the keys. Nothing of it is
// needed to use Latchkey; it is here to show how an application and its keys live together. Its statements are plain enough to be the same
// for SQLite and PostgreSQL.
type shop struct {
	db   *sql.DB
	lock string // see schemaLock
}

// schema makes the tables and the first rows, as often as it is run.
//
//go:embed schema.sql
var schema string

// create makes what is missing. The whole script is one Exec: PostgreSQL runs it as one transaction.
func (s *shop) create(ctx context.Context) error {
	_, err := s.db.ExecContext(ctx, s.lock+schema)
	return failed("create tables", err)
}

// failed says that the shop's database did not answer: for the client that is a 503, as when the keys' does not.
func failed(doing string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("shop: %s: %w: %w", doing, store.ErrUnavailable, err)
}

// collect runs a query and scans each row.
func collect[T any](ctx context.Context, db *sql.DB, doing string, scan func(*sql.Rows, *T) error, query string, args ...any) ([]T, error) {
	rows, err := db.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, failed(doing, err)
	}
	defer rows.Close()
	all := []T{} // an empty list is [] in JSON
	for rows.Next() {
		var one T
		if err := scan(rows, &one); err != nil {
			return nil, failed(doing, err)
		}
		all = append(all, one)
	}
	return all, failed(doing, rows.Err())
}

// among returns "($1, $2)" and the arguments for them.
func among(ids []string) (list string, args []any) {
	holders := make([]string, len(ids))
	for i, id := range ids {
		holders[i] = fmt.Sprintf("$%d", i+1)
		args = append(args, id)
	}
	return "(" + strings.Join(holders, ", ") + ")", args
}

// newID returns an id in Medusa's form, "order_" and a ULID, and the time in it as it is stored.
func newID(prefix string) (id, createdAt string) {
	made := ulid.Make()
	return prefix + "_" + made.String(), ulid.Time(made.Time()).UTC().Format("2006-01-02T15:04:05.000Z")
}
