package store_test

import (
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/latchkey-go/latchkey/store"
)

// holder makes a secret key like n, to make changes by.
func (b *bench) holder(n store.NewKey) *store.Key {
	b.Helper()
	n.Type = store.Secret
	return b.create(n).Key
}

func (b *bench) get(id string) *store.Key {
	b.Helper()
	key, err := b.keys.Get(b.ctx, id)
	if err != nil {
		b.Fatal(err)
	}
	return key
}

func TestRequirement34KeysBringEndsForwardAndPutThemOffOnlyWhereTheyCouldGrantTheKey(t *testing.T) {
	hour, day := time.Hour, 24*time.Hour
	ending := map[string]func(b *bench) string{
		"whose end was scheduled": func(b *bench) string {
			id := b.holder(store.NewKey{}).ID
			if _, err := b.keys.RevokeAt(b.ctx, id, b.keys.Now().Add(hour)); err != nil {
				b.Fatal(err)
			}
			return id
		},
		"that was rolled with grace": func(b *bench) string {
			id := b.holder(store.NewKey{}).ID
			if _, err := b.keys.Roll(b.ctx, id, store.RollOptions{Grace: hour}); err != nil {
				b.Fatal(err)
			}
			return id
		},
		"that would expire before its scheduled end": func(b *bench) string {
			id := b.holder(store.NewKey{ExpiresAt: start.Add(hour / 2)}).ID
			if _, err := b.keys.RevokeAt(b.ctx, id, b.keys.Now().Add(hour)); err != nil {
				b.Fatal(err)
			}
			return id
		},
	}
	for name, make := range ending {
		for who, n := range map[string]store.NewKey{
			"scopes":   {Scopes: []string{"keys:write"}},
			"an end":   {ExpiresAt: start.Add(hour / 4)},
			"networks": {AllowedCIDRs: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}},
			"a limit":  {RateLimit: store.RateLimit{Requests: 5, Window: hour}},
		} {
			b := newBench(t, store.Options{})
			as := store.NewContext(b.ctx, b.holder(n))
			id := make(b)
			for _, later := range []time.Duration{hour + time.Millisecond, day, 290 * 365 * day} {
				if _, err := b.keys.RevokeAt(as, id, b.keys.Now().Add(later)); !errors.Is(err, store.ErrForbidden) {
					t.Errorf("a key with %s puts off by %s the end of one %s: %v", who, later, name, err)
				}
				if revoked, err := b.keys.RevokeAll(as, store.Filter{IDs: []string{id}}, start.Add(later)); err == nil && len(revoked) > 0 {
					t.Errorf("a key with %s puts off by a filter the end of one %s: %v", who, name, revoked[0].RevokedAt)
				}
			}
			for _, expiry := range []time.Time{{}, start.Add(day)} {
				if b.get(id).ExpiresAt.IsZero() {
					break
				}
				if _, err := b.keys.Update(as, id, store.Patch{ExpiresAt: &expiry}); !errors.Is(err, store.ErrForbidden) {
					t.Errorf("a key with %s lets one %s expire at %v: %v", who, name, expiry, err)
				}
			}
			if key := b.get(id); !key.RevokedAt.Time().Equal(start.Add(hour)) {
				t.Errorf("the end is now %v", key.RevokedAt)
			}
			if _, err := b.keys.RevokeAt(as, id, b.keys.Now().Add(hour/2)); err != nil {
				t.Errorf("a key with %s brings the end forward: %v", who, err)
			}
			if _, err := b.keys.RevokeAt(store.NewContext(b.ctx, b.holder(store.NewKey{})), id, b.keys.Now().Add(day)); err != nil {
				t.Errorf("a key that could grant the whole key puts the end off: %v", err)
			}
			soon := start.Add(time.Second)
			if _, err := b.keys.Update(as, id, store.Patch{ExpiresAt: &soon}); err != nil {
				t.Errorf("a key with %s lets one expire sooner: %v", who, err)
			}
		}
	}
}

func TestRequirement34AnEndThatIsPutOffIsJudgedAsIfItWereTheOnlyOne(t *testing.T) {
	b := newBench(t, store.Options{})
	end := func(id string, in time.Duration) {
		t.Helper()
		if _, err := b.keys.RevokeAt(b.ctx, id, b.keys.Now().Add(in)); err != nil {
			t.Fatal(err)
		}
	}
	holder := b.holder(store.NewKey{ExpiresAt: start.Add(2 * time.Hour)})
	as := store.NewContext(b.ctx, holder)
	expiring := b.holder(store.NewKey{ExpiresAt: start.Add(time.Hour)}).ID
	end(expiring, 90*time.Minute)
	if _, err := b.keys.RevokeAt(as, expiring, b.keys.Now().Add(3*time.Hour)); !errors.Is(err, store.ErrForbidden) {
		t.Errorf("a revocation behind the expiry, which somebody may lift: %v", err)
	}
	scheduled := b.holder(store.NewKey{ExpiresAt: start.Add(90 * time.Minute)}).ID
	end(scheduled, time.Hour)
	if _, err := b.keys.Update(as, scheduled, store.Patch{ExpiresAt: &time.Time{}}); !errors.Is(err, store.ErrForbidden) {
		t.Errorf("an expiry behind the revocation: %v", err)
	}
	within := start.Add(2 * time.Hour)
	if _, err := b.keys.Update(as, scheduled, store.Patch{ExpiresAt: &within}); err != nil {
		t.Errorf("within the holder's own: %v", err)
	}
}

func TestRequirement34ALimitedKeyDoesNotMultiplyItself(t *testing.T) {
	b := newBench(t, store.Options{})
	limit := store.RateLimit{Requests: 5, Window: time.Hour}
	limited := store.NewKey{Type: store.Secret, Scopes: []string{"keys:write", "a"}, RateLimit: limit}
	holder := b.create(limited).Key
	as := store.NewContext(b.ctx, holder)
	forbidden := func(what string, err error) {
		t.Helper()
		if !errors.Is(err, store.ErrForbidden) {
			t.Errorf("%s: %v", what, err)
		}
	}
	_, err := b.keys.Create(as, store.NewKey{Type: store.Secret, Scopes: []string{}, RateLimit: store.RateLimit{Requests: 1, Window: 100 * time.Hour}})
	forbidden("a child with a smaller limit", err)
	_, _, err = b.keys.ImportToken(as, medusaSecret, limited)
	forbidden("a child with a token that is known", err)
	_, err = b.keys.Import(as, []store.ImportKey{{Key: store.Key{ID: "apk_i", Type: store.Publishable, Scopes: []string{}, RateLimit: limit}, Token: "pk_" + medusaSecret[3:]}}, false)
	forbidden("an imported child", err)
	_, err = b.keys.Roll(as, holder.ID, store.RollOptions{})
	forbidden("rolling itself", err)
	other := limited
	other.ExpiresAt = start.Add(time.Minute)
	weak := b.create(other).Key
	_, err = b.keys.Roll(as, weak.ID, store.RollOptions{})
	forbidden("rolling another", err)

	for what, p := range map[string]store.Patch{
		"a second bucket for one of its own scopes": {Scopes: &[]string{"a", "keys:write"}},
		"more requests, within its own limit":       {RateLimit: &store.RateLimit{Requests: 4, Window: time.Hour}},
		"no limit":                                  {RateLimit: &store.RateLimit{}},
		"a later end":                               {ExpiresAt: &time.Time{}},
	} {
		n := limited
		n.Scopes, n.RateLimit, n.ExpiresAt = []string{"a"}, store.RateLimit{Requests: 3, Window: time.Hour}, start.Add(time.Hour)
		id := b.create(n).Key.ID
		_, err := b.keys.Update(as, id, p)
		forbidden(what, err)
		if key := b.get(id); key.Version != 1 {
			t.Errorf("%s left %+v", what, key)
		}
	}
	shop := b.create(store.NewKey{Type: store.Publishable, Scopes: []string{"a"}, RateLimit: limit}).Key
	root := b.create(store.NewKey{Type: store.Secret, RateLimit: limit}).Key
	_, err = b.keys.LinkSalesChannels(store.NewContext(b.ctx, root), shop.ID, []string{"sc_1"}, nil)
	forbidden("a channel, by one that is bound to no channel", err)

	less := store.RateLimit{Requests: 2, Window: time.Hour}
	for _, id := range []string{holder.ID, weak.ID} {
		if key, err := b.keys.Update(as, id, store.Patch{RateLimit: &less}); err != nil || key.RateLimit != less {
			t.Errorf("downwards: %+v, %v", key, err)
		}
	}
}

func TestRequirement34ChannelsAreLinkedOnlyToKeysThatTheHolderCouldGrant(t *testing.T) {
	b := newBench(t, store.Options{})
	holder := b.holder(store.NewKey{ExpiresAt: start.Add(time.Hour)})
	as := store.NewContext(b.ctx, holder)
	for name, n := range map[string]store.NewKey{
		"that never ends": {},
		"that ends later": {ExpiresAt: start.Add(2 * time.Hour)},
	} {
		n.Type, n.SalesChannelIDs = store.Publishable, []string{"sc_1"}
		id := b.create(n).Key.ID
		if _, err := b.keys.LinkSalesChannels(as, id, []string{"sc_2"}, nil); !errors.Is(err, store.ErrForbidden) {
			t.Errorf("to one %s: %v", name, err)
		}
		if _, err := b.keys.LinkSalesChannels(as, id, []string{"sc_1"}, nil); err != nil {
			t.Errorf("what is linked already: %v", err)
		}
		if _, err := b.keys.LinkSalesChannels(as, id, nil, []string{"sc_1"}); err != nil {
			t.Errorf("to take one away: %v", err)
		}
	}
}

func TestRequirement34MetadataNeedsWhatPowerNeeds(t *testing.T) {
	b := newBench(t, store.Options{})
	as := store.NewContext(b.ctx, b.holder(store.NewKey{Scopes: []string{"keys:write", "a"}}))
	strong, weak := b.holder(store.NewKey{}), b.holder(store.NewKey{Scopes: []string{"a"}})
	plan := map[string]string{"plan": "enterprise"}
	if _, err := b.keys.Update(as, strong.ID, store.Patch{Metadata: &plan}); !errors.Is(err, store.ErrForbidden) {
		t.Errorf("of a stronger key: %v", err)
	}
	if key, err := b.keys.Update(as, weak.ID, store.Patch{Metadata: &plan}); err != nil || key.Metadata["plan"] != "enterprise" {
		t.Errorf("of a weaker key: %+v, %v", key, err)
	}
}

func TestRequirement37AnEmptyListOfAddressesIsRefused(t *testing.T) {
	b := newBench(t, store.Options{})
	empty := []netip.Prefix{}
	refused := func(err error) {
		t.Helper()
		if !errors.Is(err, store.ErrInvalid) || !strings.Contains(err.Error(), "allowed_cidrs") {
			t.Error(err)
		}
	}
	_, err := b.keys.Create(b.ctx, store.NewKey{Type: store.Secret, AllowedCIDRs: empty})
	refused(err)
	_, _, err = b.keys.ImportToken(b.ctx, medusaSecret, store.NewKey{AllowedCIDRs: empty})
	refused(err)
	bound := b.holder(store.NewKey{AllowedCIDRs: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}})
	_, err = b.keys.Update(b.ctx, bound.ID, store.Patch{AllowedCIDRs: &empty})
	refused(err)
	_, err = b.keys.UpdateAll(b.ctx, store.Filter{IDs: []string{bound.ID}}, store.Patch{AllowedCIDRs: &empty})
	refused(err)

	t.Run("a row that holds one keeps its meaning, and a roll makes it null", func(t *testing.T) {
		old := b.holder(store.NewKey{})
		_, err := b.rows.Change(b.ctx, store.Actor{}, func(tx store.Tx) error {
			found, err := tx.Find(b.ctx, store.Query{Filter: store.Filter{IDs: []string{old.ID}}})
			if err != nil {
				return err
			}
			found[0].Key.AllowedCIDRs = empty
			return tx.Update(b.ctx, found[0], store.Event{Kind: store.Updated, At: start})
		})
		if err != nil {
			t.Fatal(err)
		}
		title := "b"
		if key, err := b.keys.Update(b.ctx, old.ID, store.Patch{Title: &title}); err != nil || key.AllowedCIDRs == nil || len(key.AllowedCIDRs) > 0 {
			t.Errorf("%+v, %v", key, err)
		}
		if next, err := b.keys.Roll(b.ctx, old.ID, store.RollOptions{}); err != nil || next.Key.AllowedCIDRs != nil {
			t.Errorf("%+v, %v", next.Key, err)
		}
	})
}
