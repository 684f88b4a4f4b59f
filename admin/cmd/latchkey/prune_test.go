package main

import (
	"context"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/latchkey-go/latchkey/store"
	"github.com/latchkey-go/latchkey/store/dburl"
)

// rows opens the database itself, past every cache.
func (sh *shell) rows() store.Store {
	t := sh.t
	t.Helper()
	database, err := dburl.Parse(sh.env["DATABASE_URL"])
	if err != nil {
		t.Fatal(err)
	}
	db, err := database.Connect()
	if err != nil {
		t.Fatal(err)
	}
	rows, err := database.Open(db, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = rows.Close(context.Background())
		_ = db.Close()
	})
	return rows
}

func TestPruning(t *testing.T) {
	t.Parallel()
	sh := onSQLite(t)
	rows := sh.rows()
	old := time.Now().Add(-100 * day)
	append_ := func(kind store.Kind, at time.Time, n int) {
		t.Helper()
		_, err := rows.Change(t.Context(), store.Actor{ID: "user_1"}, func(tx store.Tx) error {
			for range n {
				if err := tx.Append(t.Context(), nil, store.Event{Kind: kind, At: at}); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	prune := func(args ...string) string {
		t.Helper()
		v := read[pruneView](sh.ok(append([]string{"prune", "-o", "json", "-older-than", "90d"}, args...)...))
		if before, err := time.Parse(time.RFC3339, fmt.Sprint(v.Before)); err != nil || time.Since(before) < 89*day || time.Since(before) > 91*day {
			t.Errorf("before %s", fmt.Sprint(v.Before))
		}
		return fmt.Sprintf("%v %d removed, %d remain, %d deletions", v.DryRun, v.Removed, v.Remaining, v.DeletionsKept)
	}
	expect := func(got, want string) {
		t.Helper()
		if got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	sh.secret("to make the file")
	expect(prune(), "false 0 removed, 1 remain, 0 deletions")

	append_(store.Created, old, 1500) // more than a page
	append_(store.Deleted, old, 3)
	append_(store.Updated, old, 2)
	expect(prune("-dry-run"), "true 1501 removed, 5 remain, 3 deletions") // the newest stays
	append_(store.Updated, time.Now(), 4)
	expect(prune("-dry-run"), "true 1502 removed, 8 remain, 3 deletions")
	expect(prune("-dry-run"), "true 1502 removed, 8 remain, 3 deletions")
	expect(prune(), "false 1502 removed, 8 remain, 3 deletions")
	expect(prune(), "false 0 removed, 8 remain, 3 deletions")
	append_(store.Deleted, old, 1)
	expect(prune("-dry-run"), "true 0 removed, 9 remain, 4 deletions")
	r := sh.ok("prune", "-older-than", "90d")
	r.prints("0 events from before {time} removed, 9 remain, among them 4 older deletions, which always stay\n")
}
