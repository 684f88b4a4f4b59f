package store

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"strings"
)

// The token's form:
//
//	token = type "_" [ns "_"] body crc     type: sk | pk; ns: [a-z][a-z0-9]{1,11}
//	body  = 43 base62 characters: 32 random bytes, fixed width
//	crc   = 6 base62 characters: CRC-32/IEEE over every byte before it
//
// or, in the form of Medusa, ^(sk|pk)_[0-9a-f]{64}$.
const (
	maxTokenBytes = 128
	bodyChars     = 43
	crcChars      = 6
	tailChars     = bodyChars + crcChars
	medusaHex     = 64
	maxNamespace  = 12
	base62        = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
)

// lookupTag separates lookup ids from all other uses of SHA-256.
const lookupTag = "latchkey/lookup/1\x00"

// Token is a well-formed token. It does not print itself: String, Format, log values, JSON and text
// contain the redacted form. Only [Token.Reveal] returns the token. The zero Token is not a token.
type Token struct {
	raw    string
	medusa bool
}

// ParseToken checks the form and the checksum of s and returns it as a Token, or an error that
// matches ErrMalformed and does not contain s. It does no I/O and does not allocate for tokens in
// Latchkey's own form. It accepts every well-formed namespace, so that a new configuration does not
// break existing keys.
func ParseToken(s string) (Token, error) {
	if len(s) < 3+tailChars || len(s) > maxTokenBytes || s[2] != '_' || s[1] != 'k' || (s[0] != 's' && s[0] != 'p') {
		return Token{}, ErrMalformed
	}
	rest := s[3:]
	if len(rest) == medusaHex && isLowerHex(rest) {
		return Token{raw: s, medusa: true}, nil
	}
	if ns := len(rest) - tailChars - 1; ns >= 0 {
		if rest[ns] != '_' || !isNamespace(rest[:ns]) {
			return Token{}, ErrMalformed
		}
	}
	sum := secretSum
	if s[0] == 'p' {
		sum = publishableSum
	}
	if len(rest) > tailChars {
		sum, _ = crc(sum, rest[:len(rest)-tailChars])
	}
	sum, all := crc(sum, s[len(s)-tailChars:len(s)-crcChars])
	said := uint64(0) // six digits: each sum has one form, and more than 32 bits do not match
	for i := len(s) - crcChars; i < len(s); i++ {
		digit := digitOf[s[i]]
		all |= digit
		said = said*62 + uint64(digit)
	}
	if all >= noDigit || said != uint64(^sum) {
		return Token{}, ErrMalformed
	}
	return Token{raw: s}, nil
}

// mintToken creates a token from 32 bytes of random. It fails when random fails.
func mintToken(random io.Reader, typ Type, namespace string) (Token, error) {
	var secret [32]byte
	if _, err := io.ReadFull(random, secret[:]); err != nil {
		return Token{}, fmt.Errorf("store: reading random bytes for a token: %w", err)
	}
	var b strings.Builder
	b.WriteString(prefixOf(typ))
	if namespace != "" {
		b.WriteString(namespace)
		b.WriteByte('_')
	}
	n, radix, digit := new(big.Int).SetBytes(secret[:]), big.NewInt(int64(len(base62))), new(big.Int)
	var body [bodyChars]byte
	for i := bodyChars - 1; i >= 0; i-- {
		n.DivMod(n, radix, digit)
		body[i] = base62[digit.Int64()]
	}
	b.Write(body[:])
	sum := checksum(b.String())
	b.Write(sum[:])
	return Token{raw: b.String()}, nil
}

func prefixOf(typ Type) string {
	if typ == Publishable {
		return "pk_"
	}
	return "sk_"
}

// checksum returns the CRC-32/IEEE of s in base62, most significant digit first.
func checksum(s string) (digits [crcChars]byte) {
	sum, _ := crc(noCRC, s)
	sum = ^sum
	for i := crcChars - 1; i >= 0; i-- {
		digits[i] = base62[sum%62]
		sum /= 62
	}
	return digits
}

func isLowerHex(s string) bool {
	for i := range len(s) {
		if c := s[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}

// isNamespace reports whether s is [a-z][a-z0-9]{1,11}.
func isNamespace(s string) bool {
	if len(s) < 2 || len(s) > maxNamespace || s[0] < 'a' || s[0] > 'z' {
		return false
	}
	for i := 1; i < len(s); i++ {
		if c := s[i]; (c < '0' || c > '9') && (c < 'a' || c > 'z') {
			return false
		}
	}
	return true
}

// Type returns the type by the token's prefix.
func (t Token) Type() Type {
	switch {
	case t.raw == "":
		return ""
	case t.raw[0] == 'p':
		return Publishable
	default:
		return Secret
	}
}

// LookupID returns the hash by which the key is found: SHA-256 over a domain tag and the token.
func (t Token) LookupID() LookupID {
	var buf [len(lookupTag) + maxTokenBytes]byte
	n := copy(buf[:], lookupTag)
	n += copy(buf[n:], t.raw)
	return sha256.Sum256(buf[:n])
}

// Redacted returns Medusa's short form: the first 6 characters, "***" and the last 3.
func (t Token) Redacted() string {
	if len(t.raw) < 9 {
		return ""
	}
	return t.raw[:6] + "***" + t.raw[len(t.raw)-3:]
}

// Reveal returns the token itself. Show it once, to its user only.
func (t Token) Reveal() string { return t.raw }

func (t Token) String() string { return t.Redacted() }

// Format prevents every verb of package fmt, including %x and %d, from printing the token.
func (t Token) Format(f fmt.State, verb rune) {
	if verb == 'v' && f.Flag('#') {
		_, _ = io.WriteString(f, "store.Token("+t.Redacted()+")")
		return
	}
	_, _ = io.WriteString(f, t.Redacted())
}

// LogValue prevents slog from printing the token.
func (t Token) LogValue() slog.Value { return slog.StringValue(t.Redacted()) }

// MarshalText prevents encoders (JSON, XML, YAML …) from writing the token.
func (t Token) MarshalText() ([]byte, error) { return []byte(t.Redacted()), nil }

// LookupID is the SHA-256 of a token. Databases, caches and events store it in place of the token.
// The zero value means "no lookup id".
type LookupID [sha256.Size]byte

// IsZero reports whether there is no lookup id.
func (id LookupID) IsZero() bool { return id == LookupID{} }

// String returns a short fingerprint for logs: the first 8 hexadecimal digits.
func (id LookupID) String() string { return hex.EncodeToString(id[:4]) }
