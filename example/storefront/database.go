package main

import (
	"cmp"

	"github.com/latchkey-go/latchkey/store/dburl"
)

// parseDatabase reads DATABASE_URL; "" is a file in the current folder.
func parseDatabase(address string) (dburl.Database, error) {
	return dburl.Parse(cmp.Or(address, "sqlite:latchkey.db"))
}

// schemaLock makes several statements in one Exec run one instance at a time, where that is needed:
// in PostgreSQL, CREATE TABLE IF NOT EXISTS fails when another session creates the same table at
// that moment.
func schemaLock(d dburl.Database) string {
	if !d.IsPostgres() {
		return ""
	}
	return `SELECT pg_advisory_xact_lock(hashtextextended('storefront_schema', 0));`
}
