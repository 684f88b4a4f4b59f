package cache

import (
	"crypto/sha256"
	"encoding/hex"
	"net/netip"
	"testing"
	"time"

	"github.com/latchkey-go/latchkey/store"
)

// What other processes wrote must be read, and what they proved believed: to change a value here takes a new recordVersion, or a new tag
// before what is proved.
func TestBytesThatOthersRead(t *testing.T) {
	sealer, err := store.NewSealer([]string{"0123456789abcdefghijklmnopqrstuvwxyz"})
	if err != nil {
		t.Fatal(err)
	}
	day := func(n int) store.Time { return store.TimeOf(time.Date(2026, 3, n, 1, 2, 3, 456e6, time.UTC)) }
	r := &store.Record{Key: store.Key{
		ID: "apk_1", Type: store.Secret, Title: "ERP", Redacted: "sk_abc***xyz", LookupID: store.LookupID{1, 2, 3, 4, 5, 6, 7, 8, 9},
		Scopes: []string{"orders:read"}, SalesChannelIDs: []string{}, Metadata: map[string]string{"team": "a"},
		AllowedCIDRs: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}, RateLimit: store.RateLimit{Requests: 5, Window: time.Minute},
		CreatedBy: "user_1", CreatedAt: day(1), UpdatedAt: store.TimeOf(time.UnixMilli(0)), ExpiresAt: day(3), RevokedAt: day(4), RevokedBy: "user_2",
		RolledFrom: "apk_0", Version: 7,
	}, Evidence: &store.Evidence{LegacySalt: "00ff", LegacyHash: []byte{1, 2, 3}}}
	check := func(what string, got []byte, want string) {
		t.Helper()
		if hex.EncodeToString(got) != want {
			t.Errorf("%s: %x, want %s", what, got, want)
		}
	}
	encoded := func() []byte {
		sum := sha256.Sum256(appendRecord(nil, r))
		return sum[:]
	}
	check("unsealed", encoded(), "9def8fcd420cd1027ef3e0b13503d11ab3bfc58c829c25d20cea11916f41c657")
	sealer.Seal(r)
	check("proof", r.Evidence.Proof, "1bf4b7f3872936c7b6ee25d0bf164c41805a555dbf84d897c5757b2c7ffdedf7")
	r.Key.ExpiresAt, r.Key.RevokedAt = store.Time{}, store.Time{}
	sealer.Seal(r)
	check("proof without end", r.Evidence.Proof, "740d94cc752bdbd1139cda50cbd4abf02cd3b25bb470e0b3a0850ea1cf743fe9")
	check("sealed", encoded(), "20a702bd6cee1f40158cd2d872cc2f80c80767b804fcf359d203e352b2b8ecec")
}
