package guard

import (
	"net/http"
	"strconv"
	"time"

	"github.com/latchkey-go/latchkey/store"
)

// The fields' names in the form that net/http keeps them in; their case means nothing.
const (
	rateLimitPolicy = "Ratelimit-Policy"
	rateLimit       = "Ratelimit"
)

// maxInteger is the greatest Integer of a structured field (RFC 9651, 3.3.1).
const maxInteger = 999_999_999_999_999

// tellLimit writes the fields of draft-ietf-httpapi-ratelimit-headers-11, on allowed answers as on refused ones:
//
//	RateLimit-Policy: "secret-key";q=100;w=60    section 3: so many requests (q) in so many seconds (w)
//	RateLimit: "secret-key";r=50;t=30            section 4: so many are left (r) for so many seconds (t)
//
// A bucket that fills up evenly has no end of a window to tell. t is how long the r requests last at the pace of the policy, so that a
// client that spreads them over it is never refused, and r to t is never more than q to w, as sections 6 and 8.5 ask. With none
// left it is when the next one comes, which is what Retry-After says too (section 6). Fractions of a second are rounded up.
//
// Both are lists: an item is added, and those of the app stay.
func tellLimit(h http.Header, key *store.Key, d store.Decision) {
	interval, room := key.RateLimit.Pace()
	left := min(d.Remaining, int(room/interval))
	t := d.RetryAfter
	if left > 0 {
		t = interval * time.Duration(left)
	}
	h[rateLimitPolicy] = append(h[rateLimitPolicy], item(key.Type, "q", int64(key.RateLimit.Requests), "w", seconds(key.RateLimit.Window)))
	h[rateLimit] = append(h[rateLimit], item(key.Type, "r", int64(left), "t", seconds(t)))
}

// item is an Item of a structured field, a String with two Integers as its parameters.
func item(t store.Type, name1 string, n1 int64, name2 string, n2 int64) string {
	b := make([]byte, 0, 64)
	b = append(b, '"')
	b = append(b, t...)
	b = append(b, `-key";`...)
	b = append(b, name1...)
	b = append(b, '=')
	b = strconv.AppendInt(b, min(max(n1, 0), maxInteger), 10)
	b = append(b, ';')
	b = append(b, name2...)
	b = append(b, '=')
	b = strconv.AppendInt(b, n2, 10)
	return string(b)
}

// seconds rounds up to whole seconds, at least one: who is told to come back in none is back too early.
func seconds(d time.Duration) int64 {
	return max(1, int64(d/time.Second)+min(1, int64(d%time.Second)))
}
