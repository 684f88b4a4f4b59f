package store_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/latchkey-go/latchkey/store"
)

// A filter that is longer than a database takes is an invalid filter, and not a database that does
// not work.
func TestRequirement26FiltersAreBounded(t *testing.T) {
	b := newBench(t, store.Options{})
	many := func(n int) (list []store.Filter) {
		for range n {
			list = append(list, store.Filter{IDs: []string{"apk_x"}})
		}
		return list
	}
	deep := store.Filter{IDs: []string{"apk_x"}}
	for range store.MaxConditions {
		deep = store.Filter{Or: []store.Filter{deep}}
	}
	times := make([]store.TimeCondition, store.MaxConditions+1)
	for i := range times {
		times[i] = store.TimeCondition{Op: store.IsNull}
	}
	for name, f := range map[string]store.Filter{
		"or":    {Or: many(store.MaxConditions/2 + 1)},
		"and":   {And: many(store.MaxConditions/2 + 1)},
		"deep":  deep,
		"words": {Search: strings.Repeat("a ", store.MaxConditions+1)},
		"times": {CreatedAt: times},
	} {
		changes := len(events(t, b.rows))
		for verb, call := range map[string]func() error{
			"List":         func() error { _, err := b.keys.List(b.ctx, store.Query{Filter: f}); return err },
			"ListAndCount": func() error { _, _, err := b.keys.ListAndCount(b.ctx, store.Query{Filter: f}); return err },
			"RevokeAll":    func() error { _, err := b.keys.RevokeAll(b.ctx, f, start); return err },
			"Revocable":    func() error { _, _, err := b.keys.Revocable(b.ctx, f, start); return err },
			"UpdateAll":    func() error { _, err := b.keys.UpdateAll(b.ctx, f, store.Patch{Title: ptr("x")}); return err },
		} {
			if err := call(); !errors.Is(err, store.ErrInvalid) || !strings.Contains(err.Error(), "more than 300 conditions") {
				t.Errorf("%s, %s: %v", verb, name, err)
			}
		}
		if n := len(events(t, b.rows)); n != changes {
			t.Errorf("%s: %d events", name, n-changes)
		}
	}
	for name, f := range map[string]store.Filter{"or": {Or: many(store.MaxConditions / 2)}, "words": {Search: strings.Repeat("a ", store.MaxConditions)}, "a long list": {IDs: strings.Fields(strings.Repeat("a ", 5000))}} {
		if _, _, err := b.keys.ListAndCount(b.ctx, store.Query{Filter: f}); err != nil {
			t.Errorf("%s, within bounds: %v", name, err)
		}
	}
}
