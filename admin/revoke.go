package admin

import (
	"context"
	"math"
	"time"

	"github.com/latchkey-go/latchkey/store"
)

const (
	// maxRevokeIn is the greatest revoke_in, in seconds: from 1970 to the end of the year 9999. What lies beyond that year package
	// store refuses. (In Medusa the end is about 10^13, with a 500.)
	maxRevokeIn = 253_402_300_799
	// maxDuration is how many seconds a time.Duration holds: 292 years.
	maxDuration = int64(math.MaxInt64 / time.Second)
)

// readRevokeIn reads the body of revoke.
func readRevokeIn(r *reader) int64 { return readSeconds(r, maxRevokeIn) }

// readSeconds reads revoke_in: seconds, cut to a whole number, at least 0.
func readSeconds(r *reader, most int64) int64 {
	seconds, ok := r.number("revoke_in")
	switch {
	case !ok || seconds <= 0:
		return 0
	case seconds > float64(most):
		r.tooBig("revoke_in", most)
		return 0
	}
	return int64(seconds)
}

// revoke answers POST /api-keys/{id}/revoke.
func (a *api) revoke(ctx context.Context, c call[int64, fields]) (members, error) {
	key, err := a.revokeIn(ctx, c.ID, c.Body)
	return a.changed(ctx, key, err, c.Query)
}

func (a *api) revokeIn(ctx context.Context, id string, seconds int64) (*store.Key, error) {
	if seconds <= maxDuration {
		return a.keys.RevokeIn(ctx, id, time.Duration(seconds)*time.Second)
	}
	return a.keys.RevokeAt(ctx, id, time.UnixMilli(a.now().UnixMilli()+seconds*1000))
}
