package admin

import (
	"context"
	"math"
	"time"
)

// maxRevokeIn is the greatest revoke_in, in seconds: what a time.Duration holds, 292 years. (In Medusa the end is about 10^13, with
// a 500.)
const maxRevokeIn = int64(math.MaxInt64 / time.Second)

// readRevokeIn reads the body of revoke and roll. revoke_in is in seconds and cut to a whole number.
func readRevokeIn(r *reader) time.Duration {
	seconds, ok := r.number("revoke_in")
	switch {
	case !ok || seconds <= 0:
		return 0
	case seconds > float64(maxRevokeIn):
		r.tooBig("revoke_in", maxRevokeIn)
		return 0
	}
	return time.Duration(seconds) * time.Second
}

// revoke answers POST /api-keys/{id}/revoke.
func (a *api) revoke(ctx context.Context, c call[time.Duration, fields]) (members, error) {
	key, err := a.keys.RevokeIn(ctx, c.ID, c.Body)
	return a.changed(ctx, key, err, c.Query)
}
