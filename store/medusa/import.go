package medusa

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"

	"github.com/latchkey-go/latchkey/store"
)

// Options are the settings of Import. The zero value is ready to use.
type Options struct {
	// Schema is the PostgreSQL schema of Medusa's tables. Default: the search_path of the
	// connection.
	Schema string
	// DryRun reads and checks everything and writes nothing.
	DryRun bool
	// BatchSize is the number of keys that one change imports, at most store.MaxImport. Default
	// 500.
	BatchSize int
	// After continues after the key with that id, the LastID of an interrupted import. A new import
	// from the start is equally safe, but slower.
	After string
	// Progress, if not nil, is called after each batch.
	Progress func(Progress)
}

// Progress is the state of a running import.
type Progress struct {
	Done, Total int
	LastID      string // the last key that was processed
}

// Summary is the result of an import or, for a dry run, the expected result.
type Summary struct {
	Read     int // rows of Medusa's table
	Imported int
	Known    int             // already in the store; left unchanged, revoked or not
	Gone     int             // deleted from the store; they stay deleted
	Refused  []store.Refusal // rows that cannot be imported, with the reasons
	LastID   string          // the last key that was processed; see Options.After
}

// Import reads the keys of the Medusa database from, which must be a PostgreSQL pool, and imports
// them into keys in batches, in the order of their ids. It preserves ids, times, creators,
// revocations (past and scheduled) and links to sales channels. It may be repeated at any time:
// keys that were imported before, and keys that were deleted since, do not change (see
// store.Keys.Import).
//
// With an error, the summary covers the batches before it; the current batch is not imported. Rows
// that cannot be imported are not an error; they are in the summary.
func Import(ctx context.Context, from *sql.DB, keys *store.Keys, o Options) (Summary, error) {
	if o.BatchSize == 0 {
		o.BatchSize = 500
	}
	if o.BatchSize < 0 || o.BatchSize > store.MaxImport {
		return Summary{}, store.Errorf(store.ErrInvalid, "medusa: the batch size must be between 1 and %d, got %d", store.MaxImport, o.BatchSize)
	}
	source := tables{db: from, schema: o.Schema}
	total, err := source.count(ctx, o.After)
	if err != nil {
		return Summary{}, fmt.Errorf("medusa: counting keys: %w", err)
	}
	summary := Summary{LastID: o.After}
	for {
		page, err := source.page(ctx, summary.LastID, summary.Read == 0 && o.After == "", o.BatchSize)
		if err != nil {
			return summary, fmt.Errorf("medusa: reading keys after %q: %w", summary.LastID, err)
		}
		if len(page) == 0 {
			return summary, nil
		}
		batch := make([]store.ImportKey, 0, len(page))
		var refused []store.Refusal
		for _, row := range page {
			in, err := row.key()
			if err != nil {
				refused = append(refused, store.Refusal{ID: row.id, Reason: err.Error()})
				continue
			}
			batch = append(batch, in)
		}
		result, err := keys.Import(ctx, batch, o.DryRun)
		if err != nil {
			return summary, fmt.Errorf("medusa: importing keys after %q: %w", summary.LastID, err)
		}
		summary.Read += len(page)
		summary.Imported += result.Imported
		summary.Known += result.Known
		summary.Gone += result.Gone
		refused = append(refused, result.Refused...)
		slices.SortFunc(refused, func(a, b store.Refusal) int { return strings.Compare(a.ID, b.ID) })
		summary.Refused = append(summary.Refused, refused...)
		summary.LastID = page[len(page)-1].id
		if o.Progress != nil {
			o.Progress(Progress{Done: summary.Read, Total: total, LastID: summary.LastID})
		}
	}
}
