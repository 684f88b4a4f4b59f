package admin

import (
	"context"
	"time"

	"github.com/latchkey-go/latchkey/admin/internal/medusa"
	"github.com/latchkey-go/latchkey/store"
)

// readRoll reads the body of roll: revoke_in is how long the old key remains valid, replace revokes
// an unused successor.
func readRoll(r *medusa.FieldsReader) store.RollOptions {
	grace := time.Duration(readSeconds(r, maxDuration)) * time.Second
	return store.RollOptions{Grace: grace, Replace: r.Boolean("replace")}
}

// roll answers POST /api-keys/{id}/roll with the new key and its token.
func (a *api) roll(ctx context.Context, c call[store.RollOptions, fields]) (medusa.Members, error) {
	made, err := a.keys.Roll(ctx, c.ID, c.Body)
	if err != nil {
		return nil, err
	}
	return showCreated(made, c.Query), nil
}
