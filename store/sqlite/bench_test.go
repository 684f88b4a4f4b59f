package sqlite_test

import (
	"database/sql"
	"flag"
	"testing"

	"github.com/latchkey-go/latchkey/store"
	"github.com/latchkey-go/latchkey/store/internal/sqldb/sqldbtest"
	"github.com/latchkey-go/latchkey/store/sqlite"
)

var keys = flag.Int("keys", 100_000, "size of the largest table of BenchmarkTable, and of that of BenchmarkMigration")

func BenchmarkLookup(b *testing.B) {
	db := pool(b, dsn(b))
	sqldbtest.BenchmarkLookup(b, open(b, db), db, "?")
}

func BenchmarkTable(b *testing.B) {
	sqldbtest.BenchmarkTable(b, func() (store.Store, *sql.DB) {
		db := pool(b, dsn(b))
		return open(b, db), db
	}, fill, *keys)
}

func BenchmarkMigration(b *testing.B) { loaded(b).Benchmark(b, *keys) }

func loaded(tb testing.TB) sqldbtest.Loaded {
	file := dsn(tb)
	return sqldbtest.Loaded{
		Fresh: func() (store.Store, *sql.DB) {
			db := pool(tb, file)
			return open(tb, db), db
		},
		Again: func() *sql.DB { return pool(tb, file) }, Fill: fill, Dialect: sqlite.Dialect(""),
	}
}

const fill = `INSERT INTO latchkey_key (id, type, title, redacted, lookup_id, rate_requests, rate_window, created_by, created_at, updated_at,
			revoked, revoked_by, rolled_from, version, pepper_id, legacy_salt, search)
		SELECT printf('apk_%026d', ?1 + key), 'secret', 'Customer ' || (?1 + key), 'sk_abc***xyz', unhex(value), 0, 0, 'user_1',
			1700000000000 + ?1 + key, 1700000000000 + ?1 + key, 0, '', '', 1, '', '', 'customer ' || (?1 + key) || ' sk_abc***xyz'
		FROM json_each(?2)`
