package sqlite_test

import (
	"database/sql"
	"flag"
	"testing"

	"github.com/latchkey-go/latchkey/store"
	"github.com/latchkey-go/latchkey/store/internal/sqldb/sqldbtest"
)

var keys = flag.Int("keys", 100_000, "size of the largest table of BenchmarkTable")

func BenchmarkLookup(b *testing.B) {
	db := pool(b, dsn(b))
	sqldbtest.BenchmarkLookup(b, open(b, db), db, "?")
}

func BenchmarkTable(b *testing.B) {
	sqldbtest.BenchmarkTable(b, func() (store.Store, *sql.DB) {
		db := pool(b, dsn(b))
		return open(b, db), db
	}, `INSERT INTO latchkey_key (id, type, title, redacted, lookup_id, rate_requests, rate_window, created_by, created_at, updated_at,
			revoked, revoked_by, rolled_from, version, pepper_id, legacy_salt, search)
		SELECT printf('apk_%026d', ?1 + key), 'secret', 'Customer ' || (?1 + key), 'sk_abc***xyz', unhex(value), 0, 0, 'user_1',
			1700000000000 + ?1 + key, 1700000000000 + ?1 + key, 0, '', '', 1, '', '', 'customer ' || (?1 + key) || ' sk_abc***xyz'
		FROM json_each(?2)`, *keys)
}
