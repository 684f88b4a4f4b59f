package sqldbtest

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"math/rand/v2"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/latchkey-go/latchkey/store"
	"github.com/latchkey-go/latchkey/store/internal/sqldb"
)

// Version is a newer program, with more migrations and other indexes.
type Version struct {
	Steps   []string
	Indexes string
}

// Of returns the dialect of that program.
func (v Version) Of(tb testing.TB, d sqldb.Dialect) sqldb.Dialect {
	tb.Helper()
	files := fstest.MapFS{}
	names := migrations(tb, d)
	for _, name := range names {
		files[name] = &fstest.MapFile{Data: []byte(read(tb, d, name))}
	}
	for i, step := range v.Steps {
		name := fmt.Sprintf("migrations/%04d_more.sql", len(names)+1+i)
		files[name] = &fstest.MapFile{Data: []byte("-- min_compatible: 1\n" + step)}
	}
	d.Migrations, d.Indexes = files, v.Indexes
	return d
}

func migrations(tb testing.TB, d sqldb.Dialect) []string {
	tb.Helper()
	names, err := fs.Glob(d.Migrations, "migrations/[0-9]*.sql")
	if err != nil || len(names) == 0 {
		tb.Fatalf("%d migrations, %v", len(names), err)
	}
	return names
}

func read(tb testing.TB, d sqldb.Dialect, name string) string {
	tb.Helper()
	text, err := fs.ReadFile(d.Migrations, name)
	if err != nil {
		tb.Fatal(err)
	}
	return string(text)
}

var (
	newTable    = regexp.MustCompile(`(?m)^CREATE TABLE (\w+)`)
	alterTable  = regexp.MustCompile(`(?m)^ALTER TABLE (?:IF EXISTS )?(\w+)`)
	createIndex = regexp.MustCompile(`(?m)^CREATE (?:UNIQUE )?INDEX [^;]* ON (\w+)`)
	addsAtOnce  = regexp.MustCompile(`^ALTER TABLE \w+ (ADD COLUMN \w+ [a-zA-Z]+( COLLATE "C")?(, )?)+$`)
)

// Instant tests that no migration except the first holds a lock for longer than a change of the
// catalog takes: it may only add columns to an existing table that are nullable and have no
// default, and the indexes of the table are in sqldb.Indexes.
func Instant(t *testing.T, d sqldb.Dialect) {
	for _, name := range migrations(t, d)[1:] {
		text := read(t, d, name)
		var fresh []string
		for _, found := range newTable.FindAllStringSubmatch(text, -1) {
			fresh = append(fresh, found[1])
		}
		for _, found := range createIndex.FindAllStringSubmatch(text, -1) {
			if !slices.Contains(fresh, found[1]) {
				t.Errorf("%s blocks changes of %s while it creates an index: move the index to Indexes (sqldb/index.go)", name, found[1])
			}
		}
		for statement := range strings.SplitSeq(text, ";\n") {
			found := alterTable.FindStringSubmatchIndex(statement)
			if found == nil {
				continue
			}
			flat := strings.Join(strings.Fields(statement[found[0]:]), " ")
			if table := statement[found[2]:found[3]]; !slices.Contains(fresh, table) && !addsAtOnce.MatchString(flat) {
				t.Errorf("%s: columns of %s must be nullable, without a default and without a check: %s", name, table, flat)
			}
		}
	}
}

// Loaded is a table that is migrated during lookups and changes.
type Loaded struct {
	Fresh   func() (store.Store, *sql.DB)
	Again   func() *sql.DB // another pool of the last database of Fresh
	Fill    string         // as for BenchmarkTable
	Dialect sqldb.Dialect
	// Slow is an expression over columns of a key that takes a tenth of a millisecond.
	Slow string
}

// next is a later program: it adds columns to two tables, an index of all keys, and an index of the
// few keys with a text.
func next(column string) Version {
	return Version{
		Steps: []string{
			"ALTER TABLE latchkey_key ADD COLUMN more text;\nALTER TABLE latchkey_event ADD COLUMN more text;\n",
			"ALTER TABLE latchkey_key ADD COLUMN most text;\n",
		},
		Indexes: "CREATE INDEX IF NOT EXISTS latchkey_key_title ON latchkey_key (" + column + ");\n" +
			"CREATE INDEX IF NOT EXISTS latchkey_key_more ON latchkey_key (more) WHERE more IS NOT NULL;\n",
	}
}

func (l Loaded) migrate(ctx context.Context, tb testing.TB, db *sql.DB, column string) error {
	o := sqldb.Options{Logger: slog.New(slog.NewTextHandler(os.Stderr, nil))}
	_, _, made, err := sqldb.Migrate(ctx, db, next(column).Of(tb, l.Dialect), o, false)
	if err == nil && len(made) != 2 {
		err = fmt.Errorf("made %v", made)
	}
	return err
}

// Test tests that no lookup and no change fails during the migration.
func (l Loaded) Test(t *testing.T, size int) {
	keys := l.table(t, size)
	db := l.Again()
	stop, result := make(chan struct{}), make(chan loadResult)
	go func() { result <- keys.load(t.Context(), 100, stop) }()
	err := l.migrate(t.Context(), t, db, l.Slow)
	close(stop)
	seen := <-result
	if err != nil {
		t.Error(err)
	}
	for what, c := range map[string]calls{"lookups": seen.lookups, "changes": seen.changes} {
		if len(c.took) == 0 || len(c.failed) > 0 {
			t.Errorf("of %d %s %d failed: %v", len(c.took), what, len(c.failed), errors.Join(c.failed...))
		}
	}
}

// Benchmark reports the durations of lookups and changes before and during the migration.
func (l Loaded) Benchmark(b *testing.B, size int) {
	keys := l.table(b, size)
	for range b.N {
		stop, result := make(chan struct{}), make(chan loadResult)
		go func() { result <- keys.load(b.Context(), lookupsPerSecond, stop) }()
		time.Sleep(10 * time.Second)
		close(stop)
		before := <-result

		db := l.Again()
		stop = make(chan struct{})
		go func() { result <- keys.load(b.Context(), lookupsPerSecond, stop) }()
		began := time.Now()
		err := l.migrate(b.Context(), b, db, "title")
		took := time.Since(began)
		close(stop)
		during := <-result
		if err = errors.Join(append(before.lookups.failed, err)...); err != nil {
			b.Fatal(err)
		}
		for name, seen := range map[string]loadResult{"before": before, "during": during} {
			b.ReportMetric(seen.lookups.percentile(50), "ns/lookup-p50-"+name)
			b.ReportMetric(seen.lookups.percentile(99), "ns/lookup-p99-"+name)
			b.ReportMetric(seen.changes.percentile(99), "ns/change-p99-"+name)
		}
		b.ReportMetric(during.lookups.percentile(99)/before.lookups.percentile(99), "p99-ratio")
		b.ReportMetric(float64(len(during.lookups.failed)), "lookups-failed")
		b.ReportMetric(float64(len(during.changes.failed)), "changes-failed")
		b.ReportMetric(took.Seconds(), "s/migration")
	}
}

func (l Loaded) table(tb testing.TB, size int) table {
	s, db := l.Fresh()
	t := table{size: size, store: s, keys: store.New(s)}
	tb.Cleanup(func() { _ = t.keys.Close(context.Background()) })
	if err := t.fill(tb.Context(), db, l.Fill); err != nil {
		tb.Fatal(err)
	}
	var all sync.WaitGroup // opens the connections
	for range lookupWorkers {
		all.Go(func() {
			for range 500 {
				_, _ = s.Lookup(tb.Context(), bulkID(rand.IntN(size)), "")
			}
		})
	}
	all.Wait()
	return t
}

// loadResult is the result of load.
type loadResult struct{ lookups, changes calls }

type calls struct {
	took   []time.Duration
	failed []error
}

const (
	lookupsPerSecond = 1000 // in Benchmark
	changesPerSecond = 20
	lookupWorkers    = 8 // concurrent
)

// load looks keys up and creates some, at a steady rate, until stop is closed. A duration is
// measured from the time at which the call was due.
func (t table) load(ctx context.Context, lookupsPerSecond int, stop <-chan struct{}) loadResult {
	var b loadResult
	var mu sync.Mutex
	var all sync.WaitGroup
	steadily := func(every time.Duration, into *calls, do func() error) {
		all.Go(func() {
			for due := time.Now(); ; due = due.Add(every) {
				select {
				case <-stop:
					return
				case <-time.After(time.Until(due)):
				}
				err := do()
				took := time.Since(due)
				mu.Lock()
				into.took = append(into.took, took)
				if err != nil {
					into.failed = append(into.failed, err)
				}
				mu.Unlock()
			}
		})
	}
	for range lookupWorkers {
		steadily(time.Second*lookupWorkers/time.Duration(lookupsPerSecond), &b.lookups, func() error {
			found, err := t.store.Lookup(ctx, bulkID(rand.IntN(t.size)), "")
			if err == nil && found.Record == nil {
				err = store.ErrUnknownToken
			}
			return err
		})
	}
	steadily(time.Second/changesPerSecond, &b.changes, func() error {
		_, err := t.keys.Create(ctx, store.NewKey{Type: store.Secret, Title: "one more"})
		return err
	})
	all.Wait()
	return b
}

// percentile is in nanoseconds.
func (c calls) percentile(p int) float64 {
	if len(c.took) == 0 {
		return 0
	}
	slices.Sort(c.took)
	return float64(c.took[(len(c.took)-1)*p/100])
}
