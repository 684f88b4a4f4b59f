package store

import (
	"hash/crc32"
	"strings"
	"testing"
)

// TestCRC compares with the standard library's, over all lengths of tokens and all bytes.
func TestCRC(t *testing.T) {
	all := make([]byte, 256)
	for i := range all {
		all[i] = byte(i*167 + 13)
	}
	text := string(all) + strings.Repeat("\xff", 8) + strings.Repeat(base62, 3)
	for n := range 140 {
		for from := range len(text) - n {
			s := text[from : from+n]
			sum, digits := crc(noCRC, s[:n/3])
			sum, more := crc(sum, s[n/3:])
			if got, want := ^sum, crc32.ChecksumIEEE([]byte(s)); got != want {
				t.Fatalf("%q: got %08x, want %08x", s, got, want)
			}
			only := strings.Trim(s, base62) == ""
			if got := digits|more < noDigit; got != only {
				t.Fatalf("%q: base62 alone: got %v, want %v", s, got, only)
			}
		}
	}
}
