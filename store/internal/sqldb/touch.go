package sqldb

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/latchkey-go/latchkey/store"
)

// touchBatch is how many keys one statement touches, so that nobody waits long for a row.
const touchBatch = 500

// Touch implements store.Store. An error may come after some of the uses have been written; all of them may be sent again.
func (s *Store) Touch(ctx context.Context, uses []store.Use) error {
	if err := s.usable(); err != nil {
		return err
	}
	for batch := range slices.Chunk(latest(uses), touchBatch) {
		if err := s.touch(ctx, batch); err != nil {
			return err
		}
	}
	return nil
}

// latest returns the uses sorted by key, the last of each key only.
func latest(uses []store.Use) []store.Use {
	sorted := slices.DeleteFunc(slices.Clone(uses), func(u store.Use) bool { return u.At.IsZero() || !storable(u.KeyID) })
	slices.SortFunc(sorted, func(a, b store.Use) int {
		if c := strings.Compare(a.KeyID, b.KeyID); c != 0 {
			return c
		}
		return b.At.Compare(a.At)
	})
	return slices.CompactFunc(sorted, func(a, b store.Use) bool { return a.KeyID == b.KeyID })
}

// touch writes one batch. Where rows are locked one by one, a statement never waits while it holds a row: those that somebody else
// has locked are written afterwards, each by a statement of its own.
func (s *Store) touch(ctx context.Context, batch []store.Use) error {
	if s.sql.touchFree == "" {
		_, err := s.exec(ctx, "touch", s.sql.touch, touchArg(batch))
		return err
	}
	locked, err := s.touchFree(ctx, batch)
	if err != nil {
		return err
	}
	for _, u := range batch {
		if _, found := slices.BinarySearch(locked, u.KeyID); found {
			if _, err := s.exec(ctx, "touch", s.sql.touch, touchArg([]store.Use{u})); err != nil {
				return err
			}
		}
	}
	return nil
}

// touchFree writes what nobody has locked and returns the sorted ids of the rest.
func (s *Store) touchFree(ctx context.Context, batch []store.Use) ([]string, error) {
	ctx, cancel := s.bounded(ctx)
	defer cancel()
	rows, err := s.db.QueryContext(ctx, s.sql.touchFree, touchArg(batch))
	if err != nil {
		return nil, s.fail("touch", err)
	}
	defer rows.Close()
	var locked []string
	for rows.Next() {
		var id string
		if err := rows.Scan(&id); err != nil {
			return nil, s.fail("touch", err)
		}
		locked = append(locked, id)
	}
	if err := rows.Err(); err != nil {
		return nil, s.fail("touch", err)
	}
	slices.Sort(locked)
	return locked, nil
}

// touchArg is the argument of Dialect.Touch.
func touchArg(batch []store.Use) string {
	pairs := make([][2]any, len(batch))
	for i, u := range batch {
		pairs[i] = [2]any{u.KeyID, u.At.Truncate(time.Millisecond).UnixMilli()}
	}
	return mustJSON(pairs)
}
