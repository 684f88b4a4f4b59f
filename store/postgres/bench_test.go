package postgres_test

import (
	"database/sql"
	"flag"
	"testing"

	"github.com/latchkey-go/latchkey/store"
	"github.com/latchkey-go/latchkey/store/dburl"
	"github.com/latchkey-go/latchkey/store/internal/sqldb/sqldbtest"
	"github.com/latchkey-go/latchkey/store/storetest/servers"
)

var keys = flag.Int("keys", 100_000, "size of the largest table of BenchmarkTable, and of that of BenchmarkMigration")

func BenchmarkLookup(b *testing.B) {
	s, db := fresh(b)
	sqldbtest.BenchmarkLookup(b, s, db, "$1")
}

func BenchmarkTable(b *testing.B) {
	sqldbtest.BenchmarkTable(b, func() (store.Store, *sql.DB) { return fresh(b) }, fill, *keys)
}

func BenchmarkMigration(b *testing.B) { loaded(b).Benchmark(b, *keys) }

func TestAMigrationUnderLoadFailsNobodyMore(t *testing.T) { loaded(t).Test(t, 20_000) }

func loaded(tb testing.TB) sqldbtest.Loaded {
	dsn := servers.Postgres(tb).Database(tb)
	return sqldbtest.Loaded{
		Fresh: func() (store.Store, *sql.DB) {
			db := pool(tb, dsn)
			db.SetMaxOpenConns(dburl.DefaultConns)
			db.SetMaxIdleConns(dburl.DefaultConns)
			return open(tb, db, quiet), db
		},
		Again: func() *sql.DB { return pool(tb, dsn) }, Fill: fill, Dialect: version{}.dialect(tb),
		Slow: "md5(repeat(title, 5000))",
	}
}

const fill = `INSERT INTO latchkey_key (id, type, title, redacted, lookup_id, rate_requests, rate_window, created_by, created_at, updated_at,
			revoked, revoked_by, rolled_from, version, pepper_id, legacy_salt, search)
		SELECT 'apk_' || lpad(n::text, 26, '0'), 'secret', 'Customer ' || n, 'sk_abc***xyz', decode(value, 'hex'), 0, 0, 'user_1',
			to_timestamp(1700000000 + n / 1000.0), to_timestamp(1700000000 + n / 1000.0), false, '', '', 1, '', '', 'customer ' || n || ' sk_abc***xyz'
		FROM (SELECT $1::bigint + i - 1 AS n, value FROM json_array_elements_text($2::json) WITH ORDINALITY AS j (value, i)) AS made`
