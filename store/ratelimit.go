package store

import "time"

// Decision is what a limiter says about one request.
type Decision struct {
	Allowed bool
	// Remaining is how many more requests would be allowed at this moment.
	Remaining int
	// RetryAfter is how long it takes until a request will be allowed; 0 while Remaining is more.
	RetryAfter time.Duration
}

// Limits count to whole microseconds, the resolution of Redis's clock, and at most over a century, so that no sum of a time and a
// window overflows, here or in the floating-point numbers of Redis's Lua.
const (
	rateResolution = time.Microsecond
	rateWindow     = 100 * 365 * 24 * time.Hour
)

// Pace returns the limit as the generic cell rate algorithm (GCRA, ITU-T I.371) wants it: the time that one request takes up,
// and how much of it may be taken up at once, which is that of all the requests. A limit that allows nothing (it is negative, or half of it
// is zero, which no verb of Keys lets in) has no room at all.
func (r RateLimit) Pace() (interval, room time.Duration) {
	if r.Requests <= 0 || r.Window <= 0 {
		return max(r.Window, time.Second), 0
	}
	window, requests := min(r.Window, rateWindow), time.Duration(r.Requests)
	interval = max((window / requests).Round(rateResolution), rateResolution)
	return interval, interval * min(requests, rateWindow/interval)
}

// Spend counts one request. taken is how much of the room is taken up at this moment; it shrinks as time passes. Spend returns how
// much is taken up after the request, which is no more than before when the request is refused, and the decision. More than the
// whole room, as there is after a clock was set back or a limit was lowered, counts as the whole.
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
