package store_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/latchkey-go/latchkey/store"
)

// overheard is a store that remembers what it was asked.
type overheard struct {
	store.Store
	heard strings.Builder
}

func (o *overheard) List(ctx context.Context, q store.Query) ([]*store.Record, error) {
	fmt.Fprintf(&o.heard, "%+v\n", q)
	return o.Store.List(ctx, q)
}
func (o *overheard) Count(ctx context.Context, f store.Filter) (int, error) {
	fmt.Fprintf(&o.heard, "%+v\n", f)
	return o.Store.Count(ctx, f)
}
func (o *overheard) Get(ctx context.Context, id string) (*store.Record, error) {
	fmt.Fprintln(&o.heard, id)
	return o.Store.Get(ctx, id)
}
func (o *overheard) Events(ctx context.Context, q store.EventQuery) ([]store.Event, error) {
	fmt.Fprintf(&o.heard, "%+v\n", q)
	return o.Store.Events(ctx, q)
}
func (o *overheard) Change(ctx context.Context, actor store.Actor, fn func(store.Tx) error) (store.Change, error) {
	fmt.Fprintf(&o.heard, "%+v\n", actor)
	return o.Store.Change(ctx, actor, func(tx store.Tx) error { return fn(&overheardTx{tx, o}) })
}

type overheardTx struct {
	store.Tx
	o *overheard
}

func (t *overheardTx) Find(ctx context.Context, q store.Query) ([]*store.Record, error) {
	fmt.Fprintf(&t.o.heard, "%+v\n", q)
	return t.Tx.Find(ctx, q)
}

func (t *overheardTx) Events(ctx context.Context, q store.EventQuery) ([]store.Event, error) {
	fmt.Fprintf(&t.o.heard, "%+v\n", q)
	return t.Tx.Events(ctx, q)
}

func (t *overheardTx) Insert(ctx context.Context, r *store.Record, e store.Event) error {
	fmt.Fprintf(&t.o.heard, "%+v %+v\n", r.Key, e)
	return t.Tx.Insert(ctx, r, e)
}

func (t *overheardTx) InsertQuietly(ctx context.Context, r *store.Record) error {
	fmt.Fprintf(&t.o.heard, "%+v\n", r.Key)
	return t.Tx.InsertQuietly(ctx, r)
}

func (t *overheardTx) Update(ctx context.Context, r *store.Record, e store.Event) error {
	fmt.Fprintf(&t.o.heard, "%+v %+v\n", r.Key, e)
	return t.Tx.Update(ctx, r, e)
}

func (t *overheardTx) Append(ctx context.Context, r *store.Record, e store.Event) error {
	fmt.Fprintf(&t.o.heard, "%+v\n", e)
	return t.Tx.Append(ctx, r, e)
}

// Who asks for a key by its secret is answered as before, and the secret does not reach the
// database, which may log what it is asked.
func TestRequirement02ASecretThatIsSearchedForDoesNotReachTheStore(t *testing.T) {
	rows := &overheard{Store: store.NewMemory()}
	keys := store.New(rows)
	t.Cleanup(func() { _ = keys.Close(context.Background()) })
	secret, err := keys.Create(t.Context(), store.NewKey{Type: store.Secret, Title: "canary"})
	if err != nil {
		t.Fatal(err)
	}
	public, err := keys.Create(t.Context(), store.NewKey{Type: store.Publishable, Title: "canary"})
	if err != nil {
		t.Fatal(err)
	}
	for _, token := range []string{secret.Token.Reveal(), medusaSecret} {
		for name, row := range map[string]struct {
			filter store.Filter
			want   int
		}{
			"token":                      {store.Filter{Tokens: []string{token}}, 0},
			"token beside another":       {store.Filter{Tokens: []string{token, public.Token.Reveal()}}, 1},
			"search":                     {store.Filter{Search: token}, 0},
			"search beside another word": {store.Filter{Search: "canary  " + token}, 0},
			"id":                         {store.Filter{IDs: []string{token, secret.Key.ID}}, 1},
			"title":                      {store.Filter{Titles: []string{token, "canary"}}, 2},
			"creator":                    {store.Filter{CreatedBy: []string{token}}, 0},
			"or":                         {store.Filter{Or: []store.Filter{{Tokens: []string{token}}, {Search: token}, {IDs: []string{public.Key.ID}}}}, 1},
			"and":                        {store.Filter{And: []store.Filter{{Titles: []string{"canary", token}}}}, 2},
			"or of nothing":              {store.Filter{Or: []store.Filter{}}, 0},
		} {
			found, n, err := keys.ListAndCount(t.Context(), store.Query{Filter: row.filter})
			if err != nil || len(found) != row.want || n != row.want {
				t.Errorf("%s: %d keys, counted %d, %v; want %d", name, len(found), n, err, row.want)
			}
		}
		ctx := t.Context()
		for name, call := range map[string]func() error{
			"Get":    func() error { _, err := keys.Get(ctx, token); return err },
			"Update": func() error { _, err := keys.Update(ctx, token, store.Patch{Title: ptr("x")}); return err },
			"Roll":   func() error { _, err := keys.Roll(ctx, token, store.RollOptions{}); return err },
			"Link":   func() error { _, err := keys.LinkSalesChannels(ctx, token, []string{"sc_1"}, nil); return err },
		} {
			if err := call(); !errors.Is(err, store.ErrNotFound) {
				t.Errorf("%s: %v", name, err)
			}
		}
		_, _ = keys.Revoke(ctx, token)
		_ = keys.Delete(ctx, token)
		_, _ = keys.RevokeAll(ctx, store.Filter{Tokens: []string{token}}, start)
		_, _ = keys.UpdateAll(ctx, store.Filter{Search: token}, store.Patch{Title: ptr("x")})
		if list, err := keys.Events(ctx, store.EventQuery{KeyID: token}); len(list) != 0 || err != nil {
			t.Errorf("Events: %+v, %v", list, err)
		}
		if heard := rows.heard.String(); strings.Contains(heard, token) || !strings.Contains(heard, public.Token.Reveal()) && token == secret.Token.Reveal() {
			t.Errorf("the store was asked for\n%s", heard)
		}
	}
}
