package telemetry

import (
	"context"
	"errors"
	"time"

	"github.com/latchkey-go/latchkey/internal/observe"
	"github.com/latchkey-go/latchkey/store"
)

// Observed returns s, and has o observe each call that reaches a database. Put it below the cache:
// cache.New(telemetry.Observed(rows, o), rdb). When o is nil it returns s itself.
func Observed(s store.Store, o store.Observer) store.Store {
	if o == nil {
		return s
	}
	return &observed{s, o}
}

// observed embeds Info and Close, which do no I/O.
type observed struct {
	store.Store
	observer store.Observer
}

func observing[T any](ctx context.Context, s *observed, operation string, do func(context.Context) (T, error)) (answer T, err error) {
	ctx, done := s.observer.Begin(ctx, operation)
	err = observe.ErrPanic
	defer func() { done(err) }()
	answer, err = do(ctx)
	return answer, err
}

// run is observing for calls that return nothing but an error.
func (s *observed) run(ctx context.Context, operation string, do func(context.Context) error) error {
	_, err := observing(ctx, s, operation, func(ctx context.Context) (struct{}, error) { return struct{}{}, do(ctx) })
	return err
}

func (s *observed) Lookup(ctx context.Context, id store.LookupID, redacted string) (store.Found, error) {
	return observing(ctx, s, "store.lookup", func(ctx context.Context) (store.Found, error) { return s.Store.Lookup(ctx, id, redacted) })
}

func (s *observed) Change(ctx context.Context, actor store.Actor, fn func(store.Tx) error) (store.Change, error) {
	return observing(ctx, s, "store.change", func(ctx context.Context) (store.Change, error) { return s.Store.Change(ctx, actor, fn) })
}

func (s *observed) Get(ctx context.Context, id string) (*store.Record, error) {
	return observing(ctx, s, "store.get", func(ctx context.Context) (*store.Record, error) { return s.Store.Get(ctx, id) })
}

func (s *observed) List(ctx context.Context, q store.Query) ([]*store.Record, error) {
	return observing(ctx, s, "store.list", func(ctx context.Context) ([]*store.Record, error) { return s.Store.List(ctx, q) })
}

func (s *observed) Count(ctx context.Context, f store.Filter) (int, error) {
	return observing(ctx, s, "store.count", func(ctx context.Context) (int, error) { return s.Store.Count(ctx, f) })
}

func (s *observed) Touch(ctx context.Context, uses []store.Use) error {
	return s.run(ctx, "store.touch", func(ctx context.Context) error { return s.Store.Touch(ctx, uses) })
}

func (s *observed) Events(ctx context.Context, q store.EventQuery) ([]store.Event, error) {
	return observing(ctx, s, "store.events", func(ctx context.Context) ([]store.Event, error) { return s.Store.Events(ctx, q) })
}

func (s *observed) PruneEvents(ctx context.Context, before time.Time) (int, error) {
	return observing(ctx, s, "store.prune", func(ctx context.Context) (int, error) { return s.Store.PruneEvents(ctx, before) })
}

func (s *observed) Feed(ctx context.Context, after int64, limit int) (store.Feed, error) {
	return observing(ctx, s, "store.feed", func(ctx context.Context) (store.Feed, error) { return s.Store.Feed(ctx, after, limit) })
}

func (s *observed) Join(ctx context.Context, m store.Member) error {
	return s.run(ctx, "store.join", func(ctx context.Context) error { return s.Store.Join(ctx, m) })
}

func (s *observed) Acknowledge(ctx context.Context, member string, head int64, tag store.Tag) error {
	return s.run(ctx, "store.acknowledge", func(ctx context.Context) error { return s.Store.Acknowledge(ctx, member, head, tag) })
}

// Watch implements store.Watcher, if the store below does. Watching is not observed.
func (s *observed) Watch(ctx context.Context, changed func(int64)) error {
	if w, ok := s.Store.(store.Watcher); ok {
		return w.Watch(ctx, changed)
	}
	return errors.ErrUnsupported
}

// Announce implements store.Watcher.
func (s *observed) Announce(ctx context.Context) error {
	if w, ok := s.Store.(store.Watcher); ok {
		return w.Announce(ctx)
	}
	return nil
}

func (s *observed) Leave(ctx context.Context, id string) error {
	return s.run(ctx, "store.leave", func(ctx context.Context) error { return s.Store.Leave(ctx, id) })
}

func (s *observed) Members(ctx context.Context) ([]store.Member, error) {
	return observing(ctx, s, "store.members", func(ctx context.Context) ([]store.Member, error) { return s.Store.Members(ctx) })
}
