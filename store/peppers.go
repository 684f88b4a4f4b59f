package store

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// countBatch is how many keys PepperCounts reads at once.
const countBatch = 500

// PepperCount tells how many keys hang on one pepper.
type PepperCount struct {
	PepperID   string // as Sealer.PepperID; "": keys without a proof
	Current    bool   // new proofs are made with it
	Configured bool   // proofs made with it are believed
	Keys       int
	Refused    int // of Keys: their proofs do not verify, so that they never authenticate
}

// PepperCounts tells which peppers the keys are sealed with: first those that are configured, in their order and also when no key is left on
// one, then the others, keys without a proof last. A pepper whose count is 0 can be removed from the configuration; while instances make keys,
// ask again after all of them make proofs with the current one. Without peppers nothing is checked and nothing counts as refused.
//
// It reads every key, some hundreds at a time, and is no snapshot: keys that change meanwhile are counted as they are when it comes to them.
func (k *Keys) PepperCounts(ctx context.Context) ([]PepperCount, error) {
	var counts []PepperCount
	if k.o.Sealer != nil {
		for i, p := range k.o.Sealer.peppers {
			counts = append(counts, PepperCount{PepperID: p.id, Current: i == 0, Configured: true})
		}
	}
	configured, at := len(counts), make(map[string]int)
	for i, c := range counts {
		at[c.PepperID] = i
	}
	for after := ""; ; {
		page, err := k.store.List(ctx, Query{AfterID: after, Limit: countBatch})
		if err != nil {
			return nil, fmt.Errorf("store: count peppers: %w", err)
		}
		for _, r := range page {
			after = r.Key.ID
			pepper := r.Evidence.Value().PepperID
			i, known := at[pepper]
			if !known {
				i = len(counts)
				at[pepper] = i
				counts = append(counts, PepperCount{PepperID: pepper})
			}
			counts[i].Keys++
			if k.o.Sealer.Verify(r) != nil {
				counts[i].Refused++
			}
		}
		if len(page) < countBatch {
			break
		}
	}
	slices.SortFunc(counts[configured:], func(a, b PepperCount) int {
		if a.PepperID == "" || b.PepperID == "" {
			return strings.Compare(b.PepperID, a.PepperID)
		}
		return strings.Compare(a.PepperID, b.PepperID)
	})
	return counts, nil
}
