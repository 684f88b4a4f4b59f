package store

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Get returns one key from the database, never from a cache. If it does not exist, the error
// matches ErrNotFound.
func (k *Keys) Get(ctx context.Context, id string) (*Key, error) {
	if HoldsSecret(id) {
		return nil, notFound(id)
	}
	r, err := k.store.Get(ctx, id)
	if errors.Is(err, ErrNotFound) {
		return nil, notFound(id)
	}
	if err != nil {
		return nil, fmt.Errorf("store: get: %w", err)
	}
	return &r.Key, nil
}

// List returns the keys that the query selects, from the database and never from a cache. An
// unknown operator or column, and a filter of more than MaxConditions, are ErrInvalid.
func (k *Keys) List(ctx context.Context, q Query) ([]*Key, error) {
	if err := q.Filter.check(); err != nil {
		return nil, err
	}
	q, err := q.scrubSecrets()
	if err != nil {
		return nil, err
	}
	records, err := k.store.List(ctx, q)
	if err != nil {
		return nil, fmt.Errorf("store: list: %w", err)
	}
	keys := make([]*Key, len(records))
	for i, r := range records {
		keys[i] = &r.Key
	}
	return keys, nil
}

// ListAndCount returns the keys that the query selects, and how many keys its filter matches
// without paging.
func (k *Keys) ListAndCount(ctx context.Context, q Query) ([]*Key, int, error) {
	keys, err := k.List(ctx, q)
	if err != nil {
		return nil, 0, err
	}
	count, err := k.store.Count(ctx, q.Filter.scrubSecrets())
	if err != nil {
		return nil, 0, fmt.Errorf("store: count: %w", err)
	}
	return keys, count, nil
}

// Events returns the audit log, oldest first.
func (k *Keys) Events(ctx context.Context, q EventQuery) ([]Event, error) {
	q, ok := q.scrubSecrets()
	if !ok {
		return nil, nil
	}
	events, err := k.store.Events(ctx, q)
	if err != nil {
		return nil, fmt.Errorf("store: events: %w", err)
	}
	return events, nil
}

// PruneEvents removes events older than before and returns how many. Events of deletions stay for
// ever: they prevent an import from creating deleted keys again.
func (k *Keys) PruneEvents(ctx context.Context, before time.Time) (int, error) {
	n, err := k.store.PruneEvents(ctx, before)
	if err != nil {
		return n, fmt.Errorf("store: prune events: %w", err)
	}
	return n, nil
}
