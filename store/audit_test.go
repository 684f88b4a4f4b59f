package store_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/latchkey-go/latchkey/store"
)

// breaking is a store whose transactions fail at one of their writes.
type breaking struct {
	store.Store
	writes int // how many of the next transaction succeed; negative: all
}

var errBroken = errors.New("the database is gone")

func (b *breaking) Change(ctx context.Context, actor store.Actor, fn func(store.Tx) error) (store.Change, error) {
	return b.Store.Change(ctx, actor, func(tx store.Tx) error { return fn(&breakingTx{tx, b}) })
}

type breakingTx struct {
	store.Tx
	b *breaking
}

func (t *breakingTx) write(fn func() error) error {
	if t.b.writes == 0 {
		return errBroken
	}
	t.b.writes--
	return fn()
}

func (t *breakingTx) Insert(ctx context.Context, r *store.Record, e store.Event) error {
	return t.write(func() error { return t.Tx.Insert(ctx, r, e) })
}
func (t *breakingTx) Update(ctx context.Context, r *store.Record, e store.Event) error {
	return t.write(func() error { return t.Tx.Update(ctx, r, e) })
}
func (t *breakingTx) Delete(ctx context.Context, r *store.Record, e store.Event) error {
	return t.write(func() error { return t.Tx.Delete(ctx, r, e) })
}
func (t *breakingTx) Append(ctx context.Context, r *store.Record, e store.Event) error {
	return t.write(func() error { return t.Tx.Append(ctx, r, e) })
}
func (t *breakingTx) InsertQuietly(ctx context.Context, r *store.Record) error {
	return t.write(func() error { return t.Tx.InsertQuietly(ctx, r) })
}

// Every verb that changes keys writes who did what to which key, when, and in which request, in the
// same transaction: all of it, or with an error nothing at all, whichever of its writes fails.
func TestRequirement27EveryChangeIsOneTransactionWithItsEvents(t *testing.T) {
	type state struct{ secret, other, public, dead string }
	for _, verb := range []struct {
		name string
		run  func(ctx context.Context, keys *store.Keys, s state) error
		want []string // kinds of the events, and of which key; "" is a key that was not there before
	}{
		{"Create", func(ctx context.Context, k *store.Keys, s state) error {
			_, err := k.Create(ctx, store.NewKey{Type: store.Secret})
			return err
		}, []string{"created "}},
		{"CreateMany", func(ctx context.Context, k *store.Keys, s state) error {
			_, err := k.CreateMany(ctx, []store.NewKey{{Type: store.Secret}, {Type: store.Publishable}})
			return err
		}, []string{"created ", "created "}},
		{"Update", func(ctx context.Context, k *store.Keys, s state) error {
			_, err := k.Update(ctx, s.secret, store.Patch{Title: ptr("new")})
			return err
		}, []string{"updated secret"}},
		{"UpdateAll", func(ctx context.Context, k *store.Keys, s state) error {
			_, err := k.UpdateAll(ctx, store.Filter{IDs: []string{s.secret, s.other}}, store.Patch{Title: ptr("new")})
			return err
		}, []string{"updated secret", "updated other"}},
		{"Revoke", func(ctx context.Context, k *store.Keys, s state) error { _, err := k.Revoke(ctx, s.secret); return err }, []string{"revoked secret"}},
		{"RevokeAt", func(ctx context.Context, k *store.Keys, s state) error {
			_, err := k.RevokeAt(ctx, s.public, k.Now().Add(time.Hour))
			return err
		}, []string{"revoked public"}},
		{"RevokeAll", func(ctx context.Context, k *store.Keys, s state) error {
			_, err := k.RevokeAll(ctx, store.Filter{IDs: []string{s.secret, s.other}}, time.Time{})
			return err
		}, []string{"revoked secret", "revoked other"}},
		{"Roll", func(ctx context.Context, k *store.Keys, s state) error {
			_, err := k.Roll(ctx, s.secret, store.RollOptions{})
			return err
		}, []string{"revoked secret", "rolled "}},
		{"Roll with grace", func(ctx context.Context, k *store.Keys, s state) error {
			_, err := k.Roll(ctx, s.secret, store.RollOptions{Grace: time.Hour})
			return err
		}, []string{"revoked secret", "rolled "}},
		{"Delete", func(ctx context.Context, k *store.Keys, s state) error { return k.Delete(ctx, s.dead) }, []string{"deleted dead"}},
		{"LinkSalesChannels", func(ctx context.Context, k *store.Keys, s state) error {
			_, err := k.LinkSalesChannels(ctx, s.public, []string{"sc_2"}, nil)
			return err
		}, []string{"linked public"}},
		{"ImportToken", func(ctx context.Context, k *store.Keys, s state) error {
			_, _, err := k.ImportToken(ctx, medusaSecret, store.NewKey{})
			return err
		}, []string{"created "}},
		{"Import", func(ctx context.Context, k *store.Keys, s state) error {
			_, err := k.Import(ctx, []store.ImportKey{medusaKey(t, "apk_m1", similar(1)), medusaKey(t, "apk_m2", similar(2))}, false)
			return err
		}, []string{"imported "}},
		{"Reseal", func(ctx context.Context, k *store.Keys, s state) error {
			_, _, err := k.Reseal(ctx, false, nil)
			return err
		}, []string{"resealed secret", "resealed other", "resealed public", "resealed dead"}},
	} {
		t.Run(verb.name, func(t *testing.T) {
			for broken := 0; ; broken++ {
				rows, at := &breaking{Store: store.NewMemory(), writes: -1}, &clock{at: start}
				open := func(peppers ...string) *store.Keys {
					keys, err := store.Options{Sealer: sealer(t, peppers...), Now: at.Now, FlushInterval: -1}.New(rows)
					if err != nil {
						t.Fatal(err)
					}
					return keys
				}
				keys, ctx := open(pepper1), store.WithActor(t.Context(), "setup")
				create := func(n store.NewKey) string {
					made, err := keys.Create(ctx, n)
					if err != nil {
						t.Fatal(err)
					}
					return made.Key.ID
				}
				s := state{create(store.NewKey{Type: store.Secret}), create(store.NewKey{Type: store.Secret}), create(store.NewKey{Type: store.Publishable}), create(store.NewKey{Type: store.Secret})}
				if _, err := keys.Revoke(ctx, s.dead); err != nil {
					t.Fatal(err)
				}
				name := map[string]string{s.secret: "secret", s.other: "other", s.public: "public", s.dead: "dead"}
				before, eventsBefore := dumped(t, rows), events(t, rows)
				at.advance(time.Minute)

				rows.writes = broken
				err := verb.run(store.WithRequestID(store.WithActor(t.Context(), "user_7"), "req-9"), open(pepper2, pepper1), s)
				added := events(t, rows)[len(eventsBefore):]
				if errors.Is(err, errBroken) {
					if after := dumped(t, rows); after != before || len(added) != 0 {
						t.Errorf("write %d failed, and yet there are %d events, and the keys became\n%s\nfrom\n%s", broken, len(added), after, before)
					}
					continue
				}
				if err != nil {
					t.Fatal(err)
				}
				if broken == 0 {
					t.Fatal("nothing was written")
				}
				var got []string
				for _, e := range added {
					got = append(got, string(e.Kind)+" "+name[e.KeyID])
					if e.Actor != "user_7" || e.RequestID != "req-9" || !e.At.Equal(at.Now()) || (e.KeyID == "") != (e.Kind == store.Imported) {
						t.Errorf("event %+v", e)
					}
				}
				if fmt.Sprint(got) != fmt.Sprint(verb.want) {
					t.Errorf("events %q, want %q", got, verb.want)
				}
				return
			}
		})
	}
}

// dumped is everything that is known of all keys.
func dumped(t *testing.T, rows store.Store) string {
	t.Helper()
	list, err := rows.List(context.Background(), store.Query{})
	if err != nil {
		t.Fatal(err)
	}
	text := ""
	for _, r := range list {
		text += fmt.Sprintf("%+v %x %s\n", r.Key, r.Evidence.Value().Proof, r.Evidence.Value().PepperID)
	}
	return text
}

func events(t *testing.T, rows store.Store) []store.Event {
	t.Helper()
	list, err := rows.Events(context.Background(), store.EventQuery{})
	if err != nil {
		t.Fatal(err)
	}
	return list
}
