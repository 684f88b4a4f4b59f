package main

import (
	"context"
	"database/sql"
	_ "embed"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/oklog/ulid/v2"

	"github.com/latchkey-go/latchkey/store"
)

// shop is the host application: its products, sales channels, carts and orders, in the same
// database as the keys. Nothing of it is needed to use Latchkey; it is here to show how an
// application and its keys live together. Its statements are plain enough to be the same for SQLite
// and PostgreSQL.
type shop struct {
	keys *store.Keys
	db   *sql.DB
	lock string // see schemaLock
}

// schema makes the tables and the first rows, as often as it is run.
//
//go:embed schema.sql
var schema string

// create makes what is missing. The whole script is one Exec: PostgreSQL runs it as one
// transaction.
func (s *shop) create(ctx context.Context) error {
	_, err := s.db.ExecContext(ctx, s.lock+schema)
	var refused interface{ SQLState() string }
	if errors.As(err, &refused) && refused.SQLState() == "42501" { // a right is missing
		return s.madeByAnother(ctx, err)
	}
	return failed("create tables", err)
}

// madeByAnother returns nil if the tables are there although this role may not make any.
func (s *shop) madeByAnother(ctx context.Context, refusal error) error {
	var tables []string
	for _, found := range regexp.MustCompile(`(?m)^CREATE TABLE IF NOT EXISTS (\w+)`).FindAllStringSubmatch(schema, -1) {
		tables = append(tables, found[1])
	}
	var readable int
	if err := s.db.QueryRowContext(ctx, `SELECT count(*) FROM pg_class WHERE relname IN ('`+strings.Join(tables, `', '`)+`')
		AND pg_table_is_visible(oid) AND has_table_privilege(oid, 'SELECT')`).Scan(&readable); err != nil {
		return failed("look for tables", err)
	}
	if readable < len(tables) {
		return fmt.Errorf("shop: %w: this role may neither make its tables nor read all of them (%s). Make them with another role, "+
			"psql -f example/storefront/schema.sql, and grant the rights in docs/operations.md (%w)",
			store.ErrNoAccess, strings.Join(tables, ", "), refusal)
	}
	return nil
}

// failed says that the shop's database did not answer: for the client that is a 503, as when the
// keys' does not.
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
