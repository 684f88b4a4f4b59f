package store

import (
	"math/bits"
	"net/netip"
	"slices"
)

// mayGrant returns nil when the holder's own power includes that of key, else an error that matches
// ErrForbidden and names the excess. A key cannot create, extend or roll another key beyond its own
// scopes, channels, addresses, requests and lifetime. A nil holder means that an actor or the
// program makes the change; it has no limits.
func (h *Key) mayGrant(key *Key) error {
	if h == nil {
		return nil
	}
	if err := h.mayGiveScopes(key.Scopes); err != nil {
		return err
	}
	if err := h.mayLink(key.SalesChannelIDs); err != nil {
		return err
	}
	if err := h.mayGiveAddresses(key.AllowedCIDRs); err != nil {
		return err
	}
	if h.RateLimit != (RateLimit{}) && !h.RateLimit.covers(key.RateLimit) {
		return Errorf(ErrForbidden, "The key in use may make %d requests in %s and cannot allow more", h.RateLimit.Requests, h.RateLimit.Window)
	}
	return h.mayOutlive(key)
}

// mayMake is mayGrant for a new key. A key with a rate limit cannot create keys at all: each new
// key would have its own bucket, so together they could exceed the limit.
func (h *Key) mayMake(key *Key) error {
	if h.isLimited() {
		return Errorf(ErrForbidden, "The key in use has a rate limit: it cannot create or roll keys. Use a key without a limit.")
	}
	return h.mayGrant(key)
}

// mayChange is mayGrant for an existing key. A key with a rate limit can reduce the power of other
// keys but not increase it, because each key has its own bucket.
func (h *Key) mayChange(before, after *Key) error {
	if err := h.mayGrant(after); err != nil {
		return err
	}
	if h.isLimited() && before.mayGrant(after) != nil {
		return errLimitedGives
	}
	return nil
}

// mayPutOff is mayChange for a later expiry or revocation. It treats the new end as the only end of
// the key, because the other end could be removed later, in a change that does not check this one.
func (h *Key) mayPutOff(before, after *Key, end Time) error {
	alone := *after
	alone.ExpiresAt, alone.RevokedAt = end, Time{}
	return h.mayChange(before, &alone)
}

var errLimitedGives = Errorf(ErrForbidden, "The key in use has a rate limit: it can take power from keys, not give it. Use a key without a limit.")

// isLimited reports whether the holder is a key with a rate limit.
func (h *Key) isLimited() bool { return h != nil && h.RateLimit != (RateLimit{}) }

// mayGiveScopes is mayGrant for scopes only. h is not nil.
func (h *Key) mayGiveScopes(scopes []string) error {
	if h.Scopes == nil {
		return nil
	}
	if scopes == nil {
		return Errorf(ErrForbidden, "The key in use is restricted to scopes: name the scopes of the other key, within its own")
	}
	for _, scope := range scopes {
		if !slices.Contains(h.Scopes, scope) {
			return Errorf(ErrForbidden, "The key in use does not have the scope '%s' and cannot give it", scope)
		}
	}
	return nil
}

// mayGiveAddresses is mayGrant for addresses only. h is not nil.
func (h *Key) mayGiveAddresses(cidrs []netip.Prefix) error {
	if len(h.AllowedCIDRs) == 0 {
		return nil
	}
	if len(cidrs) == 0 {
		return Errorf(ErrForbidden, "The key in use is restricted to addresses: name the addresses of the other key, within its own")
	}
	for _, cidr := range cidrs {
		if !covered(cidr, h.AllowedCIDRs) {
			return Errorf(ErrForbidden, "The key in use may not be used from %s and cannot allow it", cidr)
		}
	}
	return nil
}

// covers reports whether other allows no more requests than r, neither at once nor over time. The
// zero value is no limit.
func (r RateLimit) covers(other RateLimit) bool {
	if other == (RateLimit{}) || other.Requests > r.Requests {
		return false
	}
	// other.Requests / other.Window <= r.Requests / r.Window, in 128 bits
	otherHigh, otherLow := bits.Mul64(uint64(other.Requests), uint64(r.Window))
	high, low := bits.Mul64(uint64(r.Requests), uint64(other.Window))
	return otherHigh < high || otherHigh == high && otherLow <= low
}

// mayLink is mayGrant for sales channels only. A secret key without scopes or channels may link any
// channel. Other keys may link only their own channels.
func (h *Key) mayLink(channels []string) error {
	if h == nil || (h.Scopes == nil && len(h.SalesChannelIDs) == 0) {
		return nil
	}
	own := setOf(h.SalesChannelIDs)
	for _, id := range channels {
		if !own[id] {
			return Errorf(ErrForbidden, "The key in use is restricted and does not have the sales channel '%s'", id)
		}
	}
	return nil
}

// mayOutlive is mayGrant for the lifetime only.
func (h *Key) mayOutlive(key *Key) error {
	if h == nil || h.end().IsZero() {
		return nil
	}
	if end := key.end(); end.IsZero() || end.after(h.end()) {
		return Errorf(ErrForbidden, "The key in use ends at %s and cannot make a key last longer", h.end())
	}
	return nil
}

// wireTime is the format of times in messages and JSON: ISO 8601, UTC, milliseconds, as in Medusa.
const wireTime = "2006-01-02T15:04:05.000Z"

func covered(cidr netip.Prefix, by []netip.Prefix) bool {
	return slices.ContainsFunc(by, func(p netip.Prefix) bool {
		return p.Bits() <= cidr.Bits() && p.Contains(cidr.Addr())
	})
}
