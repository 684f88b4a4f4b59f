package store

import "time"

// Concern is a reason to review a key that works.
type Concern string

// The concerns. Expired and revoked keys have no concern.
const (
	// NeverUsed: the key has not been used yet. This includes new keys: compare CreatedAt.
	NeverUsed Concern = "never_used"
	// Idle: the key has been used, but not recently.
	Idle Concern = "idle"
	// WithoutExpiry: the key has neither an expiry nor a scheduled revocation.
	WithoutExpiry Concern = "without_expiry"
	// Expiring: the key expires soon.
	Expiring Concern = "expiring"
)

// Filter returns a filter for the keys that have this concern at the time now. span is the idle
// period for Idle and the look-ahead for Expiring; other concerns ignore it. An unknown concern
// matches no key.
func (c Concern) Filter(now time.Time, span time.Duration) Filter {
	f := Filter{And: []Filter{
		Filter{}.outliving(now),
		{Or: []Filter{
			{ExpiresAt: []TimeCondition{{Op: IsNull}}},
			{ExpiresAt: []TimeCondition{{Op: Gt, Times: []time.Time{now}}}},
		}},
	}}
	switch c {
	case NeverUsed:
		f.LastUsedAt = []TimeCondition{{Op: IsNull}}
	case Idle:
		f.LastUsedAt = []TimeCondition{{Op: Lte, Times: []time.Time{now.Add(-span)}}}
	case WithoutExpiry:
		f.ExpiresAt, f.RevokedAt = []TimeCondition{{Op: IsNull}}, []TimeCondition{{Op: IsNull}}
	case Expiring:
		f.ExpiresAt = []TimeCondition{{Op: Lte, Times: []time.Time{now.Add(span)}}}
	default:
		return Filter{IDs: []string{}}
	}
	return f
}
