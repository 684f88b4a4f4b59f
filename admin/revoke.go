package admin

import (
	"context"
	"math"
	"time"

	"github.com/latchkey-go/latchkey/admin/internal/medusa"
	"github.com/latchkey-go/latchkey/store"
)

const (
	// maxRevokeIn is the greatest revoke_in, in seconds: from 1970 to the end of the year 9999.
	// Package store refuses later times. (In Medusa more than about 10^13 is a 500.)
	maxRevokeIn = 253_402_300_799
	// maxDuration is the greatest time.Duration, 292 years, in seconds.
	maxDuration = int64(math.MaxInt64 / time.Second)
)

// readRevokeIn reads the body of revoke.
func readRevokeIn(r *medusa.FieldsReader) int64 { return readSeconds(r, maxRevokeIn) }

// readSeconds reads revoke_in in seconds, rounds it down, and returns at least 0.
func readSeconds(r *medusa.FieldsReader, most int64) int64 {
	seconds, ok := r.Number("revoke_in")
	switch {
	case !ok || seconds <= 0:
		return 0
	case seconds > float64(most):
		r.TooBig("revoke_in", most)
		return 0
	}
	return int64(seconds)
}

// revoke answers POST /api-keys/{id}/revoke.
func (a *api) revoke(ctx context.Context, c call[int64, fields]) (medusa.Members, error) {
	key, err := a.keys.RevokeAt(ctx, c.ID, a.fromNow(c.Body))
	return a.changed(ctx, key, err, c.Query)
}

// revokeSelf answers POST /api-keys/self/revoke. It needs no scope: revoking a key, even a stolen
// one, does no harm. It cannot extend the key's life.
func (a *api) revokeSelf(ctx context.Context, c call[int64, fields]) (medusa.Members, error) {
	key, ok := store.FromContext(ctx)
	if !ok || key.Type != store.Secret {
		return nil, store.Errorf(store.ErrNotAllowed,
			"The request was not made with a secret API key: there is no key that could revoke itself")
	}
	key, err := a.keys.RevokeAt(ctx, key.ID, a.fromNow(c.Body))
	if err != nil {
		return nil, err
	}
	return a.showOne(ctx, key, c.Query.over(defaultFields()))
}

// fromNow returns the time in so many seconds, which may exceed a time.Duration.
func (a *api) fromNow(seconds int64) time.Time {
	return time.UnixMilli(a.now().UnixMilli() + seconds*1000)
}
