package store

import "hash/crc32"

// crcTables are for crc: table n holds what a byte does to the sum n bytes later.
var crcTables = func() (tables [4][256]uint32) {
	tables[0] = *crc32.IEEETable
	for n := 1; n < len(tables); n++ {
		for b, sum := range tables[n-1] {
			tables[n][b] = tables[0][byte(sum)] ^ sum>>8
		}
	}
	return tables
}()

// crc is crc32.ChecksumIEEE for strings, four bytes at a time. Package crc32 takes bytes and lets them escape: a token would have to be
// copied to the heap, or into a pool that must be wiped, for each request, which takes longer than the sum.
func crc(s string) uint32 {
	sum := ^uint32(0)
	for ; len(s) >= 4; s = s[4:] {
		sum ^= uint32(s[0]) | uint32(s[1])<<8 | uint32(s[2])<<16 | uint32(s[3])<<24
		sum = crcTables[3][byte(sum)] ^ crcTables[2][byte(sum>>8)] ^ crcTables[1][byte(sum>>16)] ^ crcTables[0][sum>>24]
	}
	for i := range len(s) {
		sum = crcTables[0][byte(sum)^s[i]] ^ sum>>8
	}
	return ^sum
}
