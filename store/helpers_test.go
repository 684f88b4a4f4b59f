package store_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/latchkey-go/latchkey/store"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// counted is a Store that counts what reaches it, and answers with err when that is set.
type counted struct {
	store.Store
	lookups, changes, touches atomic.Int64

	mu        sync.Mutex
	err       error
	changeErr error
}

// failChanges makes only changes fail.
func (c *counted) failChanges(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.changeErr = err
}

func (c *counted) fail(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.err = err
}

func (c *counted) failure() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

func (c *counted) Lookup(ctx context.Context, id store.LookupID, redacted string) (store.Found, error) {
	c.lookups.Add(1)
	if err := c.failure(); err != nil {
		return store.Found{}, err
	}
	return c.Store.Lookup(ctx, id, redacted)
}

func (c *counted) Change(ctx context.Context, actor store.Actor, fn func(store.Tx) error) (store.Change, error) {
	c.changes.Add(1)
	c.mu.Lock()
	err := errors.Join(c.err, c.changeErr)
	c.mu.Unlock()
	if err != nil {
		return store.Change{}, err
	}
	return c.Store.Change(ctx, actor, fn)
}

func (c *counted) Touch(ctx context.Context, uses []store.Use) error {
	c.touches.Add(1)
	if err := c.failure(); err != nil {
		return err
	}
	return c.Store.Touch(ctx, uses)
}

// clock is a clock that the test moves.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

// bench is what most tests here work with.
type bench struct {
	*testing.T
	ctx   context.Context
	rows  *counted
	clock *clock
	keys  *store.Keys
}

var start = time.Date(2026, 3, 4, 5, 6, 7, 89e6, time.UTC)

func newBench(t *testing.T, o store.Options) *bench {
	t.Helper()
	b := &bench{T: t, ctx: t.Context(), rows: &counted{Store: store.NewMemory()}, clock: &clock{at: start}}
	o.Now = b.clock.Now
	keys, err := o.New(b.rows)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = keys.Close(context.Background()) })
	b.keys = keys
	return b
}

func (b *bench) create(n store.NewKey) store.Made {
	b.Helper()
	made, err := b.keys.Create(b.ctx, n)
	if err != nil {
		b.Fatalf("Create: %v", err)
	}
	return made
}

// authenticated returns the error of an authentication.
func (b *bench) authenticated(made store.Made) error {
	_, err := b.keys.Authenticate(b.ctx, made.Token.Reveal())
	return err
}

func ptr[T any](v T) *T { return &v }
