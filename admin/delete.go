package admin

import (
	"context"

	"github.com/latchkey-go/latchkey/admin/internal/medusa"
)

// remove answers DELETE /api-keys/{id}. As in Medusa, deleting an unknown key succeeds.
func (a *api) remove(ctx context.Context, c call[struct{}, struct{}]) (medusa.Members, error) {
	if err := a.keys.Delete(ctx, c.ID); err != nil {
		return nil, err
	}
	return medusa.Members{{"id", c.ID}, {"object", "api_key"}, {"deleted", true}}, nil
}
