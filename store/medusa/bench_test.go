package medusa_test

import (
	"context"
	"runtime"
	"testing"

	"github.com/latchkey-go/latchkey/store"
	"github.com/latchkey-go/latchkey/store/dburl"
	"github.com/latchkey-go/latchkey/store/medusa"
	"github.com/latchkey-go/latchkey/store/storetest/servers"
)

// BenchmarkImport takes over 10 000 keys, half of them secret, from one PostgreSQL database into
// another, without a cache in front. Besides the time it tells the greatest growth of the heap seen
// at the end of a batch.
func BenchmarkImport(b *testing.B) {
	const n = 10_000
	from := shop(b)
	exec(b, from, `INSERT INTO api_key (id, token, salt, redacted, title, type, created_by)
		SELECT 'apk_' || lpad(i::text, 26, '0'),
			CASE WHEN i % 2 = 0 THEN 'pk_' || lpad(to_hex(i), 64, '0') ELSE lpad(to_hex(i), 128, '0') END,
			CASE WHEN i % 2 = 0 THEN '' ELSE '00112233445566778899aabbccddeeff' END,
			CASE WHEN i % 2 = 0 THEN 'pk_000***' ELSE 'sk_000***' END || right('00' || to_hex(i), 3),
			'key ' || i, CASE WHEN i % 2 = 0 THEN 'publishable' ELSE 'secret' END, 'user_1'
		FROM generate_series(1, $1) i`, n)
	for b.Loop() {
		b.StopTimer()
		database, err := dburl.Parse(servers.Postgres(b).Database(b))
		if err != nil {
			b.Fatal(err)
		}
		db, err := database.Connect()
		if err != nil {
			b.Fatal(err)
		}
		rows, err := database.Open(db, nil)
		if err != nil {
			b.Fatal(err)
		}
		keys, err := store.Options{FlushInterval: -1}.New(rows)
		if err != nil {
			b.Fatal(err)
		}
		var before, now runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		var most uint64
		b.StartTimer()
		summary, err := medusa.Import(b.Context(), from, keys, medusa.Options{Progress: func(medusa.Progress) {
			runtime.ReadMemStats(&now)
			most = max(most, now.HeapAlloc-min(now.HeapAlloc, before.HeapAlloc))
		}})
		b.StopTimer()
		if err != nil || summary.Imported != n {
			b.Fatalf("%+v, %v", summary, err)
		}
		b.ReportMetric(float64(most)/(1<<20), "MiB-heap")
		_ = keys.Close(context.Background())
		_ = db.Close()
		b.StartTimer()
	}
}
