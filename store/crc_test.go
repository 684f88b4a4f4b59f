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
	text := string(all) + strings.Repeat("\xff", 8)
	for n := range 140 {
		for from := range 100 {
			s := text[from : from+n]
			if got, want := crc(s), crc32.ChecksumIEEE([]byte(s)); got != want {
				t.Fatalf("%q: got %08x, want %08x", s, got, want)
			}
		}
	}
}
