package store

import "hash/crc32"

// crcTables are for crc: table n holds what a byte does to the sum n bytes later.
var crcTables = func() (tables [8][256]uint32) {
	tables[0] = *crc32.IEEETable
	for n := 1; n < len(tables); n++ {
		for b, sum := range tables[n-1] {
			tables[n][b] = tables[0][byte(sum)] ^ sum>>8
		}
	}
	return tables
}()

// crc is crc32.ChecksumIEEE for strings, eight bytes at a time. Package crc32 takes bytes and lets them escape: a token would have to be
// copied to the heap, or into a pool that must be wiped, for each request, which takes longer than the sum.
func crc(s string) uint32 {
	sum, t := ^uint32(0), &crcTables
	for ; len(s) >= 8; s = s[8:] {
		sum ^= uint32(s[0]) | uint32(s[1])<<8 | uint32(s[2])<<16 | uint32(s[3])<<24
		sum = t[7][byte(sum)] ^ t[6][byte(sum>>8)] ^ t[5][byte(sum>>16)] ^ t[4][sum>>24] ^ t[3][s[4]] ^ t[2][s[5]] ^ t[1][s[6]] ^ t[0][s[7]]
	}
	for i := range len(s) {
		sum = t[0][byte(sum)^s[i]] ^ sum>>8
	}
	return ^sum
}
