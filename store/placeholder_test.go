package store_test

import (
	"encoding/hex"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/latchkey-go/latchkey/store"
)

func TestRequirement37PlaceholdersAreNotImported(t *testing.T) {
	b := newBench(t, store.Options{})
	counting := func(from int) (s string) {
		for i := range 32 {
			s += fmt.Sprintf("%02x", from+i)
		}
		return s
	}
	good := b.create(store.NewKey{Type: store.Secret}).Token.Reveal()
	for _, secret := range []string{
		"", "changeme", "your-secret-key", // malformed
		strings.Repeat("0", 64), strings.Repeat("1", 64), strings.Repeat("f", 64), strings.Repeat("01", 32), strings.Repeat("0", 63) + "1",
		strings.Repeat("deadbeef", 8), "deadbeef" + strings.Repeat("0", 56), strings.Repeat("0", 56) + "deadbeef",
		strings.Repeat("cafebabe", 8), strings.Repeat("5ca1ab1e", 8), strings.Repeat("deadbeefcafebabe", 4),
		strings.Repeat("0123456789abcdef", 4), strings.Repeat("123456789abcdef0", 4), strings.Repeat("fedcba9876543210", 4),
		strings.Repeat("1234567890", 6) + "1234", strings.Repeat("0123456789abcdeffedcba9876543210", 2),
		"deadbeef" + strings.Repeat("0123456789abcdef", 3) + "01234567", counting(0), counting(0x10), strings.Repeat("00112233445566778899aabbccddeeff", 2),
		strings.Repeat("0123456789abcdef0123456789abcdef"[:20], 3) + "0123",
	} {
		_, _, err := b.keys.ImportToken(b.ctx, "sk_"+secret, store.NewKey{})
		if !errors.Is(err, store.ErrInvalid) || !strings.Contains(err.Error(), "openssl rand -hex 32") {
			t.Errorf("sk_%s: %v; want ErrInvalid, and how to make a good one", secret, err)
			continue
		}
		if len(secret) > 8 && strings.Contains(err.Error(), secret[:8]) {
			t.Errorf("the error shows the token: %v", err)
		}
		if secret != "" {
			_, err = store.NewSealer([]string{secret + secret})
			if !errors.Is(err, store.ErrInvalid) {
				t.Errorf("%s is taken for a pepper: %v", secret, err)
			}
		}
	}
	if _, _, err := b.keys.ImportToken(b.ctx, "", store.NewKey{}); !errors.Is(err, store.ErrInvalid) || !strings.Contains(err.Error(), "there is no token") {
		t.Errorf("no token at all: %v", err)
	}
	if keys, err := b.keys.List(b.ctx, store.Query{}); err != nil || len(keys) != 1 {
		t.Errorf("%d keys, %v; want the first one alone", len(keys), err)
	}
	t.Run("good tokens, and any publishable one, are taken", func(t *testing.T) {
		for _, token := range []string{good, medusaSecret, "pk_" + strings.Repeat("0", 64)} {
			if _, _, err := b.keys.ImportToken(b.ctx, token, store.NewKey{}); err != nil {
				t.Error(err)
			}
		}
	})
}

// A random token is refused so seldom that nobody will ever see it.
//
// In Medusa's form, 64 hexadecimal digits: fewer than 8 different ones with a probability of at
// most C(16,7)·(7/16)^64 = 1.2e-19. At least 28 of them equal to the one d places before, for one d
// from 1 to 32, with at most the sum over d of C(64-d,28)·16^-28, which is less than
// C(64,29)·16^-28 = 2.6e-16. (For a given d these are independent events of 1/16 each.)
//
// In Latchkey's own form, 43 of 62 characters: C(62,7)·(7/62)^43 = 1e-32 and C(43,20)·62^-19 =
// 7e-23. The first character of 43 has 9 values and not 62, which changes one of 43 factors.
func TestRequirement37NoRandomTokenIsAPlaceholder(t *testing.T) {
	random := rand.NewChaCha8([32]byte{37})
	keys, err := store.Options{Random: random, FlushInterval: -1}.New(store.NewMemory())
	if err != nil {
		t.Fatal(err)
	}
	own := make([]store.NewKey, store.MaxCreate)
	for i := range own {
		own[i].Type = store.Secret
	}
	for range 20 {
		made, err := keys.CreateMany(t.Context(), own)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range made {
			if m.Token.IsPlaceholder() {
				t.Errorf("%s is refused", m.Token.Reveal())
			}
		}
	}
	for range 100_000 {
		var secret [32]byte
		_, _ = random.Read(secret[:])
		token, err := store.ParseToken("sk_" + hex.EncodeToString(secret[:]))
		if err != nil {
			t.Fatal(err)
		}
		if token.IsPlaceholder() {
			t.Errorf("%s is refused", token.Reveal())
		}
	}
	if (store.Token{}).IsPlaceholder() {
		t.Error("no token is a placeholder")
	}
}
