package sqldbtest

import (
	"crypto/sha256"
	"fmt"
	"net/netip"
	"time"

	"github.com/latchkey-go/latchkey/store"
)

// At is a time in whole milliseconds.
var At = time.Date(2026, 3, 4, 5, 6, 7, 89e6, time.UTC)

// Record returns a record with values in most of its fields. Records differ by n.
func Record(n int) *store.Record {
	return &store.Record{
		Key: store.Key{
			ID: fmt.Sprintf("apk_%026d", n), Type: store.Secret, Title: fmt.Sprintf("Key no. %d", n),
			Redacted: fmt.Sprintf("sk_%03d***xyz", n%1000), LookupID: LookupID(n),
			Scopes: []string{"orders:read", "orders:write"}, Metadata: map[string]string{"team": "logistics"},
			AllowedCIDRs: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")},
			RateLimit:    store.RateLimit{Requests: 100, Window: time.Minute},
			CreatedBy:    "user_1", CreatedAt: store.TimeOf(At), UpdatedAt: store.TimeOf(At), ExpiresAt: store.TimeOf(At.AddDate(1, 0, 0)), Version: 1,
		},
		Evidence: &store.Evidence{Proof: make([]byte, store.MACSize), PepperID: "0011aabbccdd"},
	}
}

// LookupID returns the lookup id of Record(n).
func LookupID(n int) store.LookupID {
	return sha256.Sum256(fmt.Appendf(nil, "token %d", n))
}

// Event returns an event for a Tx.
func Event(kind store.Kind) store.Event { return store.Event{Kind: kind, Version: 1, At: At} }
