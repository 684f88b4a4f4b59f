package store

import "time"

// Decision is the decision of a limiter about one request.
type Decision struct {
	Allowed bool
	// Remaining is how many more requests would be allowed now.
	Remaining int
	// RetryAfter is the time until the next request is allowed; 0 while Remaining is positive.
	RetryAfter time.Duration
}

// Limits are rounded to microseconds, the resolution of Redis's clock, and to at most a century, so
// that a time plus a window does not overflow, here or in the floating-point numbers of Redis's
// Lua.
const (
	rateResolution = time.Microsecond
	rateWindow     = 100 * 365 * 24 * time.Hour
)

// Pace returns the parameters of the generic cell rate algorithm (GCRA, ITU-T I.371): the interval
// that one request takes, and the room, which is the sum of the intervals of all requests. A limit
// that allows nothing (a negative or half-zero one, which Keys refuses) has no room.
func (r RateLimit) Pace() (interval, room time.Duration) {
	if r.Requests <= 0 || r.Window <= 0 {
		return max(r.Window, time.Second), 0
	}
	window, requests := min(r.Window, rateWindow), time.Duration(r.Requests)
	interval = max((window / requests).Round(rateResolution), rateResolution)
	return interval, interval * min(requests, rateWindow/interval)
}

// Spend counts one request. taken is how much of the room is in use now; it decreases with time.
// Spend returns how much is in use after the request, which does not increase when the request is
// refused, and the decision. If taken is more than the room, because the clock was set back or the
// limit was lowered, it counts as the whole room.
func (r RateLimit) Spend(taken time.Duration) (time.Duration, Decision) {
	interval, room := r.Pace()
	taken = min(max(taken, 0), room)
	allowed := interval <= room-taken
	if allowed {
		taken += interval
	}
	return taken, Decision{
		Allowed:    allowed,
		Remaining:  int((room - taken) / interval),
		RetryAfter: max(interval-(room-taken), 0),
	}
}
