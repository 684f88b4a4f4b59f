package store

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// countBatch is how many keys PepperCounts reads at a time.
const countBatch = 500

// PepperCount is the number of keys that are sealed with one pepper.
type PepperCount struct {
	PepperID   string // see Sealer.PepperID; "": keys without a proof
	Current    bool   // new proofs use it
	Configured bool   // proofs that use it can be verified
	Keys       int
	Refused    int // how many of Keys have a proof that does not verify; they never authenticate
}

// PepperCounts returns how many keys are sealed with each pepper: first the configured peppers in
// their order, also those with no keys, then the others, then keys without a proof. A pepper with 0
// keys can be removed from the configuration. While instances create keys, first make sure that all
// of them use the current pepper, then count again. Without peppers no proof is checked, and
// Refused is 0.
//
// It reads all keys in batches and is not a snapshot: a key that changes meanwhile is counted as it
// is when its batch is read.
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
