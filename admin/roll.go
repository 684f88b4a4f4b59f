package admin

import (
	"context"
	"time"
)

// readGrace reads the body of roll.
func readGrace(r *reader) time.Duration {
	return time.Duration(readSeconds(r, maxDuration)) * time.Second
}

// roll answers POST /api-keys/{id}/roll with the new key and its token. revoke_in is how long the old one works on.
func (a *api) roll(ctx context.Context, c call[time.Duration, fields]) (members, error) {
	made, err := a.keys.Roll(ctx, c.ID, c.Body)
	if err != nil {
		return nil, err
	}
	return showCreated(made, c.Query), nil
}
