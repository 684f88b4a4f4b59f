package store

import (
	"net/netip"
	"slices"
	"time"
)

// Type is the type of a key. The zero value is no type and is refused everywhere.
type Type string

const (
	// Publishable keys (pk_…) are public: browsers send them to name the sales channels of a
	// storefront.
	Publishable Type = "publishable"
	// Secret keys (sk_…) authenticate servers.
	Secret Type = "secret"
)

// Key is one API key. Values returned by [Keys] are shared with caches and must not be modified
// (use [Key.Clone]).
//
// Times are whole milliseconds, the resolution of Medusa's wire format.
type Key struct {
	ID    string // "apk_" + ULID, as in Medusa; sorts by creation
	Type  Type
	Title string
	// Description is free text for people. It gives no power, the proof does not cover it, and
	// caches do not store it: only Get and List return it.
	Description string
	// Redacted is Medusa's short form of the token: its first 6 characters, "***", its last 3.
	Redacted string
	// Token is the token of a publishable key, which is public. It is always "" for a secret key.
	Token string
	// LookupID is the hash by which the key is found. It is zero for an imported Medusa key that
	// has not been used yet.
	LookupID LookupID

	// Scopes: nil means unrestricted, as Medusa's keys are. A list restricts the key to these
	// scopes. An empty list grants nothing.
	Scopes []string
	// SalesChannelIDs are the sales channels of a publishable key, in the order they were linked.
	SalesChannelIDs []string
	// Metadata is for people and reports. It must not decide what a request may do: the proof does
	// not cover it, so a write to the database can change it unnoticed. Use Scopes for that.
	Metadata map[string]string
	// AllowedCIDRs, when not empty, are the only client networks from which the key may be used. An
	// empty list means any address, as nil does. Only older versions stored it; new changes refuse
	// it.
	AllowedCIDRs []netip.Prefix
	// RateLimit is how many requests per window the key may make. The zero value is no limit.
	RateLimit RateLimit

	CreatedBy string // id of the principal: a key's id, or the app's name of an actor
	CreatedAt Time
	UpdatedAt Time
	ExpiresAt Time // not set: never

	// Revoked is set by a revocation that takes effect at once. It is checked before the clock.
	Revoked   bool
	RevokedAt Time // when it was revoked, or will be (scheduled)
	RevokedBy string

	// LastUsedAt lags by the flush interval (seconds). Caches do not store it: only Get and List
	// return it.
	LastUsedAt Time
	// RolledFrom is the id of the key that this key replaced.
	RolledFrom string
	// Version counts the changes of this key, from 1.
	Version int64
}

// NewKey describes a key to be created. Only Type is required. The maximum is 1024 bytes of title,
// 1024 bytes of description, 100 scopes of 100 bytes, 1000 sales channels, 100 networks, and 50
// entries of metadata with 16 kB in total. More is ErrInvalid.
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

// Patch describes a change of a key. nil fields are not changed.
type Patch struct {
	Title        *string
	Description  *string   // "" removes it
	Scopes       *[]string // pointer to nil: unrestricted
	Metadata     *map[string]string
	AllowedCIDRs *[]netip.Prefix
	RateLimit    *RateLimit
	ExpiresAt    *time.Time // pointer to the zero time: never
}

// RateLimit allows Requests per Window. All of them may be made at once; each becomes available
// again after its share of the window. It is a bucket of Requests tokens that fills in one Window
// (see Spend). The zero value is no limit.
type RateLimit struct {
	Requests int
	Window   time.Duration
}

// Check returns nil if the key may be used at the time now, or an error that matches ErrRevoked or
// ErrExpired. It is the only place with these rules, and every authentication calls it, also after
// a cache hit. A key with Revoked set is refused at any time. A scheduled revocation
// and an expiry take effect at that millisecond.
func (k *Key) Check(now time.Time) error {
	switch {
	case k.Revoked:
		return ErrRevoked
	case !k.RevokedAt.IsZero() && !TimeOf(now).before(k.RevokedAt):
		return ErrRevoked
	case !k.ExpiresAt.IsZero() && !TimeOf(now).before(k.ExpiresAt):
		return ErrExpired
	case k.Type != Publishable && k.Type != Secret:
		return ErrUnknownToken // fails closed: a record of an unknown type grants nothing
	}
	return nil
}

// Allows reports whether the key has all of these scopes. A key with nil scopes is unrestricted.
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

// end returns when the key stops working by itself. Not set: never.
func (k *Key) end() Time {
	if k.ExpiresAt.IsZero() || (!k.RevokedAt.IsZero() && k.RevokedAt.before(k.ExpiresAt)) {
		return k.RevokedAt
	}
	return k.ExpiresAt
}
