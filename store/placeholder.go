package store

import "fmt"

// placeholder returns why s is not random ("it repeats itself"), or "" when it may be. It is for
// texts of at least 32 characters. It refuses a random secret with a probability below 1e-7 if it
// has 128 bits (32 hexadecimal digits), and below 1e-15 if it has 256.
func placeholder(s string) string {
	const enough = 8
	distinct := make(map[byte]bool, enough)
	for i := range len(s) {
		distinct[s[i]] = true
	}
	if len(distinct) < enough {
		return fmt.Sprintf("only %d different characters", len(distinct))
	}
	for period := 1; period <= len(s)/2; period++ {
		same := 0
		for i := period; i < len(s); i++ {
			if s[i] == s[i-period] {
				same++
			}
		}
		// Less than half is enough: there may be another pattern before, after or within this one
		// (00 01 02 … 1f).
		if 16*same >= 7*len(s) {
			return "it repeats itself"
		}
	}
	return ""
}

// IsPlaceholder reports whether the token's secret was typed and not random: few different
// characters, or a repeated pattern (sk_000…0, sk_deadbeef…, sk_0123456789abcdef…).
// [Keys.ImportToken] refuses such secret tokens. It is false for every token that Latchkey or
// Medusa has generated, except with a negligible probability.
func (t Token) IsPlaceholder() bool { return t.placeholder() != "" }

func (t Token) placeholder() string {
	switch {
	case t.raw == "":
		return ""
	case t.medusa:
		return placeholder(t.raw[len(t.raw)-medusaHex:])
	}
	return placeholder(t.raw[len(t.raw)-tailChars : len(t.raw)-crcChars])
}
