package sqldb

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/latchkey-go/latchkey/store"
)

// touchBatch is the number of keys per statement. It limits how long others wait for a row.
const touchBatch = 500

// Touch implements store.Store. After an error, some uses may have been written. The caller may
// send all of them again.
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

// latest returns the last use of each key, sorted by key.
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

// touch writes one batch. In a database with row locks, a statement must not wait for a row while
// it holds another. So rows that others have locked are written afterwards, each by its own
// statement.
func (s *Store) touch(ctx context.Context, batch []store.Use) error {
	if s.sql.touchUnlocked == "" {
		_, err := s.exec(ctx, "touch", s.sql.touch, touchArg(batch))
		return err
	}
	locked, err := s.touchUnlocked(ctx, batch)
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

// touchUnlocked writes the rows that are not locked. It returns the sorted ids of the locked ones.
func (s *Store) touchUnlocked(ctx context.Context, batch []store.Use) ([]string, error) {
	ctx, cancel := s.bounded(ctx)
	defer cancel()
	rows, err := s.db.QueryContext(ctx, s.sql.touchUnlocked, touchArg(batch))
	if err != nil {
		return nil, s.fail("touch", err)
	}
	locked, err := readTexts(rows)
	if err != nil {
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
