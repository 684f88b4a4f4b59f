package sqldbtest

import (
	"context"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/latchkey-go/latchkey/store"
)

// Injection uses hostile input in every text that a store accepts. It tests that no input becomes
// part of a statement, that every input is stored unchanged, and that a filter with it selects only
// the matching keys. The store's pool writes to log.
func Injection(t *testing.T, s store.Store, log *Log) {
	ctx := t.Context()
	const canary = "cAnArY"
	poisons := []string{
		canary + "' OR '1'='1", canary + "'; DROP TABLE latchkey_key; --", canary + `" OR ""="`, canary + `\'; --`, canary + "$$; SELECT 1; $$", canary + "?1 ? $1 :a @b",
		canary + "%", canary + "_", canary + `\%`, canary + "/* */", canary + "') UNION SELECT * FROM latchkey_key --", canary + "`x`", canary + `["a"]`, canary + "\r\n\t", canary + "é\u202e😀",
	}
	log.Take()
	change := func(fn func(store.Tx) error) {
		t.Helper()
		if _, err := s.Change(ctx, store.Actor{ID: poisons[0], RequestID: poisons[1]}, fn); err != nil {
			t.Error(err)
		}
	}
	for i, poison := range poisons {
		r := Record(i + 1)
		k := &r.Key
		k.ID, k.Title, k.Redacted, k.CreatedBy, k.RevokedBy, k.RolledFrom = poison+"id", poison, poison, poison, poison, poison
		k.Type, k.Token = store.Publishable, poison+"token"
		k.Scopes, k.SalesChannelIDs, k.Metadata = []string{poison}, []string{poison}, map[string]string{poison: poison}
		r.Evidence.PepperID, r.Evidence.LegacySalt = poison, poison
		change(func(tx store.Tx) error {
			return tx.Insert(ctx, r, store.Event{Kind: store.Kind(poison), At: At, Version: 1, Details: map[string]string{poison: poison}})
		})
		change(func(tx store.Tx) error { return tx.Update(ctx, r, store.Event{Kind: store.Updated, At: At}) })
		got, err := s.Get(ctx, k.ID)
		if err != nil || !reflect.DeepEqual(got.Clone(), r.Clone()) {
			t.Errorf("%q came back as\n%+v %+v, want\n%+v %+v (%v)", poison, got.Key, got.Evidence, r.Key, r.Evidence, err)
		}
	}
	for i, poison := range poisons {
		id := poison + "id"
		for name, q := range map[string]store.Query{
			"id":         {Filter: store.Filter{IDs: []string{id}}},
			"title":      {Filter: store.Filter{Titles: []string{poison}}},
			"token":      {Filter: store.Filter{Tokens: []string{poison + "token"}}},
			"created by": {Filter: store.Filter{CreatedBy: []string{poison}}},
			"or":         {Filter: store.Filter{Or: []store.Filter{{IDs: []string{id}}}}},
			"and":        {Filter: store.Filter{And: []store.Filter{{Titles: []string{poison}}}}},
		} {
			found, err := s.List(ctx, q)
			if err != nil || len(found) != 1 || found[0].Key.ID != id {
				t.Errorf("%s %q selects %d keys, %v; want its own", name, poison, len(found), err)
			}
		}
		// In a search % and _ have no special meaning, so each word finds only the titles that
		// contain it.
		want := 0
		for _, title := range poisons {
			all := true
			for _, word := range strings.Fields(poison) {
				all = all && strings.Contains(strings.ToLower(title+"\n"+title), strings.ToLower(word))
			}
			if all {
				want++
			}
		}
		if n, err := s.Count(ctx, store.Filter{Search: poison}); err != nil || n != want {
			t.Errorf("a search for %q finds %d, want %d (%v)", poison, n, want, err)
		}
		for _, call := range []func() error{
			func() error { _, err := s.Lookup(ctx, LookupID(i+1), poison); return err },
			func() error { _, err := s.List(ctx, store.Query{AfterID: poison}); return err },
			func() error { return s.Touch(ctx, []store.Use{{KeyID: id, At: At}}) },
			func() error {
				_, err := s.Events(ctx, store.EventQuery{KeyID: id, Kind: store.Kind(poison)})
				return err
			},
			func() error { return s.Join(ctx, store.Member{ID: poison, TTL: time.Hour}) },
			func() error { return s.Leave(ctx, poison) },
		} {
			if err := call(); err != nil {
				t.Errorf("%q: %v", poison, err)
			}
		}
	}
	sent := log.Take()
	if len(sent) < len(poisons)*10 {
		t.Fatalf("only %d statements were seen", len(sent))
	}
	for _, statement := range sent {
		if strings.Contains(statement, canary) {
			t.Errorf("input is part of a statement: %s", statement)
		}
	}
	all, err := s.List(ctx, store.Query{})
	if err != nil || len(all) != len(poisons) {
		t.Errorf("afterwards there are %d keys, %v; want %d", len(all), err, len(poisons))
	}
}

// Pages tests that a page costs the same at every position. It checks the plan of the statement,
// which explain returns.
func Pages(t *testing.T, s store.Store, log *Log, explain func(statement string, args ...any) string, walks, sorts []string) {
	ctx := context.Background()
	const keys = 3000
	if _, err := s.Change(ctx, store.Actor{}, func(tx store.Tx) error {
		for i := range keys {
			r := Record(i)
			if err := tx.InsertQuietly(ctx, r); err != nil {
				return err
			}
		}
		return tx.Append(ctx, nil, store.Event{Kind: store.Imported, At: At})
	}); err != nil {
		t.Fatal(err)
	}
	for _, after := range []int{1, keys / 2, keys - 30} {
		log.Take()
		page, err := s.List(ctx, store.Query{AfterID: Record(after).Key.ID, Limit: 20})
		if err != nil || len(page) != 20 || page[0].Key.ID != Record(after+1).Key.ID {
			t.Fatalf("after key %d: %d keys, %v", after, len(page), err)
		}
		sent := log.Take()
		if len(sent) != 1 {
			t.Fatalf("a page is %d statements: %q", len(sent), sent)
		}
		plan := explain(sent[0], Record(after).Key.ID, 20, 0)
		for _, bad := range append(walks, sorts...) {
			if strings.Contains(plan, bad) {
				t.Errorf("the page after key %d walks or sorts the table (%s):\n%s", after, bad, plan)
			}
		}
		if !strings.Contains(plan, "latchkey_key") {
			t.Fatalf("this is no plan: %s", plan)
		}
	}
	log.Take()
	if n, err := s.Count(ctx, store.Filter{}); err != nil || n != keys {
		t.Errorf("counted %d, %v", n, err)
	}
	if sent := log.Take(); len(sent) != 1 || strings.Contains(sent[0], "latchkey_key") {
		t.Errorf("a count of all keys reads the keys: %q", sent)
	}
}
