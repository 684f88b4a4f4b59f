package store

import (
	"context"
	"errors"
	"time"
)

// Observed returns s, and tells o of every call that reaches a database. Put it below the cache: cache.New(store.Observed(rows, o), rdb).
// It returns s itself when o is nil.
func Observed(s Store, o Observer) Store {
	if o == nil {
		return s
	}
	return &observed{s, o}
}

// observed embeds what does no I/O, Info and Close.
type observed struct {
	Store
	observer Observer
}

func observe[T any](ctx context.Context, s *observed, w Work, call func(context.Context) (T, error)) (answer T, err error) {
	ctx, done := s.observer.Begin(ctx, w)
	err = errPanic
	defer func() { done(err) }()
	answer, err = call(ctx)
	return answer, err
}

// run is observe for calls that answer nothing.
func (s *observed) run(ctx context.Context, w Work, call func(context.Context) error) error {
	_, err := observe(ctx, s, w, func(ctx context.Context) (struct{}, error) { return struct{}{}, call(ctx) })
	return err
}

func (s *observed) Lookup(ctx context.Context, id LookupID, redacted string) (Found, error) {
	return observe(ctx, s, WorkStoreLookup, func(ctx context.Context) (Found, error) { return s.Store.Lookup(ctx, id, redacted) })
}

func (s *observed) Change(ctx context.Context, actor Actor, fn func(Tx) error) (Change, error) {
	return observe(ctx, s, WorkStoreChange, func(ctx context.Context) (Change, error) { return s.Store.Change(ctx, actor, fn) })
}

func (s *observed) Get(ctx context.Context, id string) (*Record, error) {
	return observe(ctx, s, WorkStoreGet, func(ctx context.Context) (*Record, error) { return s.Store.Get(ctx, id) })
}

func (s *observed) List(ctx context.Context, q Query) ([]*Record, error) {
	return observe(ctx, s, WorkStoreList, func(ctx context.Context) ([]*Record, error) { return s.Store.List(ctx, q) })
}

func (s *observed) Count(ctx context.Context, f Filter) (int, error) {
	return observe(ctx, s, WorkStoreCount, func(ctx context.Context) (int, error) { return s.Store.Count(ctx, f) })
}

func (s *observed) Touch(ctx context.Context, uses []Use) error {
	return s.run(ctx, WorkStoreTouch, func(ctx context.Context) error { return s.Store.Touch(ctx, uses) })
}

func (s *observed) Events(ctx context.Context, q EventQuery) ([]Event, error) {
	return observe(ctx, s, WorkStoreEvents, func(ctx context.Context) ([]Event, error) { return s.Store.Events(ctx, q) })
}

func (s *observed) PruneEvents(ctx context.Context, before time.Time) (int, error) {
	return observe(ctx, s, WorkStorePrune, func(ctx context.Context) (int, error) { return s.Store.PruneEvents(ctx, before) })
}

func (s *observed) Feed(ctx context.Context, after int64, limit int) (Feed, error) {
	return observe(ctx, s, WorkStoreFeed, func(ctx context.Context) (Feed, error) { return s.Store.Feed(ctx, after, limit) })
}

func (s *observed) Join(ctx context.Context, m Member) error {
	return s.run(ctx, WorkStoreJoin, func(ctx context.Context) error { return s.Store.Join(ctx, m) })
}

func (s *observed) Acknowledge(ctx context.Context, member string, head int64, tag Tag) error {
	return s.run(ctx, WorkStoreAcknowledge, func(ctx context.Context) error { return s.Store.Acknowledge(ctx, member, head, tag) })
}

// Watch implements Watcher, if the store below does. Watching is not observed.
func (s *observed) Watch(ctx context.Context, changed func(int64)) error {
	if w, ok := s.Store.(Watcher); ok {
		return w.Watch(ctx, changed)
	}
	return errors.ErrUnsupported
}

// Announce implements Watcher.
func (s *observed) Announce(ctx context.Context) error {
	if w, ok := s.Store.(Watcher); ok {
		return w.Announce(ctx)
	}
	return nil
}

func (s *observed) Leave(ctx context.Context, id string) error {
	return s.run(ctx, WorkStoreLeave, func(ctx context.Context) error { return s.Store.Leave(ctx, id) })
}

func (s *observed) Members(ctx context.Context) ([]Member, error) {
	return observe(ctx, s, WorkStoreMembers, func(ctx context.Context) ([]Member, error) { return s.Store.Members(ctx) })
}
