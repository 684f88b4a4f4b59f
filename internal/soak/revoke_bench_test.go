package soak_test

import (
	"context"
	"math/rand/v2"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// durable is PostgreSQL as it comes: a commit is on the disk when it returns.
var durable = []string{"fsync=on", "full_page_writes=on", "synchronous_commit=on"}

// BenchmarkRevoke is what a revoke over HTTP costs with five instances and no fault, on a machine
// that is half busy with lookups, beside the bare commit of one row at the same moments.
func BenchmarkRevoke(b *testing.B) {
	w := newWorld(b, setup{direct: true, settings: durable}, 1)
	db, err := pgx.Connect(b.Context(), w.dsn)
	if err != nil {
		b.Fatal(err)
	}
	defer db.Close(context.Background())
	if _, err := db.Exec(b.Context(), `CREATE TABLE bare (n int); INSERT INTO bare VALUES (0)`); err != nil {
		b.Fatal(err)
	}
	w.stock(200)
	stop, busy, rest := w.halfBusy()
	var commits, revokes []time.Duration
	for b.Loop() {
		if w.ledger.alive() < 100 {
			b.StopTimer()
			w.stock(300)
			b.StartTimer()
		}
		i, k := w.anyone(), w.ledger.take(0)
		began := time.Now()
		if _, err := db.Exec(b.Context(), `UPDATE bare SET n = n + 1`); err != nil {
			b.Fatal(err)
		}
		commits = append(commits, time.Since(began))

		k.mu.Lock()
		k.revoking = w.now()
		k.mu.Unlock()
		began = time.Now()
		a, got := w.ask(i, w.admin, w.admin.token, http.MethodPost, "/admin/api-keys/"+k.id+"/revoke", "")
		took := time.Since(began)
		if !w.done(a) {
			b.Fatalf("revoke: %d %v %s", a.status, a.err, got)
		}
		k.mu.Lock()
		k.revoked = w.now()
		k.mu.Unlock()
		revokes = append(revokes, took)
		w.probe(k)
		w.ledger.bury(k)
		rest() // revocations one after the other keep the machine busier than half
	}
	b.ReportMetric(100*busy(), "%busy")
	stop()
	for _, m := range []struct {
		unit string
		all  []time.Duration
	}{{"ms", revokes}, {"ms-bare", commits}} {
		b.ReportMetric(float64(percentile(m.all, 50))/1e6, "p50-"+m.unit)
		b.ReportMetric(float64(percentile(m.all, 99))/1e6, "p99-"+m.unit)
	}
	total := w.report.sum()
	b.ReportMetric(float64(total.late), "late")
	for _, v := range w.report.violations {
		b.Errorf("%v", v)
	}
}

// halfBusy has clients use keys, so many that the machine's cores are busy half of the time. busy
// returns how busy they were; 0 where the system does not tell, and then the load is not adapted.
// rest waits between two requests as those clients do.
func (w *world) halfBusy() (stop func(), busy func() float64, rest func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var clients sync.WaitGroup
	var pause atomic.Int64
	pause.Store(int64(5 * time.Millisecond))
	rest = func() { time.Sleep(time.Duration(float64(pause.Load()) * (0.5 + rand.Float64()))) }
	for _, i := range w.all {
		for range 3 {
			clients.Go(func() {
				for ctx.Err() == nil {
					if k := w.ledger.some(); k != nil {
						w.use(i, k, k.token)
					}
					rest()
				}
			})
		}
	}
	first, firstAll := processorTime()
	clients.Go(func() {
		const least, most = int64(200 * time.Microsecond), int64(50 * time.Millisecond)
		ticks := time.NewTicker(250 * time.Millisecond)
		defer ticks.Stop()
		used, all := first, firstAll
		for {
			select {
			case <-ticks.C:
			case <-ctx.Done():
				return
			}
			usedNow, allNow := processorTime()
			if allNow > all {
				share := float64(usedNow-used) / float64(allNow-all)
				pause.Store(min(most, max(least, int64(float64(pause.Load())*(0.5+share)))))
			}
			used, all = usedNow, allNow
		}
	})
	stop = func() { cancel(); clients.Wait(); w.aside.Wait() }
	busy = func() float64 {
		used, all := processorTime()
		if all <= firstAll {
			return 0
		}
		return float64(used-first) / float64(all-firstAll)
	}
	return stop, busy, rest
}

// processorTime returns how long the cores have been busy, and how long they could have been, in
// the system's own unit. Linux only; else 0.
func processorTime() (used, all int64) {
	b, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0, 0
	}
	line, _, _ := strings.Cut(string(b), "\n") // cpu user nice system idle iowait …
	for n, field := range strings.Fields(line) {
		v, err := strconv.ParseInt(field, 10, 64)
		if err != nil || n > 8 { // guest time is in user time already
			continue
		}
		all += v
		if n != 4 && n != 5 {
			used += v
		}
	}
	return used, all
}
