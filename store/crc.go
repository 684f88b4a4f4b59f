package store

import (
	"hash/crc32"
	"strings"
)

// crcTables are the tables of crc. Table n gives the effect of a byte on the sum n bytes later.
var crcTables = func() (tables [8][256]uint32) {
	tables[0] = *crc32.IEEETable
	for n := 1; n < len(tables); n++ {
		for b, sum := range tables[n-1] {
			tables[n][b] = tables[0][byte(sum)] ^ sum>>8
		}
	}
	return tables
}()

// The sums of the prefixes of tokens, computed once.
var (
	secretSum, _      = crc(noCRC, "sk_")
	publishableSum, _ = crc(noCRC, "pk_")
)

// digitOf is the value of each base62 character, and noDigit for all others.
var digitOf = func() (table [256]byte) {
	for c := range table {
		table[c] = noDigit
		if digit := strings.IndexByte(base62, byte(c)); digit >= 0 {
			table[c] = byte(digit)
		}
	}
	return table
}()

const (
	noDigit = 128        // a bit that no digit has
	noCRC   = ^uint32(0) // the sum of an empty text
)

// crc adds s to a CRC-32/IEEE, eight bytes at a time. The CRC is the complement of the final sum.
// It also returns the values of all characters ORed, which is less than noDigit when every
// character is base62. One pass without branches is fastest: random characters would cause
// mispredicted branches. Package hash/crc32 takes bytes that escape, so each request would copy its
// token to the heap or to a pool that must be wiped, which takes longer than the sum.
func crc(sum uint32, s string) (_ uint32, digits byte) {
	t, d := &crcTables, &digitOf
	for ; len(s) >= 8; s = s[8:] {
		sum = t[7][byte(sum)^s[0]] ^ t[6][byte(sum>>8)^s[1]] ^ t[5][byte(sum>>16)^s[2]] ^ t[4][byte(sum>>24)^s[3]] ^
			t[3][s[4]] ^ t[2][s[5]] ^ t[1][s[6]] ^ t[0][s[7]]
		digits |= d[s[0]] | d[s[1]] | d[s[2]] | d[s[3]] | d[s[4]] | d[s[5]] | d[s[6]] | d[s[7]]
	}
	for i := range len(s) {
		sum = t[0][byte(sum)^s[i]] ^ sum>>8
		digits |= d[s[i]]
	}
	return sum, digits
}
