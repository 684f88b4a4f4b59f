package admin

import (
	"math"
	"net/netip"
	"strconv"
	"time"

	"github.com/latchkey-go/latchkey/store"
)

// maxRequests bounds rate_limit.requests, which is an int in package store.
const maxRequests = math.MaxInt32

// readScopes reads an array of strings, or null for an unrestricted key.
func readScopes(r *reader) *[]string {
	if r.isNull("scopes") {
		return new([]string)
	}
	list, ok := r.list("scopes")
	if !ok {
		return nil
	}
	return &list
}

// readMetadata reads an object of strings, or null.
func readMetadata(r *reader) *map[string]string {
	if r.isNull("metadata") {
		return new(map[string]string)
	}
	o, ok := r.object("metadata")
	if !ok {
		return nil
	}
	metadata := make(map[string]string)
	for _, name := range o.from.keys() {
		value, _ := o.text(name)
		o.storable(name, name)
		metadata[name] = value
	}
	return &metadata
}

// readCIDRs reads an array of networks or single addresses, or null for a key that may be used from anywhere.
func readCIDRs(r *reader) *[]netip.Prefix {
	if r.isNull("allowed_cidrs") {
		return new([]netip.Prefix)
	}
	texts, ok := r.list("allowed_cidrs")
	if !ok {
		return nil
	}
	cidrs := make([]netip.Prefix, 0, len(texts))
	for i, text := range texts {
		cidr, err := netip.ParsePrefix(text)
		if addr, addrErr := netip.ParseAddr(text); addrErr == nil && addr.Zone() == "" { // "fe80::1%eth0/64" is an address in the zone "eth0/64"
			cidr, err = netip.PrefixFrom(addr, addr.BitLen()), nil
		}
		if err != nil || !cidr.IsValid() {
			r.under("allowed_cidrs").mistyped(strconv.Itoa(i), "cidr", text)
			continue
		}
		cidrs = append(cidrs, cidr)
	}
	return &cidrs
}

// readRateLimit reads {"requests":n,"window":seconds}, or null for no limit. Windows are whole milliseconds.
func readRateLimit(r *reader) *store.RateLimit {
	if r.isNull("rate_limit") {
		return new(store.RateLimit)
	}
	o, ok := r.object("rate_limit")
	if !ok {
		return nil
	}
	defer o.finish()
	requests, hasRequests := readBetween(o, "requests", 1, maxRequests)
	window, hasWindow := readBetween(o, "window", 1, int64(math.MaxInt64/time.Second))
	if !hasRequests || !hasWindow {
		return nil
	}
	if requests != math.Trunc(requests) {
		o.mistyped("requests", "integer", requests)
		return nil
	}
	return &store.RateLimit{Requests: int(requests), Window: time.Duration(math.Round(window*1000)) * time.Millisecond}
}

// readBetween reads a required number within bounds.
func readBetween(r *reader, name string, least, most int64) (float64, bool) {
	n, ok := r.number(name)
	_, there := r.from.get(name)
	switch {
	case !there:
		r.missing(name)
	case !ok:
	case n < float64(least):
		r.tooSmall(name, least)
	case n > float64(most):
		r.tooBig(name, most)
	default:
		return n, true
	}
	return 0, false
}

// readExpiresAt reads a time in ISO 8601 with a zone (RFC 3339), or a date (midnight UTC, as in JavaScript), or null for never.
func readExpiresAt(r *reader) *time.Time {
	if r.isNull("expires_at") {
		return new(time.Time)
	}
	text, ok := r.text("expires_at")
	if !ok {
		return nil
	}
	for _, layout := range []string{time.RFC3339, time.DateOnly} {
		if at, err := time.Parse(layout, text); err == nil && !at.IsZero() {
			return &at
		}
	}
	r.mistyped("expires_at", "date", text)
	return nil
}

// orZero returns what p points to, or the zero value.
func orZero[T any](p *T) T {
	if p == nil {
		return *new(T)
	}
	return *p
}
