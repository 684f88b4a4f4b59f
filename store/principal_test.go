package store_test

import (
	"context"
	"errors"
	"net/netip"
	"reflect"
	"testing"
	"time"

	"github.com/latchkey-go/latchkey/store"
)

// changesBy calls every verb that changes something, as the principal of ctx. A new verb belongs in
// here.
func changesBy(keys *store.Keys, target string) map[string]func(context.Context) error {
	title := "b"
	only := store.Filter{IDs: []string{target}}
	return map[string]func(context.Context) error{
		"Create": func(ctx context.Context) error {
			_, err := keys.Create(ctx, store.NewKey{Type: store.Secret, Scopes: []string{}})
			return err
		},
		"CreateMany": func(ctx context.Context) error {
			_, err := keys.CreateMany(ctx, []store.NewKey{{Type: store.Publishable, Scopes: []string{}}, {Type: store.Publishable, Scopes: []string{}}})
			return err
		},
		"Update": func(ctx context.Context) error {
			_, err := keys.Update(ctx, target, store.Patch{Title: &title})
			return err
		},
		"UpdateAll": func(ctx context.Context) error {
			_, err := keys.UpdateAll(ctx, only, store.Patch{Title: &title})
			return err
		},
		"LinkSalesChannels": func(ctx context.Context) error {
			_, err := keys.LinkSalesChannels(ctx, target, []string{"sc_1"}, nil)
			return err
		},
		"Revoke": func(ctx context.Context) error { _, err := keys.Revoke(ctx, target); return err },
		"RevokeAt": func(ctx context.Context) error {
			_, err := keys.RevokeAt(ctx, target, keys.Now().Add(time.Hour))
			return err
		},
		"RevokeAll": func(ctx context.Context) error { _, err := keys.RevokeAll(ctx, only, time.Time{}); return err },
		"Roll":      func(ctx context.Context) error { _, err := keys.Roll(ctx, target, store.RollOptions{}); return err },
		"Delete":    func(ctx context.Context) error { return keys.Delete(ctx, target) },
		"ImportToken": func(ctx context.Context) error {
			_, _, err := keys.ImportToken(ctx, medusaSecret, store.NewKey{Scopes: []string{}})
			return err
		},
		"Import": func(ctx context.Context) error {
			_, err := keys.Import(ctx, []store.ImportKey{{Key: store.Key{ID: "apk_i", Type: store.Publishable, Scopes: []string{}}, Token: "pk_" + medusaSecret[3:]}}, false)
			return err
		},
	}
}

// It holds the table above to the methods of Keys: who adds one says what it is.
func TestRequirement31EveryVerbIsJudgedOrChangesNothing(t *testing.T) {
	others := map[string]string{
		"Authenticate": "reads", "Verify": "reads", "Reauthenticate": "reads", "Get": "reads", "List": "reads", "ListAndCount": "reads", "Events": "reads",
		"Revocable": "reads", "PepperCounts": "reads",
		"ReportLeaks": "takes the tokens themselves, which is all that it needs", "PruneEvents": "is the program's own: it changes no key",
		"Reseal": "changes no power; it is judged once for each batch",
		"Close":  "is the program's own",
	}
	judged := changesBy(nil, "")
	keys := reflect.TypeFor[*store.Keys]()
	withContext := reflect.TypeFor[context.Context]()
	for i := range keys.NumMethod() {
		m := keys.Method(i)
		if m.Type.NumIn() < 2 || m.Type.In(1) != withContext {
			continue
		}
		_, known := others[m.Name]
		if _, ok := judged[m.Name]; ok == known {
			t.Errorf("%s must be in changesBy or in the list here, and not in both", m.Name)
		}
	}
}

func TestRequirement31AChangeIsJudgedByTheKeyAsItIs(t *testing.T) {
	home := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
	scopes, none := []string{"keys:write", "a"}, []string{}
	less := []netip.Prefix{netip.MustParsePrefix("10.1.0.0/16")}
	meanwhile := map[string]struct {
		do   func(b *bench, id string) error
		want error
	}{
		"was revoked": {func(b *bench, id string) error { _, err := b.keys.Revoke(b.ctx, id); return err }, store.ErrUnauthenticated},
		"was deleted": {func(b *bench, id string) error {
			if _, err := b.keys.Revoke(b.ctx, id); err != nil {
				return err
			}
			return b.keys.Delete(b.ctx, id)
		}, store.ErrUnauthenticated},
		"has expired": {func(b *bench, id string) error { b.clock.advance(24 * time.Hour); return nil }, store.ErrUnauthenticated},
		"has lost its scopes": {func(b *bench, id string) error {
			_, err := b.keys.Update(b.ctx, id, store.Patch{Scopes: &none})
			return err
		}, store.ErrForbidden},
		"may come from fewer addresses": {func(b *bench, id string) error {
			_, err := b.keys.Update(b.ctx, id, store.Patch{AllowedCIDRs: &less})
			return err
		}, store.ErrForbidden},
	}
	for verb := range changesBy(nil, "") {
		t.Run(verb, func(t *testing.T) {
			for what, m := range meanwhile {
				b := newBench(t, store.Options{})
				holder := b.create(store.NewKey{Type: store.Secret, Scopes: scopes, AllowedCIDRs: home, ExpiresAt: start.Add(24 * time.Hour)})
				target := b.create(store.NewKey{Type: store.Publishable, Scopes: []string{"a"}})
				seen, err := b.keys.Authenticate(b.ctx, holder.Token.Reveal()) // the guard lets it in
				if err != nil {
					t.Fatal(err)
				}
				if err := m.do(b, holder.Key.ID); err != nil {
					t.Fatal(err)
				}
				before, err := b.keys.Events(b.ctx, store.EventQuery{})
				if err != nil {
					t.Fatal(err)
				}
				err = changesBy(b.keys, target.Key.ID)[verb](store.NewContext(b.ctx, seen))
				if !errors.Is(err, m.want) {
					t.Errorf("by a key that %s: %v, want %v", what, err, m.want)
				}
				if after, _ := b.keys.Events(b.ctx, store.EventQuery{}); len(after) != len(before) {
					t.Errorf("by a key that %s: %d events were added", what, len(after)-len(before))
				}
				if again := b.keys.Reauthenticate(store.NewContext(b.ctx, seen)); !errors.Is(again, m.want) {
					t.Errorf("Reauthenticate of a key that %s: %v, want %v", what, again, m.want)
				}
			}
		})
	}
	t.Run("a key that was narrowed does not give itself back what it had", func(t *testing.T) {
		b := newBench(t, store.Options{})
		holder := b.create(store.NewKey{Type: store.Secret})
		seen := holder.Key
		if _, err := b.keys.Update(b.ctx, seen.ID, store.Patch{Scopes: &scopes}); err != nil {
			t.Fatal(err)
		}
		var all []string
		if _, err := b.keys.Update(store.NewContext(b.ctx, seen), seen.ID, store.Patch{Scopes: &all}); !errors.Is(err, store.ErrForbidden) {
			t.Error(err)
		}
	})
	t.Run("a key may take away from itself, also when it has been narrowed", func(t *testing.T) {
		b := newBench(t, store.Options{})
		holder := b.create(store.NewKey{Type: store.Secret, Scopes: scopes, RateLimit: store.RateLimit{Requests: 5, Window: time.Hour}})
		fewer := []string{"keys:write"}
		if _, err := b.keys.Update(store.NewContext(b.ctx, holder.Key), holder.Key.ID, store.Patch{Scopes: &fewer}); err != nil {
			t.Errorf("scopes: %v", err)
		}
		if _, err := b.keys.Revoke(store.NewContext(b.ctx, holder.Key), holder.Key.ID); err != nil {
			t.Errorf("ending itself by what the guard saw before: %v", err)
		}
	})
	t.Run("a key that was never stored changes nothing", func(t *testing.T) {
		b := newBench(t, store.Options{})
		target := b.create(store.NewKey{Type: store.Publishable})
		for verb, change := range changesBy(b.keys, target.Key.ID) {
			if err := change(store.NewContext(b.ctx, &store.Key{ID: "apk_none", Type: store.Secret})); !errors.Is(err, store.ErrUnauthenticated) {
				t.Errorf("%s: %v", verb, err)
			}
		}
	})
	t.Run("a key whose row somebody has written changes nothing", func(t *testing.T) {
		b := newBench(t, store.Options{Sealer: sealer(t, pepper1)})
		holder, target := b.create(store.NewKey{Type: store.Secret}), b.create(store.NewKey{Type: store.Publishable})
		_, err := b.rows.Change(b.ctx, store.Actor{}, func(tx store.Tx) error {
			found, err := tx.Find(b.ctx, store.Query{Filter: store.Filter{IDs: []string{holder.Key.ID}}})
			if err != nil {
				return err
			}
			found[0].Key.Scopes = []string{"keys:write"}
			return tx.Update(b.ctx, found[0], store.Event{Kind: store.Updated, At: start})
		})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := b.keys.Revoke(store.NewContext(b.ctx, holder.Key), target.Key.ID); !errors.Is(err, store.ErrUnauthenticated) {
			t.Error(err)
		}
	})
}

// finds counts the queries of changes.
type finds struct {
	store.Store
	n int
}

func (f *finds) Change(ctx context.Context, actor store.Actor, fn func(store.Tx) error) (store.Change, error) {
	return f.Store.Change(ctx, actor, func(tx store.Tx) error { return fn(countedTx{tx, f}) })
}

type countedTx struct {
	store.Tx
	f *finds
}

func (tx countedTx) Find(ctx context.Context, q store.Query) ([]*store.Record, error) {
	tx.f.n++
	return tx.Tx.Find(ctx, q)
}

func TestTheKeyThatAsksAndItsTargetAreReadInOneQuery(t *testing.T) {
	want := map[string]int{ // queries of a change by a key; one more than by an actor where there was none, or a filter
		"Create": 1, "CreateMany": 1, "ImportToken": 1, "Import": 2, "Update": 1, "LinkSalesChannels": 1, "Revoke": 1, "RevokeAt": 1,
		"Roll": 1, "Delete": 1, "UpdateAll": 2, "RevokeAll": 2,
	}
	for verb := range changesBy(nil, "") {
		rows := &finds{Store: store.NewMemory()}
		keys := store.New(rows)
		holder, err := keys.Create(t.Context(), store.NewKey{Type: store.Secret})
		if err != nil {
			t.Fatal(err)
		}
		target, err := keys.Create(t.Context(), store.NewKey{Type: store.Publishable})
		if err != nil {
			t.Fatal(err)
		}
		if verb == "Delete" {
			if _, err := keys.Revoke(t.Context(), target.Key.ID); err != nil {
				t.Fatal(err)
			}
		}
		rows.n = 0
		if err := changesBy(keys, target.Key.ID)[verb](store.NewContext(t.Context(), holder.Key)); err != nil {
			t.Errorf("%s: %v", verb, err)
		}
		if rows.n != want[verb] {
			t.Errorf("%s: %d queries, want %d", verb, rows.n, want[verb])
		}
		if err := keys.Close(context.Background()); err != nil {
			t.Error(err)
		}
	}
}
