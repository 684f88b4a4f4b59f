package store

import (
	"context"
	"strings"
)

// Delete removes keys that are revoked, all of them or, with an error, none. Keys that are not revoked (or only in the future) are
// refused by name: ErrNotAllowed. As in Medusa, ids that no key has are no error; nothing is changed for them and no event is written.
func (k *Keys) Delete(ctx context.Context, ids ...string) error {
	if len(ids) == 0 {
		return nil
	}
	return k.change(ctx, "delete", func(tx Tx) error {
		_, found, err := k.targets(ctx, tx, ids...)
		if err != nil {
			return err
		}
		now := k.now()
		var alive []string
		for _, r := range found {
			if !r.Key.isDead(now) {
				alive = append(alive, r.Key.ID)
			}
		}
		if len(alive) > 0 {
			return Errorf(ErrNotAllowed, "Cannot delete api keys that are not revoked - %s", strings.Join(alive, ", "))
		}
		for _, r := range found {
			if err := tx.Delete(ctx, r, eventFor(r, Deleted, now, map[string]string{"title": redactSecrets(r.Key.Title)})); err != nil {
				return err
			}
		}
		return nil
	})
}
