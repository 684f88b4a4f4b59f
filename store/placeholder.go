package store

import "fmt"

// placeholder returns why s was not drawn at random ("it repeats itself"), or "" when it may have
// been. It is for texts of 32 and more characters. Of the secrets that it is asked about, it
// refuses a random one with a probability below 1e-7 when that has 128 bits (32 hexadecimal
// digits), and below 1e-15 when it has 256.
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
		// Not all of them: the pattern may have another one before, behind or within (00 01 02 …
		// 1f).
		if 16*same >= 7*len(s) {
			return "it repeats itself"
		}
	}
	return ""
}

// IsPlaceholder reports whether the token's secret was typed and not drawn at random: few different
// characters, or a pattern that repeats (sk_000…0, sk_deadbeef…, sk_0123456789abcdef…).
// [Keys.ImportToken] refuses such secret tokens. It is never true of a token that Latchkey or
// Medusa has made.
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
