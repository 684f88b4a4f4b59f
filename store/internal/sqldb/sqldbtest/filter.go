package sqldbtest

import (
	"slices"
	"strings"
	"testing"

	"github.com/latchkey-go/latchkey/store"
)

// LongestFilters tests that the database accepts the longest filters that package store allows.
func LongestFilters(t *testing.T, s store.Store) {
	deep := store.Filter{IDs: []string{"apk_x"}}
	for range store.MaxConditions - 1 {
		deep = store.Filter{Or: []store.Filter{deep}}
	}
	for name, f := range map[string]store.Filter{
		"or":    {Or: slices.Repeat([]store.Filter{{IDs: []string{"apk_x"}}}, store.MaxConditions/2)},
		"and":   {And: slices.Repeat([]store.Filter{{IDs: []string{"apk_x"}}}, store.MaxConditions/2)},
		"words": {Search: strings.Repeat("a ", store.MaxConditions)},
		"times": {CreatedAt: slices.Repeat([]store.TimeCondition{{Op: store.NotNull}}, store.MaxConditions)},
		"deep":  deep,
	} {
		if _, err := s.List(t.Context(), store.Query{Filter: f}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := s.Count(t.Context(), f); err != nil {
			t.Errorf("%s, counted: %v", name, err)
		}
	}
}
