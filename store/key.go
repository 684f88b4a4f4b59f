package store

import (
	"net/netip"
	"slices"
	"time"
)

// Type says where a key may be used. The zero value is no type and fits nowhere.
type Type string

const (
	// Publishable keys (pk_…) are public: they are sent by browsers and name the sales channels of a storefront.
	Publishable Type = "publishable"
	// Secret keys (sk_…) authenticate servers.
	Secret Type = "secret"
)

// Key is one API key as the rest of the program sees it. Values returned by [Keys] are shared with caches:
// they must not be modified (use [Key.Clone]).
//
// Times are whole milliseconds, which is what Medusa's wire format can say.
type Key struct {
	ID    string // "apk_" + ULID, as in Medusa; sorts by creation
	Type  Type
	Title string
	// Description is free text for people. It gives no power, is not covered by the proof and is
	// not kept in caches: only Get and List return it.
	Description string
	// Redacted is Medusa's short form of the token: its first 6 characters, "***", its last 3.
	Redacted string
	// Token is the token of a publishable key, which is public. Of a secret key it is always "".
	Token string
	// LookupID is what the token is found by. It is zero for an imported Medusa key that has not been used yet.
	LookupID LookupID

	// Scopes: nil means unrestricted (Medusa's keys have no scopes); a list restricts the key to it; an empty
	// list grants nothing.
	Scopes []string
	// SalesChannelIDs are the sales channels of a publishable key, in the order they were linked.
	SalesChannelIDs []string
	// Metadata is for people and reports. It must never decide what a request may do: it is not
	// covered by the proof, so that a write to the database changes it unnoticed. Use Scopes for
	// that.
	Metadata map[string]string
	// AllowedCIDRs, when not empty, are the only client networks the key may be used from. An empty
	// list, which older versions stored, means any address, as nil does; it cannot be written any
	// more.
	AllowedCIDRs []netip.Prefix
	// RateLimit is the number of requests per window that the key may make; the zero value is no limit.
	RateLimit RateLimit

	CreatedBy string // id of the principal: a key's id, or what the app calls its staff
	CreatedAt Time
	UpdatedAt Time
	ExpiresAt Time // not set: never

	// Revoked is set by a revocation that takes effect at once. It is asked before any clock is.
	Revoked   bool
	RevokedAt Time // when it was revoked, or will be (scheduled)
	RevokedBy string

	// LastUsedAt lags by the flush interval (seconds) and is not kept in caches: only Get and List know it.
	LastUsedAt Time
	// RolledFrom is the id of the key that this one replaced.
	RolledFrom string
	// Version counts the changes of this key, starting at 1.
	Version int64
}

// NewKey is what a key is made from. Only Type is required. A key has at most 1024 bytes of title
// and as many of description, 100 scopes of 100 bytes, 1000 sales channels, 100 networks, and 50
// entries of metadata with 16 kB in all; more is ErrInvalid.
type NewKey struct {
	Type        Type
	Title       string
	Description string
	// Scopes: nil means unrestricted, an empty list grants nothing.
	Scopes          []string
	SalesChannelIDs []string // publishable keys only
	Metadata        map[string]string
	AllowedCIDRs    []netip.Prefix
	RateLimit       RateLimit
	ExpiresAt       time.Time // zero: never
}

// Patch is what to change in a key; nil fields stay as they are.
type Patch struct {
	Title        *string
	Description  *string   // to "": none
	Scopes       *[]string // to nil: unrestricted
	Metadata     *map[string]string
	AllowedCIDRs *[]netip.Prefix
	RateLimit    *RateLimit
	ExpiresAt    *time.Time // to the zero time: never
}

// RateLimit allows Requests per Window: all of them at once, and each comes back after its share of the window (a bucket of
// Requests tokens that fills up in one Window; see Spend). The zero value is no limit.
type RateLimit struct {
	Requests int
	Window   time.Duration
}

// Check answers whether the key may be used at the moment now. It is the only place that does, and it is asked on
// every authentication, cache hits too. It returns nil, or an error that matches ErrRevoked or ErrExpired. A key
// revoked "now" is refused whatever the clock says; scheduled revocation and expiry take effect at that very millisecond.
func (k *Key) Check(now time.Time) error {
	switch {
	case k.Revoked:
		return ErrRevoked
	case !k.RevokedAt.IsZero() && !TimeOf(now).before(k.RevokedAt):
		return ErrRevoked
	case !k.ExpiresAt.IsZero() && !TimeOf(now).before(k.ExpiresAt):
		return ErrExpired
	case k.Type != Publishable && k.Type != Secret:
		return ErrUnknownToken // fails closed: a record of no known type grants nothing
	}
	return nil
}

// Allows reports whether the key's scopes cover all of those asked for. A key with nil scopes is unrestricted.
func (k *Key) Allows(scopes ...string) bool {
	if k.Scopes == nil {
		return true
	}
	for _, s := range scopes {
		if !slices.Contains(k.Scopes, s) {
			return false
		}
	}
	return true
}

// end returns when the key stops working by itself; not set: never.
func (k *Key) end() Time {
	if k.ExpiresAt.IsZero() || (!k.RevokedAt.IsZero() && k.RevokedAt.before(k.ExpiresAt)) {
		return k.RevokedAt
	}
	return k.ExpiresAt
}
