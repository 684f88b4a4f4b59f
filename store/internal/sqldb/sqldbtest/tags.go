package sqldbtest

import (
	"context"
	"database/sql"
	"testing"

	"github.com/latchkey-go/latchkey/store"
)

// Untagged tests an event of a program that does not know tags. Such a program increments the
// feed's head and writes an event, and nothing else. The tag of that event must be unknown,
// although the feed's row still has an older tag.
func Untagged(t *testing.T, s store.Store, db *sql.DB) {
	change := func(n int) store.Change {
		t.Helper()
		c, err := s.Change(t.Context(), store.Actor{}, func(tx store.Tx) error {
			return tx.Insert(t.Context(), Record(n), Event(store.Created))
		})
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	heads := func(id int64, tag store.Tag) {
		t.Helper()
		found, err := s.Lookup(t.Context(), LookupID(1), "")
		if err != nil || found.Head != id || found.Tag != tag || found.Record == nil {
			t.Errorf("Lookup: %+v, %v; want head %d with tag %v", found, err, id, tag)
		}
		feed, err := s.Feed(t.Context(), id-1, 1)
		if err != nil || feed.Head != id || feed.Tag != tag || len(feed.Events) != 1 || feed.Events[0].Tag != tag {
			t.Errorf("Feed: %+v, %v; want head %d with tag %v", feed, err, id, tag)
		}
	}
	first := change(1)
	heads(1, first.Events[0].Tag)
	for _, statement := range []string{
		`UPDATE latchkey_feed SET head = head + 1 WHERE id = 1`,
		`INSERT INTO latchkey_event (id, key_id, lookup_id, kind, version, actor, request_id, occurred_at, details)
			SELECT 2, key_id, lookup_id, kind, version, actor, request_id, occurred_at, details FROM latchkey_event WHERE id = 1`,
	} {
		if _, err := db.ExecContext(context.Background(), statement); err != nil {
			t.Fatal(err)
		}
	}
	heads(2, 0)
	next := change(3)
	if next.First != 3 || next.Before != 0 || next.Events[0].Tag == 0 {
		t.Errorf("the change after it: %+v", next)
	}
	heads(3, next.Events[0].Tag)
	if again := change(4); again.Before != next.Events[0].Tag {
		t.Errorf("the change after that names %v before it, want %v", again.Before, next.Events[0].Tag)
	}
}
