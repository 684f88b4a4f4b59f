package store

import "time"

// Concern is a reason why a key that works deserves a look.
type Concern string

// The concerns. Expired keys, and those whose revocation has taken effect, are none.
const (
	// NeverUsed: nobody has used the key so far. Keys that have only just been made are among them: look at CreatedAt.
	NeverUsed Concern = "never_used"
	// Idle: the key was used once, but not for a while.
	Idle Concern = "idle"
	// WithoutExpiry: nothing will end the key by itself, neither an expiry nor a scheduled revocation.
	WithoutExpiry Concern = "without_expiry"
	// Expiring: the key's expiry is near.
	Expiring Concern = "expiring"
)

// Filter returns the filter of the keys that are of this concern at the moment now. How long "a while" and how far away "near" is,
// span says; the other concerns do not care. An unknown concern matches nothing.
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
