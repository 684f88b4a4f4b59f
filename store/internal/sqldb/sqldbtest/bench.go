package sqldbtest

import (
	"context"
	"database/sql"
	"slices"
	"testing"
	"time"

	"github.com/latchkey-go/latchkey/store"
)

// BenchmarkLookup compares Store.Lookup with the same SELECT, prepared, on the same pool.
// placeholder is ? or $1. On a busy machine, use the result of Alternating, which alternates the
// two and reports the ratio of the medians.
func BenchmarkLookup(b *testing.B, s store.Store, db *sql.DB, placeholder string) {
	ctx := context.Background()
	for n := 0; n < 10_000; n += 500 {
		if _, err := s.Change(ctx, store.Actor{}, func(tx store.Tx) error {
			for i := range 500 {
				if err := tx.InsertQuietly(ctx, Record(n+i)); err != nil {
					return err
				}
			}
			return tx.Append(ctx, nil, Event(store.Imported))
		}); err != nil {
			b.Fatal(err)
		}
	}
	b.Run("Store", func(b *testing.B) {
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			found, err := s.Lookup(ctx, LookupID(i%10_000), "")
			if err != nil || found.Record == nil {
				b.Fatal(err)
			}
		}
	})
	statement := `SELECT f.feed_id, f.head, k.id, k.type, k.title, k.redacted, k.token, k.lookup_id, k.scopes, k.sales_channel_ids,
		k.metadata, k.allowed_cidrs, k.rate_requests, k.rate_window, k.created_by, k.created_at, k.updated_at, k.expires_at,
		k.revoked, k.revoked_at, k.revoked_by, k.rolled_from, k.version, k.proof, k.pepper_id, k.legacy_salt, k.legacy_hash
		FROM latchkey_feed f LEFT JOIN latchkey_key k ON k.lookup_id = ` + placeholder + ` WHERE f.id = 1`
	stmt, err := db.PrepareContext(ctx, statement)
	if err != nil {
		b.Fatal(err)
	}
	defer stmt.Close()
	b.Run("RawSelect", func(b *testing.B) {
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			id := LookupID(i % 10_000)
			if err := rawSelect(ctx, stmt, id[:]); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("Alternating", func(b *testing.B) {
		var ours, raw []time.Duration
		for i := 0; b.Loop(); i++ {
			id := LookupID(i % 10_000)
			start := time.Now()
			_, err := s.Lookup(ctx, id, "")
			middle := time.Now()
			err2 := rawSelect(ctx, stmt, id[:])
			ours, raw = append(ours, middle.Sub(start)), append(raw, time.Since(middle))
			if err != nil || err2 != nil {
				b.Fatal(err, err2)
			}
		}
		slices.Sort(ours)
		slices.Sort(raw)
		b.ReportMetric(float64(ours[len(ours)/2]), "ns/store")
		b.ReportMetric(float64(raw[len(raw)/2]), "ns/raw")
		b.ReportMetric(float64(ours[len(ours)/2])/float64(raw[len(raw)/2]), "store/raw")
	})
}

// rawSelect is the query of a program without Latchkey. It bounds its statement too, and does not
// decode JSON.
func rawSelect(ctx context.Context, stmt *sql.Stmt, id []byte) error {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	var row struct {
		feedID                                                      string
		head                                                        int64
		id, typ, title, redacted, token, scopes, channels, metadata sql.NullString
		cidrs, createdBy, revokedBy, rolledFrom, pepper, salt       sql.NullString
		lookup, proof, hash                                         []byte
		requests, window, version                                   sql.NullInt64
		createdAt, updatedAt, expiresAt, revokedAt                  any
		revoked                                                     sql.NullBool
	}
	return stmt.QueryRowContext(ctx, id).Scan(&row.feedID, &row.head, &row.id, &row.typ, &row.title, &row.redacted, &row.token,
		&row.lookup, &row.scopes, &row.channels, &row.metadata, &row.cidrs, &row.requests, &row.window, &row.createdBy,
		&row.createdAt, &row.updatedAt, &row.expiresAt, &row.revoked, &row.revokedAt, &row.revokedBy, &row.rolledFrom, &row.version,
		&row.proof, &row.pepper, &row.salt, &row.hash)
}
