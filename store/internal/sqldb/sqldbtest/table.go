package sqldbtest

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/latchkey-go/latchkey/store"
)

// BenchmarkTable compares tables of 1 000 keys, 100 000 (unless largest is less) and largest: a
// lookup by token, the first page of all keys with their count, and a create. fresh opens an empty
// store. fill is a statement that inserts keys in bulk; its arguments are the number of the first
// key and a JSON list of lookup ids, as text. The tables alternate, operation by operation, and the
// medians are compared: "growth" is that of the largest table divided by that of the smallest.
func BenchmarkTable(b *testing.B, fresh func() (store.Store, *sql.DB), fill string, largest int) {
	ctx := context.Background()
	sizes := slices.Compact([]int{min(1000, largest), min(100_000, largest), largest})
	all := make([]table, len(sizes))
	for i, size := range sizes {
		s, db := fresh()
		all[i] = table{size: size, store: s, keys: store.New(s)}
		b.Cleanup(func() { _ = all[i].keys.Close(ctx) })
		if err := all[i].fill(ctx, db, fill); err != nil {
			b.Fatal(err)
		}
	}
	for _, op := range []struct {
		name string
		warm int
		do   func(table) error
	}{
		{"Lookup", 2000, func(t table) error {
			found, err := t.store.Lookup(ctx, bulkID(rand.IntN(t.size)), "")
			if err == nil && found.Record == nil {
				err = store.ErrUnknownToken
			}
			return err
		}},
		{"FirstPage", 20, func(t table) error {
			list, total, err := t.keys.ListAndCount(ctx, store.Query{Limit: 20})
			if err == nil && (len(list) != 20 || total < t.size) {
				err = fmt.Errorf("%d of %d keys", len(list), total)
			}
			return err
		}},
		{"Create", 20, func(t table) error {
			_, err := t.keys.Create(ctx, store.NewKey{Type: store.Secret, Title: "one more"})
			return err
		}},
	} {
		b.Run(op.name, func(b *testing.B) {
			for _, t := range all {
				for range op.warm {
					if err := op.do(t); err != nil {
						b.Fatal(err)
					}
				}
			}
			took := make([][]time.Duration, len(all))
			for b.Loop() {
				for i, t := range all {
					began := time.Now()
					err := op.do(t)
					took[i] = append(took[i], time.Since(began))
					if err != nil {
						b.Fatal(err)
					}
				}
			}
			medians := make([]float64, len(all))
			for i, t := range all {
				slices.Sort(took[i])
				medians[i] = float64(took[i][len(took[i])/2])
				b.ReportMetric(medians[i], fmt.Sprintf("ns/%d-keys", t.size))
			}
			b.ReportMetric(medians[len(medians)-1]/medians[0], "growth")
		})
	}
}

// table is a store with size keys.
type table struct {
	size  int
	store store.Store
	keys  *store.Keys
}

// bulkID is the lookup id of a key that fill has inserted.
func bulkID(n int) store.LookupID { return sha256.Sum256(strconv.AppendInt(nil, int64(n), 10)) }

// fill inserts the keys directly into the table, because one by one a million takes too long. It
// reports its progress.
func (t table) fill(ctx context.Context, db *sql.DB, statement string) error {
	const batch = 10_000
	began := time.Now()
	for n := 0; n < t.size; n += batch {
		ids := make([]string, 0, batch)
		for i := n; i < min(n+batch, t.size); i++ {
			id := bulkID(i)
			ids = append(ids, hex.EncodeToString(id[:]))
		}
		list, err := json.Marshal(ids)
		if err != nil {
			return err
		}
		if _, err := db.ExecContext(ctx, statement, n, string(list)); err != nil {
			return fmt.Errorf("filling the table: %w", err)
		}
		if done := n + len(ids); done%100_000 == 0 {
			fmt.Fprintf(os.Stderr, "# %s: %d of %d keys after %v\n", t.store.Info().Name, done, t.size, time.Since(began).Round(time.Second))
		}
	}
	for _, statement := range []string{`UPDATE latchkey_feed SET keys = (SELECT count(*) FROM latchkey_key)`, `ANALYZE`} {
		if _, err := db.ExecContext(ctx, statement); err != nil {
			return fmt.Errorf("filling the table: %w", err)
		}
	}
	return nil
}
