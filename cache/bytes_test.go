package cache

import (
	"crypto/sha256"
	"encoding/hex"
	"net/netip"
	"testing"
	"time"

	"github.com/latchkey-go/latchkey/store"
)

// What other processes wrote must be read, and what they proved believed: to change a value here
// takes a new recordVersion, or a new tag before what is proved.
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
	check("unsealed", encoded(), "4107378bcc1b129431b554b0a8b5ef6825fc46a61acb822fc9f7e1bdf7f11041")
	sealer.Seal(r)
	check("proof", r.Evidence.Proof, "1bf4b7f3872936c7b6ee25d0bf164c41805a555dbf84d897c5757b2c7ffdedf7")
	r.Key.ExpiresAt, r.Key.RevokedAt = store.Time{}, store.Time{}
	sealer.Seal(r)
	check("proof without end", r.Evidence.Proof, "740d94cc752bdbd1139cda50cbd4abf02cd3b25bb470e0b3a0850ea1cf743fe9")
	check("sealed, level 1", encoded(), "5ef9607eb0c49d3324fa4b99c5f700c6bcd946387eccee4e51080352a4a18b05")
	e := r.Evidence.Value()
	e.ProofNames = []string{}
	r.SetEvidence(e)
	sealer.Seal(r)
	if names := r.Evidence.ProofNames; len(names) != 1 || names[0] != "created_by" {
		t.Errorf("names %q", names)
	}
	check("proof, level 2", r.Evidence.Proof, "257653cfa31c7b6d9d41bd2214bf28d5b7a5a78e4c6ad22eeaef7d9d41955aa6")
	check("sealed, level 2", encoded(), "5417dd8c7f1cfe5a4a53cab39c33f2b8ec92c3ab089dd0184b8262d39805c9b7")
}
