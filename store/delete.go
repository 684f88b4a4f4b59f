package store

import (
	"context"
	"strings"
)

// Delete removes revoked keys. On an error it removes no key. If one is not revoked, or only in the
// future, the error matches ErrNotAllowed and names it. As in Medusa, unknown ids are not an error;
// they change nothing and write no event.
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
