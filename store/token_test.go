package store_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"strings"
	"testing"

	"github.com/latchkey-go/latchkey/store"
)

const medusaSecret = "sk_6c1f0a9be8d7c6b5a4f3e2d1c0b9a8f7e6d5c4b3a2f1e0d9c8b7a6f5e4d3cbf7"

func TestTokens(t *testing.T) {
	b := newBench(t, store.Options{})
	branded := newBench(t, store.Options{Namespace: "acme"})
	shapes := map[string]string{
		b.create(store.NewKey{Type: store.Secret}).Token.Reveal():            `^sk_[0-9A-Za-z]{49}$`,
		b.create(store.NewKey{Type: store.Publishable}).Token.Reveal():       `^pk_[0-9A-Za-z]{49}$`,
		branded.create(store.NewKey{Type: store.Secret}).Token.Reveal():      `^sk_acme_[0-9A-Za-z]{49}$`,
		branded.create(store.NewKey{Type: store.Publishable}).Token.Reveal(): `^pk_acme_[0-9A-Za-z]{49}$`,
	}
	t.Run("have the documented shape and parse to what they are", func(t *testing.T) {
		for raw, shape := range shapes {
			if !regexp.MustCompile(shape).MatchString(raw) {
				t.Errorf("%s does not match %s", raw, shape)
			}
			token, err := store.ParseToken(raw)
			if err != nil || token.Reveal() != raw {
				t.Errorf("ParseToken(%s): %+v, %v", raw, token, err)
			}
			if want := map[byte]store.Type{'s': store.Secret, 'p': store.Publishable}[raw[0]]; token.Type() != want {
				t.Errorf("%s: type %s, want %s", raw, token.Type(), want)
			}
			if want := raw[:6] + "***" + raw[len(raw)-3:]; token.Redacted() != want {
				t.Errorf("redacted %s, want %s", token.Redacted(), want)
			}
		}
	})
	t.Run("with any one character changed are malformed", func(t *testing.T) {
		for raw := range shapes {
			for i := range raw {
				for _, c := range []byte{'0', 'z', 'Q', '_', ' ', 0, 0xC3} {
					if changed := raw[:i] + string([]byte{c}) + raw[i+1:]; changed != raw {
						if _, err := store.ParseToken(changed); !errors.Is(err, store.ErrMalformed) {
							t.Errorf("%q: %v, want ErrMalformed", changed, err)
						}
					}
				}
			}
		}
	})
	t.Run("of Medusa are taken as they are", func(t *testing.T) {
		for _, raw := range []string{medusaSecret, "pk" + medusaSecret[2:]} {
			token, err := store.ParseToken(raw)
			if err != nil || token.Redacted() != raw[:2]+"_6c1***bf7" {
				t.Errorf("ParseToken(%s): %v, %v", raw, token, err)
			}
		}
	})
	t.Run("of any other shape are malformed, and the error does not repeat them", func(t *testing.T) {
		for _, raw := range []string{
			"", "sk_", "pk_", "sk", "_", strings.ToUpper(medusaSecret), "SK" + medusaSecret[2:], medusaSecret + "0", medusaSecret[:66], " " + medusaSecret,
			medusaSecret + " ", "sk_" + strings.Repeat("g", 64), "rk" + medusaSecret[2:], "sk-" + medusaSecret[3:], strings.Repeat("s", 129), "sk_" + strings.Repeat("a", 126),
			"sk_" + strings.Repeat("ä", 25), "sk_test_" + strings.Repeat("0", 49), "sk_a_" + strings.Repeat("0", 49), "sk_6c1***bf7", "eyJhbGciOiJIUzI1NiJ9.e30.x",
		} {
			_, err := store.ParseToken(raw)
			if !errors.Is(err, store.ErrMalformed) || !errors.Is(err, store.ErrUnauthenticated) {
				t.Errorf("%q: %v, want ErrMalformed", raw, err)
			} else if len(raw) > 5 && strings.Contains(err.Error(), raw) {
				t.Errorf("the error repeats the token: %v", err)
			}
		}
	})
	t.Run("have lookup ids that differ and do not change", func(t *testing.T) {
		seen := map[store.LookupID]string{}
		for raw := range shapes {
			token, _ := store.ParseToken(raw)
			if other, ok := seen[token.LookupID()]; ok {
				t.Errorf("%s and %s have the same lookup id", raw, other)
			}
			seen[token.LookupID()] = raw
		}
		// Fixed for ever: keys in every database are found by it.
		token, _ := store.ParseToken(medusaSecret)
		if got, want := fmt.Sprintf("%x", [32]byte(token.LookupID())), "9de4d9ea8caa8d323b8d90ebf7c09ebb299f10bf03cf2b534d963cf421c932b6"; got != want {
			t.Errorf("lookup id of %s is %s, want %s", medusaSecret, got, want)
		}
	})
	t.Run("cost no allocation to parse, to refuse and to digest", func(t *testing.T) {
		good, bad := "", ""
		for raw := range shapes {
			good, bad = raw, raw[:len(raw)-1]+"-"
		}
		wrong := good[:len(good)-7] + "0" + good[len(good)-6:]
		for _, raw := range []string{good, bad, wrong, medusaSecret, strings.Repeat("x", 4096)} {
			if n := testing.AllocsPerRun(1000, func() {
				token, err := store.ParseToken(raw)
				if err == nil && token.LookupID().IsZero() {
					t.Fail()
				}
			}); n != 0 {
				t.Errorf("%.60q: %v allocations", raw, n)
			}
		}
	})
}

func TestRequirement02TokensDoNotShowThemselves(t *testing.T) {
	token, err := store.ParseToken(medusaSecret)
	if err != nil {
		t.Fatal(err)
	}
	made := store.Made{Key: &store.Key{Redacted: token.Redacted()}, Token: token}
	var out bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%T", "%08.3f"} {
		fmt.Fprintf(&out, verb+verb+verb+"\n", token, &token, made)
		fmt.Fprintf(&out, verb+"\n", []any{token, map[string]store.Token{"a": token}, struct{ T store.Token }{token}})
	}
	slog.New(slog.NewJSONHandler(&out, nil)).Info("made", "token", token, "made", made)
	slog.New(slog.NewTextHandler(&out, nil)).Info("made", "token", token, "made", made)
	if err := json.NewEncoder(&out).Encode([]any{token, &token, made, map[store.Token]int{token: 1}}); err != nil {
		t.Fatal(err)
	}
	out.WriteString(token.String() + fmt.Sprintf("%#v", token) + fmt.Errorf("wrapped: %v", token).Error())
	for _, form := range []string{medusaSecret, medusaSecret[10:40], fmt.Sprintf("%x", medusaSecret[10:40]), fmt.Sprintf("%X", medusaSecret[10:40])} {
		if strings.Contains(out.String(), form) {
			t.Errorf("the token is shown:\n%s", out.String())
		}
	}
	if !strings.Contains(out.String(), "sk_6c1***bf7") {
		t.Error("the redacted form is not shown either")
	}
}

func FuzzParseToken(f *testing.F) {
	f.Add(medusaSecret)
	f.Add("pk_acme_0000000000000000000000000000000000000000000000000")
	f.Add("sk_\x00")
	f.Fuzz(func(t *testing.T, raw string) {
		token, err := store.ParseToken(raw)
		if err != nil {
			if !errors.Is(err, store.ErrMalformed) || token != (store.Token{}) {
				t.Errorf("%q: %v, %v", raw, token, err)
			}
			return
		}
		if token.Reveal() != raw || len(raw) > 128 || (token.Type() != store.Secret && token.Type() != store.Publishable) {
			t.Errorf("%q parsed to %#v", raw, token)
		}
	})
}

func BenchmarkParseToken(b *testing.B) {
	made, err := store.New(store.NewMemory()).Create(b.Context(), store.NewKey{Type: store.Secret})
	if err != nil {
		b.Fatal(err)
	}
	good := made.Token.Reveal()
	for name, raw := range map[string]string{"Good": good, "WrongChecksum": good[:len(good)-1] + "!", "Medusa": medusaSecret} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_, _ = store.ParseToken(raw)
			}
		})
	}
}
