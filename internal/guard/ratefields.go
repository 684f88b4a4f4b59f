package guard

import (
	"net/http"
	"strconv"
	"time"

	"github.com/latchkey-go/latchkey/store"
)

// The names of the fields in the canonical form of net/http. Their case does not matter.
const (
	rateLimitPolicy = "Ratelimit-Policy"
	rateLimit       = "Ratelimit"
)

// maxInteger is the maximum Integer of a structured field (RFC 9651, 3.3.1).
const maxInteger = 999_999_999_999_999

// tellLimit sets the fields of draft-ietf-httpapi-ratelimit-headers-11, on accepted and on refused
// requests:
//
//	RateLimit-Policy: "secret-key";q=100;w=60    section 3: q requests in w seconds
//	RateLimit: "secret-key";r=50;t=30            section 4: r are left for t seconds
//
// A bucket that fills evenly has no window that ends. So t is how long the r requests last at the
// pace of the policy. A client that spreads them over t is not refused, and r/t does not exceed
// q/w, as sections 6 and 8.5 require. When no request is left, t is the time until the next one is
// allowed, as in Retry-After (section 6). Fractions of a second are rounded up.
//
// Both fields are lists: an item is added, and items of the app stay.
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

// item is an Item of a structured field: a String with two Integers as parameters.
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

// seconds rounds up to whole seconds, at least one: with Retry-After: 0 clients would retry too
// early.
func seconds(d time.Duration) int64 {
	return max(1, int64(d/time.Second)+min(1, int64(d%time.Second)))
}
