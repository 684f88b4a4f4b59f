package store

import (
	"context"
	"slices"
	"strings"
)

// LinkSalesChannels adds and removes sales channels of a publishable key and returns the key. It
// does not check that the channels exist. Adding a linked channel and removing an unlinked one have
// no effect. A channel in both lists is added. As in Medusa, UpdatedAt does not change. Errors
// match ErrNotFound, ErrInvalid (secret key, or too many channels), ErrForbidden or ErrUnavailable.
func (k *Keys) LinkSalesChannels(ctx context.Context, id string, add, remove []string) (*Key, error) {
	var linked *Key
	err := k.change(ctx, "link sales channels", func(tx Tx) error {
		p, r, err := k.target(ctx, tx, id)
		if err != nil {
			return err
		}
		key, now := &r.Key, k.now()
		linked = key
		if key.Type != Publishable {
			return Errorf(ErrInvalid, "Sales channels can only be associated with publishable API keys")
		}
		before := key.Clone()
		removed, added, had := setOf(remove), setOf(add), setOf(key.SalesChannelIDs)
		key.SalesChannelIDs = slices.DeleteFunc(key.SalesChannelIDs, func(c string) bool { return removed[c] && !added[c] })
		key.SalesChannelIDs = unique(append(key.SalesChannelIDs, add...))
		if err := checkNew(key, before); err != nil {
			return err
		}
		isNew := func(c string) bool { return !had[c] }
		if slices.ContainsFunc(key.SalesChannelIDs, isNew) { // removing channels needs no permission
			if p.holder.isLimited() {
				return errLimitedGives
			}
			if err := p.holder.mayGrant(key); err != nil {
				return err
			}
		}
		if slices.Equal(before.SalesChannelIDs, key.SalesChannelIDs) { // announced all the same (protocol 4.1)
			return tx.Append(ctx, r, eventFor(r, Linked, now, nil))
		}
		if !k.isGenuine(r) {
			return errForged(r)
		}
		if err := k.gate(ctx, tx, key, before); err != nil {
			return err
		}
		return k.save(ctx, tx, r, Linked, now, map[string]string{"sales_channels": strings.Join(key.SalesChannelIDs, ",")})
	})
	if err != nil {
		return nil, err
	}
	return linked, nil
}
