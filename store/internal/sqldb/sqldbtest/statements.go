package sqldbtest

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/latchkey-go/latchkey/store"
)

// Counts are the numbers of statements of a dialect between BEGIN and COMMIT.
type Counts struct {
	Create     int // one key
	CreateMany int // three keys
	Nothing    int // a change that finds nothing to do
	Raise      int // a change that raises the level
}

// Statements tests what an empty store sends for each call; its pool writes to log. Each statement
// is a round trip. The prepared statement is prepared by the first call.
func Statements(t *testing.T, s store.Store, log *Log, want Counts) {
	ctx := t.Context()
	change := func(fn func(store.Tx) error) func() error {
		return func() error {
			_, err := s.Change(ctx, store.Actor{ID: "user_1"}, fn)
			return err
		}
	}
	legacy := Record(9)
	legacy.Key.LookupID = store.LookupID{}
	boom := errors.New("boom")
	var head store.Feed
	if _, err := s.Lookup(ctx, LookupID(1), ""); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name        string
		run         func() error
		statements  int
		transaction bool
	}{
		{"a change of many keys beside a program of a lower level", func() error {
			err := s.Join(ctx, store.Member{ID: "low", Level: 1, TTL: time.Hour})
			log.Take()
			return errors.Join(err, change(func(tx store.Tx) error {
				for range 3 {
					if lower, err := tx.Raise(ctx, store.Level); lower == nil || err != nil {
						t.Errorf("raised past a member: %v", err)
					}
				}
				return tx.Append(ctx, Record(1), Event(store.Updated))
			})())
		}, 3, true},
		{"its leaving", func() error { return s.Leave(ctx, "low") }, 1, false},
		{"a change that raises the level", change(func(tx store.Tx) error {
			lower, err := tx.Raise(ctx, store.Level)
			if lower != nil {
				t.Errorf("member %s is in the way", lower.ID)
			}
			return errors.Join(err, tx.Append(ctx, Record(1), Event(store.Updated)))
		}), want.Raise, true},
		{"a change that needs the level that is there", change(func(tx store.Tx) error {
			_, err := tx.Raise(ctx, store.Level)
			return errors.Join(err, tx.Append(ctx, Record(1), Event(store.Updated)))
		}), 2, true},
		{"a change that creates a key", change(func(tx store.Tx) error {
			return tx.Insert(ctx, Record(1), Event(store.Created))
		}), want.Create, true},
		{"a change that creates three keys", change(func(tx store.Tx) error {
			return errors.Join(tx.Insert(ctx, Record(2), Event(store.Created)), tx.Insert(ctx, Record(3), Event(store.Created)),
				tx.Insert(ctx, legacy, Event(store.Created)))
		}), want.CreateMany, true},
		{"a change of one key", change(func(tx store.Tx) error {
			return tx.Update(ctx, Record(1), Event(store.Revoked))
		}), 3, true},
		{"a change that finds what it wanted", change(func(tx store.Tx) error {
			return tx.Append(ctx, Record(1), Event(store.Revoked))
		}), 2, true},
		{"a change that finds nothing to do", change(func(store.Tx) error { return nil }), want.Nothing, false},
		{"a change that fails", func() error {
			if err := change(func(store.Tx) error { return boom })(); !errors.Is(err, boom) {
				t.Errorf("Change: %v", err)
			}
			return nil
		}, 1, false},
		{"a lookup", func() error { _, err := s.Lookup(ctx, LookupID(1), ""); return err }, 1, false},
		{"a lookup of a Medusa token", func() error {
			found, err := s.Lookup(ctx, LookupID(77), legacy.Key.Redacted)
			if len(found.Legacy) != 1 {
				t.Errorf("found %d legacy keys", len(found.Legacy))
			}
			return err
		}, 1, false},
		{"a lookup that finds nothing", func() error { _, err := s.Lookup(ctx, LookupID(77), ""); return err }, 1, false},
		{"get", func() error { _, err := s.Get(ctx, Record(1).Key.ID); return err }, 1, false},
		{"a count of all keys", func() error { _, err := s.Count(ctx, store.Filter{}); return err }, 1, false},
		{"the feed", func() (err error) { head, err = s.Feed(ctx, 0, 1000); return err }, 1, false},
		{"touching many keys", func() error {
			return s.Touch(ctx, []store.Use{{KeyID: Record(1).Key.ID, At: At}, {KeyID: Record(2).Key.ID, At: At}, {KeyID: "apk_none", At: At}})
		}, 1, false},
		{"joining", func() error { return s.Join(ctx, store.Member{ID: "a", Level: store.Level, TTL: time.Minute}) }, 1, false},
		{"acknowledging", func() error { return s.Acknowledge(ctx, "a", head.Head, head.Tag) }, 1, false},
		{"asking for members when none has lapsed", func() error { _, err := s.Members(ctx); return err }, 1, false},
	} {
		log.Take()
		if err := test.run(); err != nil {
			t.Errorf("%s: %v", test.name, err)
		}
		sent := log.Take()
		if n, transaction := statements(sent); n != test.statements || transaction != test.transaction || slices.Contains(sent, "PREPARE") {
			t.Errorf("%s is %d statements, want %d; in a transaction: %t, want %t. It sent:\n%q",
				test.name, n, test.statements, transaction, test.transaction, sent)
		}
	}
}
