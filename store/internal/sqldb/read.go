package sqldb

import (
	"context"
	"fmt"

	"github.com/latchkey-go/latchkey/store"
)

// Get implements store.Store.
func (s *Store) Get(ctx context.Context, id string) (*store.Record, error) {
	if err := s.usable(); err != nil {
		return nil, err
	}
	var found []*store.Record
	if storable(id) {
		ctx, cancel := s.bounded(ctx)
		defer cancel()
		rows, err := s.db.QueryContext(ctx, s.sql.get, id)
		if err != nil {
			return nil, s.fail("get", err)
		}
		if found, err = readRecords(rows, store.Meter{}, cancel); err != nil {
			return nil, s.fail("get", err)
		}
	}
	if len(found) == 0 {
		return nil, fmt.Errorf("%s: key id %q: %w", s.d.Name, id, store.ErrNotFound)
	}
	return found[0], nil
}

// List implements store.Store.
func (s *Store) List(ctx context.Context, q store.Query) ([]*store.Record, error) {
	if err := s.usable(); err != nil {
		return nil, err
	}
	return s.find(ctx, s.db, q)
}

// Count implements store.Store. For the zero Filter it reads the total that every change updates.
func (s *Store) Count(ctx context.Context, f store.Filter) (int, error) {
	if err := s.usable(); err != nil {
		return 0, err
	}
	where, args, err := s.d.where(f, "")
	if err != nil {
		return 0, err
	}
	statement := s.sql.count
	if where != "" {
		statement = s.d.bind(`SELECT count(*) FROM latchkey_key` + where)
	}
	ctx, cancel := s.bounded(ctx)
	defer cancel()
	var n int
	if err := s.db.QueryRowContext(ctx, statement, args...).Scan(&n); err != nil {
		return 0, s.fail("count", err)
	}
	return n, nil
}

// find reads the keys of q, through the pool or a transaction.
func (s *Store) find(ctx context.Context, db queryer, q store.Query) ([]*store.Record, error) {
	statement, args, err := s.d.selectKeys(q)
	if err != nil || q.Limit < 0 {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, s.timeout) // bounded might return ctx itself
	defer cancel()
	rows, err := db.QueryContext(ctx, statement, args...)
	if err != nil {
		return nil, s.fail("find keys", err)
	}
	records, err := readRecords(rows, store.Meter{Max: q.MaxBytes}, cancel)
	if err != nil {
		return nil, s.failRead("find keys", err)
	}
	return records, nil
}
