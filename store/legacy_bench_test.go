package store_test

import (
	"context"
	"testing"
	"time"

	"github.com/latchkey-go/latchkey/store"
)

// BenchmarkImportedKey shows what the first use of an imported Medusa key costs (scrypt, as each
// request costs in Medusa) beside every later one, in the memory store.
func BenchmarkImportedKey(b *testing.B) {
	imported := func(b *testing.B) (*store.Keys, store.Store) {
		b.Helper()
		rows := store.NewMemory()
		keys, err := store.Options{FlushInterval: -1}.New(rows)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := keys.Import(b.Context(), []store.ImportKey{medusaKey(b, "apk_1", medusaSecret)}, false); err != nil {
			b.Fatal(err)
		}
		return keys, rows
	}
	use := func(b *testing.B, keys *store.Keys) {
		b.Helper()
		if _, err := keys.Authenticate(b.Context(), medusaSecret); err != nil {
			b.Fatal(err)
		}
	}
	b.Run("FirstUse", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			b.StopTimer()
			keys, _ := imported(b)
			b.StartTimer()
			use(b, keys)
			b.StopTimer()
			_ = keys.Close(context.Background())
			b.StartTimer()
		}
	})
	b.Run("SecondUse", func(b *testing.B) {
		b.ReportAllocs()
		keys, rows := imported(b)
		defer keys.Close(context.Background())
		use(b, keys)
		for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
			if r, err := rows.Get(b.Context(), "apk_1"); err == nil && !r.Key.LookupID.IsZero() {
				break
			}
			if time.Now().After(deadline) {
				b.Fatal("never upgraded")
			}
		}
		for b.Loop() {
			use(b, keys)
		}
	})
}
