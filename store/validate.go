package store

import (
	"net/netip"
	"strings"
	"time"
	"unicode/utf8"
)

// The limits of a key's attributes. Medusa limits a title only by the size of the request's body,
// so a list of long titles could be of any size.
const (
	maxTitleBytes     = 1024
	maxImportedTitle  = 100 << 10 // the limit of Medusa; an imported key may have such a title
	maxScopes         = 100
	maxScopeBytes     = 100
	maxSalesChannels  = 1000
	maxChannelIDBytes = 255
	maxMetadata       = 50 // entries
	maxMetadataBytes  = 16 << 10
	maxCIDRs          = 100
	// maxCreate is the maximum number of keys in one call of CreateMany.
	maxCreate = 1000
	// MaxRevoke is the maximum number of keys that one call of RevokeAll or UpdateAll changes.
	MaxRevoke = 1000
	// maxRevokeBytes limits how much of these keys is read: 64 kB per key, many times the size of a
	// usual one. A thousand keys of the maximum size would take 290 MB.
	maxRevokeBytes = 64 << 20
	// MaxConditions is the maximum number of conditions in a filter: words of Search, lists, times,
	// and nested filters. SQLite accepts at most 1000 in an expression and reports more as a fault
	// of its own.
	MaxConditions = 300
)

// check returns nil, or an *Error that matches ErrInvalid when the filter has too many conditions.
func (f *Filter) check() error {
	if n := f.conditions(0); n > MaxConditions {
		return Errorf(ErrInvalid, "Invalid request: The filter holds more than %d conditions", MaxConditions)
	}
	return nil
}

// conditions adds the number of conditions in the filter to n. It stops soon after MaxConditions.
func (f *Filter) conditions(n int) int {
	n += len(strings.Fields(f.Search))
	for i := range filterTexts {
		if *filterTexts[i].list(f) != nil {
			n++
		}
	}
	if f.Types != nil {
		n++
	}
	n += len(f.CreatedAt) + len(f.UpdatedAt) + len(f.RevokedAt) + len(f.DeletedAt) + len(f.ExpiresAt) + len(f.LastUsedAt)
	for _, within := range [][]Filter{f.And, f.Or} {
		for i := range within {
			if n++; n > MaxConditions {
				return n
			}
			n = within[i].conditions(n)
		}
	}
	return n
}

// latest is the latest time that the wire format and both databases can represent.
var latest = time.Date(9999, 12, 31, 23, 59, 59, 999e6, time.UTC)

func checkScopes(k *Key) error {
	if len(k.Scopes) > maxScopes {
		return Errorf(ErrInvalid, "Field 'scopes' holds %d scopes, at most %d are allowed", len(k.Scopes), maxScopes)
	}
	for _, scope := range k.Scopes {
		if !isScope(scope) {
			return Errorf(ErrInvalid, "Field 'scopes' holds %.120q: a scope is 1 to %d visible ASCII characters, without space, \" and \\ (RFC 6749, 3.3)", scope, maxScopeBytes)
		}
	}
	return nil
}

func checkChannels(k *Key) error {
	if len(k.SalesChannelIDs) > 0 && k.Type != Publishable {
		return Errorf(ErrInvalid, "Sales channels can only be associated with publishable API keys")
	}
	if len(k.SalesChannelIDs) > maxSalesChannels {
		return Errorf(ErrInvalid, "A key can have at most %d sales channels, got %d", maxSalesChannels, len(k.SalesChannelIDs))
	}
	for _, id := range k.SalesChannelIDs {
		if id == "" {
			return Errorf(ErrInvalid, "A sales channel's id is empty")
		}
		if err := checkText("sales_channels", id, maxChannelIDBytes); err != nil {
			return err
		}
	}
	return nil
}

func checkMetadata(k *Key) error {
	if len(k.Metadata) > maxMetadata {
		return Errorf(ErrInvalid, "Field 'metadata' holds %d entries, at most %d are allowed", len(k.Metadata), maxMetadata)
	}
	size := 0
	for name, value := range k.Metadata {
		size += len(name) + len(value)
		if err := checkText("metadata", name+value, maxMetadataBytes); err != nil {
			return err
		}
	}
	if size > maxMetadataBytes {
		return Errorf(ErrInvalid, "Field 'metadata' is %d bytes long, at most %d are allowed", size, maxMetadataBytes)
	}
	return nil
}

func checkNetworks(k *Key) error {
	if len(k.AllowedCIDRs) > maxCIDRs {
		return Errorf(ErrInvalid, "Field 'allowed_cidrs' holds %d networks, at most %d are allowed", len(k.AllowedCIDRs), maxCIDRs)
	}
	for _, cidr := range k.AllowedCIDRs {
		if !cidr.IsValid() || cidr != cidr.Masked() || cidr.Addr().Zone() != "" {
			return Errorf(ErrInvalid, "Field 'allowed_cidrs' holds %s, which is no network (bits are set to the right of the mask)", cidr)
		}
	}
	return nil
}

func checkRateLimit(k *Key) error {
	if r := k.RateLimit; r != (RateLimit{}) && (r.Requests <= 0 || r.Window < time.Second || r.Window%time.Millisecond != 0) {
		return Errorf(ErrInvalid, "Field 'rate_limit' must allow at least one request in a window of at least one second")
	}
	return nil
}

func checkExpiry(k *Key) error {
	if k.ExpiresAt.Time().After(latest) || k.ExpiresAt.UnixMilli() < 0 && !k.ExpiresAt.IsZero() {
		return Errorf(ErrInvalid, "Field 'expires_at' must be between 1970 and %d", latest.Year())
	}
	return nil
}

// errNoAddress refuses an empty list of addresses in a change. In stored rows an empty list means
// any address. An empty list of scopes grants nothing, and callers should not need to know the
// difference.
var errNoAddress = Errorf(ErrInvalid, "Field 'allowed_cidrs' is empty. Name the networks that the key may be used from, or use null for any.")

// isEmptyList reports whether the list is empty and not nil.
func isEmptyList(cidrs []netip.Prefix) bool { return cidrs != nil && len(cidrs) == 0 }

// checkNew is checkAttributes for changes other than imports. before is the key before the change:
// an unchanged value is not checked against rules that are newer than it.
func checkNew(k, before *Key) error {
	if err := checkTitle(k, before); err != nil {
		return err
	}
	if err := checkNoSecrets(k, before); err != nil { // first, because other messages repeat a part of a text
		return err
	}
	return checkAttributes(k)
}

// checkTitle refuses a new title that is too long. The present title may be longer, if it was
// imported.
func checkTitle(k, before *Key) error {
	if k.Title == before.Title {
		return nil
	}
	return checkText("title", k.Title, maxTitleBytes)
}

// checkText refuses texts that a database cannot store.
func checkText(field, s string, limit int) error {
	switch {
	case len(s) > limit:
		return Errorf(ErrInvalid, "Field '%s' is %d bytes long, at most %d are allowed", field, len(s), limit)
	case !utf8.ValidString(s):
		return Errorf(ErrInvalid, "Field '%s' is not valid UTF-8", field)
	case strings.ContainsRune(s, 0):
		return Errorf(ErrInvalid, "Field '%s' contains a NUL character", field)
	}
	return nil
}

// isScope implements the grammar of scope-token in RFC 6749, section 3.3.
func isScope(s string) bool {
	if s == "" || len(s) > maxScopeBytes {
		return false
	}
	for i := range len(s) {
		if c := s[i]; c <= ' ' || c == '"' || c == '\\' || c > '~' {
			return false
		}
	}
	return true
}

// tidyNetworks removes duplicates and converts IPv4 networks that are mapped into IPv6.
func tidyNetworks(k *Key) {
	if k.AllowedCIDRs == nil {
		return
	}
	seen := make(map[netip.Prefix]bool, len(k.AllowedCIDRs))
	cidrs := make([]netip.Prefix, 0, len(k.AllowedCIDRs))
	for _, p := range k.AllowedCIDRs {
		if a := p.Addr(); a.Is4In6() && p.Bits() >= 96 {
			p = netip.PrefixFrom(a.Unmap(), p.Bits()-96)
		}
		if !seen[p] {
			seen[p] = true
			cidrs = append(cidrs, p)
		}
	}
	k.AllowedCIDRs = cidrs
}

// unique returns list without duplicates, in its order. nil stays nil and empty stays empty.
func unique(list []string) []string {
	if list == nil {
		return nil
	}
	seen := make(map[string]bool, len(list))
	out := make([]string, 0, len(list))
	for _, s := range list {
		if !seen[s] {
			seen[s] = true
			out = append(out, s)
		}
	}
	return out
}

// setOf returns the texts of list as a set.
func setOf(list []string) map[string]bool {
	set := make(map[string]bool, len(list))
	for _, s := range list {
		set[s] = true
	}
	return set
}
