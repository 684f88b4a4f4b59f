package admin

import (
	"math"
	"net/netip"
	"strconv"
	"time"

	"github.com/latchkey-go/latchkey/admin/internal/medusa"
	"github.com/latchkey-go/latchkey/store"
)

// attribute describes one attribute of a key to this package. A test compares openapi.json with the
// table of them.
type attribute struct {
	name string
	// show returns the value in answers. No attribute can show the token of a secret key: a
	// store.Key does not hold it.
	show func(*store.Key) any
	// own is true if Medusa does not have the attribute. Answers then show it only on request.
	own bool
	// uncached is true if lookups leave the attribute out (store.Store).
	uncached bool
	// create and update read the attribute from a body. They are nil if a body cannot set it, and
	// for Medusa's attributes, which readNewKey and readPatch read.
	create func(*medusa.FieldsReader, *store.NewKey)
	update func(*medusa.FieldsReader, *store.Patch)
	// texts returns the list of a filter that the attribute must be in, or is nil if the attribute
	// is no filter. Medusa's filters are in filterParser.filter.
	texts func(*store.Filter) *[]string
}

// attributes holds Medusa's attributes first. In answers null is "not set", unlike an empty list.
var attributes = []*attribute{
	{name: "id", show: func(k *store.Key) any { return k.ID }},
	{name: "title", show: func(k *store.Key) any { return k.Title }},
	{name: "token", show: func(k *store.Key) any { return k.Token }},
	{name: "redacted", show: func(k *store.Key) any { return k.Redacted }},
	{name: "type", show: func(k *store.Key) any { return string(k.Type) }},
	{name: "created_by", show: func(k *store.Key) any { return k.CreatedBy }},
	{name: "created_at", show: func(k *store.Key) any { return medusa.TimeOrNull(k.CreatedAt.Time()) }},
	{name: "updated_at", show: func(k *store.Key) any { return medusa.TimeOrNull(k.UpdatedAt.Time()) }},
	{name: "revoked_at", show: func(k *store.Key) any { return medusa.TimeOrNull(k.RevokedAt.Time()) }},
	{name: "revoked_by", show: func(k *store.Key) any { return nullIf(k.RevokedAt.IsZero(), k.RevokedBy) }},
	{name: "last_used_at", uncached: true, show: func(k *store.Key) any { return medusa.TimeOrNull(k.LastUsedAt.Time()) }},
	{name: "deleted_at", show: func(*store.Key) any { return nil }}, // deletion removes the row

	settable("description", (*medusa.FieldsReader).Text,
		func(n *store.NewKey) *string { return &n.Description }, func(p *store.Patch) **string { return &p.Description },
		attribute{
			uncached: true, texts: func(f *store.Filter) *[]string { return &f.Descriptions },
			show: func(k *store.Key) any { return medusa.TextOrNull(k.Description) },
		}),
	settable("scopes", (*medusa.FieldsReader).Texts,
		func(n *store.NewKey) *[]string { return &n.Scopes }, func(p *store.Patch) **[]string { return &p.Scopes },
		attribute{show: func(k *store.Key) any { return nullIf(k.Scopes == nil, k.Scopes) }}),
	settable("expires_at", readTime,
		func(n *store.NewKey) *time.Time { return &n.ExpiresAt }, func(p *store.Patch) **time.Time { return &p.ExpiresAt },
		attribute{show: func(k *store.Key) any { return medusa.TimeOrNull(k.ExpiresAt.Time()) }}),
	settable("metadata", readMetadata,
		func(n *store.NewKey) *map[string]string { return &n.Metadata },
		func(p *store.Patch) **map[string]string { return &p.Metadata },
		attribute{show: func(k *store.Key) any { return nullIf(k.Metadata == nil, k.Metadata) }}),
	settable("allowed_cidrs", readCIDRs,
		func(n *store.NewKey) *[]netip.Prefix { return &n.AllowedCIDRs },
		func(p *store.Patch) **[]netip.Prefix { return &p.AllowedCIDRs },
		attribute{show: func(k *store.Key) any { return nullIf(k.AllowedCIDRs == nil, cidrTexts(k.AllowedCIDRs)) }}),
	settable("rate_limit", readRateLimit,
		func(n *store.NewKey) *store.RateLimit { return &n.RateLimit },
		func(p *store.Patch) **store.RateLimit { return &p.RateLimit },
		attribute{show: showRateLimit}),
	{name: "rolled_from", own: true, show: func(k *store.Key) any { return medusa.TextOrNull(k.RolledFrom) }},
	{name: "version", own: true, show: func(k *store.Key) any { return k.Version }},
}

// settable completes an attribute that Medusa does not have and that bodies can set. The function
// read reads its value, and null is the zero value.
func settable[T any](
	name string, read func(*medusa.FieldsReader, string) (T, bool),
	inNew func(*store.NewKey) *T, inPatch func(*store.Patch) **T, a attribute,
) *attribute {
	value := func(r *medusa.FieldsReader) *T {
		if r.Null(name) {
			return new(T)
		}
		if v, ok := read(r, name); ok {
			return &v
		}
		return nil
	}
	a.name, a.own = name, true
	a.create = func(r *medusa.FieldsReader, n *store.NewKey) {
		if v := value(r); v != nil {
			*inNew(n) = *v
		}
	}
	a.update = func(r *medusa.FieldsReader, p *store.Patch) { *inPatch(p) = value(r) }
	return &a
}

// attributeNamed returns the attribute of that name, or nil.
func attributeNamed(name string) *attribute {
	for _, a := range attributes {
		if a.name == name {
			return a
		}
	}
	return nil
}

func showRateLimit(k *store.Key) any {
	limit := k.RateLimit
	shown := medusa.Members{{"requests", limit.Requests}, {"window", limit.Window.Seconds()}}
	return nullIf(limit == store.RateLimit{}, shown)
}

// maxRequests bounds rate_limit.requests, which is an int in package store.
const maxRequests = math.MaxInt32

// readMetadata reads an object of strings.
func readMetadata(r *medusa.FieldsReader, name string) (map[string]string, bool) {
	o, ok := r.Object(name)
	if !ok {
		return nil, false
	}
	metadata := make(map[string]string)
	for _, name := range o.Names() {
		value, _ := o.Text(name)
		o.Storable(name, name)
		metadata[name] = value
	}
	return metadata, true
}

// readCIDRs reads an array of networks or addresses.
func readCIDRs(r *medusa.FieldsReader, name string) ([]netip.Prefix, bool) {
	texts, ok := r.Texts(name)
	if !ok {
		return nil, false
	}
	cidrs := make([]netip.Prefix, 0, len(texts))
	for i, text := range texts {
		cidr, err := netip.ParsePrefix(text)
		// A zone may hold a slash: "fe80::1%eth0/64" is an address.
		if addr, addrErr := netip.ParseAddr(text); addrErr == nil && addr.Zone() == "" {
			cidr, err = netip.PrefixFrom(addr, addr.BitLen()), nil
		}
		if err != nil || !cidr.IsValid() {
			r.Within(name, nil).Mistyped(strconv.Itoa(i), "cidr", text)
			continue
		}
		cidrs = append(cidrs, cidr)
	}
	return cidrs, true
}

// readRateLimit reads {"requests":n,"window":seconds}. The window is rounded to milliseconds.
func readRateLimit(r *medusa.FieldsReader, name string) (store.RateLimit, bool) {
	o, ok := r.Object(name)
	if !ok {
		return store.RateLimit{}, false
	}
	defer o.Finish()
	requests, hasRequests := readBetween(o, "requests", 1, maxRequests)
	window, hasWindow := readBetween(o, "window", 1, int64(math.MaxInt64/time.Second))
	if !hasRequests || !hasWindow {
		return store.RateLimit{}, false
	}
	if requests != math.Trunc(requests) {
		o.Mistyped("requests", "integer", requests)
		return store.RateLimit{}, false
	}
	rounded := time.Duration(math.Round(window*1000)) * time.Millisecond
	return store.RateLimit{Requests: int(requests), Window: rounded}, true
}

// readBetween reads a required number within bounds.
func readBetween(r *medusa.FieldsReader, name string, least, most int64) (float64, bool) {
	n, ok := r.Number(name)
	switch {
	case !r.Has(name):
		r.Missing(name)
	case !ok:
	case n < float64(least):
		r.TooSmall(name, least)
	case n > float64(most):
		r.TooBig(name, most)
	default:
		return n, true
	}
	return 0, false
}

// readTime reads a time in RFC 3339, or a date, which is midnight UTC as in JavaScript.
func readTime(r *medusa.FieldsReader, name string) (time.Time, bool) {
	text, ok := r.Text(name)
	if !ok {
		return time.Time{}, false
	}
	for _, layout := range []string{time.RFC3339, time.DateOnly} {
		if at, err := time.Parse(layout, text); err == nil && !at.IsZero() {
			return at, true
		}
	}
	r.Mistyped(name, "date", text)
	return time.Time{}, false
}
