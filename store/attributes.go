package store

import (
	"maps"
	"net/netip"
	"slices"
	"time"
)

// attribute describes one attribute that callers can set. To add an attribute, add a field to Key,
// NewKey and Patch, a line to the table attributes, and the columns in the databases.
type attribute struct {
	name     string // in the wire format, in messages and in events
	power    bool   // it decides what a request may do, so the proof covers it; for a new one see extensions.go
	uncached bool   // lookups leave it out, because it only describes the key

	// check returns an *Error that matches ErrInvalid when the value is not allowed.
	check func(*Key) error
	// tidy, if set, converts the value to the form that is stored.
	tidy func(*Key)

	// The functions below depend on the type of the attribute.
	take   func(*Key, *NewKey)       // copies the value from NewKey; nil if NewKey has no such field
	patch  func(*Key, *Patch) bool   // copies the value from Patch and reports whether it is set; nil if Patch has no such field
	copy   func(to, from *Key)       // deep; distinguishes nil from empty lists
	same   func(a, b *Key) bool      // distinguishes nil from empty lists where that matters
	secret func(k, before *Key) bool // reports whether a text that is not in before contains a secret token
}

// maxDescriptionBytes is the maximum length of a description.
const maxDescriptionBytes = 1024

// attributes lists the attributes in the order in which events name them and checks run.
var attributes = [...]attribute{
	text("title", maxImportedTitle, attribute{}, // see checkTitle for new ones
		func(k *Key) *string { return &k.Title }, func(n *NewKey) string { return n.Title }, func(p *Patch) *string { return p.Title }),
	text("description", maxDescriptionBytes, attribute{uncached: true},
		func(k *Key) *string { return &k.Description }, func(n *NewKey) string { return n.Description }, func(p *Patch) *string { return p.Description }),
	list.of(attribute{name: "scopes", power: true, check: checkScopes, tidy: func(k *Key) { k.Scopes = unique(k.Scopes) }},
		func(k *Key) *[]string { return &k.Scopes }, func(n *NewKey) []string { return n.Scopes }, func(p *Patch) *[]string { return p.Scopes }),
	list.of(attribute{name: "sales_channels", power: true, check: checkChannels, tidy: func(k *Key) { k.SalesChannelIDs = unique(k.SalesChannelIDs) }},
		func(k *Key) *[]string { return &k.SalesChannelIDs }, func(n *NewKey) []string { return n.SalesChannelIDs }, nil), // see LinkSalesChannels
	pairs.of(attribute{name: "metadata", check: checkMetadata},
		func(k *Key) *map[string]string { return &k.Metadata }, func(n *NewKey) map[string]string { return n.Metadata },
		func(p *Patch) *map[string]string { return p.Metadata }),
	networks.of(attribute{name: "allowed_cidrs", power: true, check: checkNetworks, tidy: tidyNetworks},
		func(k *Key) *[]netip.Prefix { return &k.AllowedCIDRs }, func(n *NewKey) []netip.Prefix { return n.AllowedCIDRs },
		func(p *Patch) *[]netip.Prefix { return p.AllowedCIDRs }),
	plain[RateLimit]().of(attribute{name: "rate_limit", power: true, check: checkRateLimit},
		func(k *Key) *RateLimit { return &k.RateLimit }, func(n *NewKey) RateLimit { return n.RateLimit }, func(p *Patch) *RateLimit { return p.RateLimit }),
	plain[Time]().of(attribute{name: "expires_at", power: true, check: checkExpiry},
		func(k *Key) *Time { return &k.ExpiresAt }, func(n *NewKey) Time { return TimeOf(n.ExpiresAt) }, func(p *Patch) *Time { return timeOf(p.ExpiresAt) }),
}

func timeOf(t *time.Time) *Time {
	if t == nil {
		return nil
	}
	at := TimeOf(*t)
	return &at
}

// kind holds the functions that all attributes of one type share.
type kind[T any] struct {
	clone  func(T) T
	same   func(a, b T) bool
	secret func(now, before T) bool
}

// of completes an attribute. key, made and patched return where its value is stored. The last two
// may be nil.
func (d kind[T]) of(a attribute, key func(*Key) *T, made func(*NewKey) T, patched func(*Patch) *T) attribute {
	a.copy = func(to, from *Key) { *key(to) = d.clone(*key(from)) }
	a.same = func(x, y *Key) bool { return d.same(*key(x), *key(y)) }
	a.secret = func(k, before *Key) bool { return d.secret(*key(k), *key(before)) }
	if made != nil {
		a.take = func(k *Key, n *NewKey) { *key(k) = d.clone(made(n)) }
	}
	if patched != nil {
		a.patch = func(k *Key, p *Patch) bool {
			value := patched(p)
			if value != nil {
				*key(k) = d.clone(*value)
			}
			return value != nil
		}
	}
	return a
}

// text completes an attribute that is a text of at most limit bytes.
func text(name string, limit int, a attribute, key func(*Key) *string, made func(*NewKey) string, patched func(*Patch) *string) attribute {
	a.name = name
	a.check = func(k *Key) error { return checkText(name, *key(k), limit) }
	d := plain[string]()
	d.secret = func(now, before string) bool { return now != before && HoldsSecret(now) }
	return d.of(a, key, made, patched)
}

// plain is the kind of values that an assignment copies.
func plain[T comparable]() kind[T] {
	return kind[T]{
		clone: func(v T) T { return v }, same: func(a, b T) bool { return a == b },
		secret: func(T, T) bool { return false },
	}
}

var list = kind[[]string]{
	clone: slices.Clone[[]string], same: sameList,
	secret: func(now, before []string) bool {
		if !slices.ContainsFunc(now, HoldsSecret) {
			return false
		}
		had := setOf(before)
		return slices.ContainsFunc(now, func(s string) bool { return HoldsSecret(s) && !had[s] })
	},
}

var pairs = kind[map[string]string]{
	clone: maps.Clone[map[string]string], same: maps.Equal[map[string]string, map[string]string],
	secret: func(now, before map[string]string) bool {
		for name, value := range now {
			if old, there := before[name]; (!there || old != value) && (HoldsSecret(name) || HoldsSecret(value)) {
				return true
			}
		}
		return false
	},
}

var networks = kind[[]netip.Prefix]{
	clone: slices.Clone[[]netip.Prefix], same: slices.Equal[[]netip.Prefix],
	secret: func(_, _ []netip.Prefix) bool { return false },
}

// Clone returns a deep copy that may be modified. nil lists stay nil and empty lists stay empty.
func (k *Key) Clone() *Key {
	c := *k
	for i := range attributes {
		attributes[i].copy(&c, k)
	}
	return &c
}

// noKey has no attribute set. It must not be modified.
var noKey = &Key{}

// cached returns the part of the key that lookups return and caches store: everything except
// LastUsedAt and the uncached attributes. It shares the lists of k.
func (k *Key) cached() *Key {
	c := *k
	c.LastUsedAt = Time{}
	for i := range attributes {
		if a := &attributes[i]; a.uncached {
			a.copy(&c, noKey)
		}
	}
	return &c
}

// checkAttributes returns nil, or an *Error that matches ErrInvalid and uses the field name of the
// admin API.
func checkAttributes(k *Key) error {
	for i := range attributes {
		if err := attributes[i].check(k); err != nil {
			return err
		}
	}
	return nil
}

// checkNoSecrets returns an error that matches ErrInvalid when a text of k that is not in before
// contains a secret token. The database may log what is written, and everyone who may read the key
// can see it. Texts that are already in before are accepted, so that older keys can still be
// changed.
func checkNoSecrets(k, before *Key) error {
	for i := range attributes {
		if a := &attributes[i]; a.secret(k, before) {
			return holdsSecretError(a.name)
		}
	}
	return nil
}

// normalize converts the attributes to the form that is stored: no duplicates, and IPv4 networks
// not mapped into IPv6.
func normalize(k *Key) {
	for i := range attributes {
		if tidy := attributes[i].tidy; tidy != nil {
			tidy(k)
		}
	}
}

// apply sets in k the fields that p sets, and returns their names.
func (p *Patch) apply(k *Key) (named map[string]bool) {
	named = make(map[string]bool, len(attributes))
	for i := range attributes {
		if a := &attributes[i]; a.patch != nil && a.patch(k, p) {
			named[a.name] = true
			if a.tidy != nil {
				a.tidy(k)
			}
		}
	}
	return named
}

// changed returns the names of the attributes that differ between two versions of a key, and
// whether one of them gives power.
func changed(k, before *Key) (names []string, power bool) {
	for i := range attributes {
		if a := &attributes[i]; !a.same(k, before) {
			names = append(names, a.name)
			power = power || a.power
		}
	}
	return names, power
}
