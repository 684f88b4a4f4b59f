package cache

import (
	"encoding/binary"
	"errors"
	"maps"
	"net/netip"
	"slices"
	"time"

	"github.com/latchkey-go/latchkey/store"
)

// recordVersion is the first byte of an encoded record. Raise it with every change of the encoding, a new field of store.Record
// included: a version that a process does not know is a miss, so in a rolling deploy no process drops a rule that it has never
// heard of.
const recordVersion = 1

// errRecord: these bytes are no record of this version.
var errRecord = errors.New("not a record of a known version")

// appendRecord appends the binary form of a record: all of it except LastUsedAt. Numbers are varints; texts have their length before
// them; lists have their length plus one, and 0 for nil (nil scopes are all power, an empty list none).
func appendRecord(b []byte, r *store.Record) []byte {
	k := &r.Key
	b = append(b, recordVersion)
	b = appendText(b, k.ID)
	b = appendText(b, string(k.Type))
	b = appendText(b, k.Title)
	b = appendText(b, k.Redacted)
	b = appendText(b, k.Token)
	b = append(b, k.LookupID[:]...)
	b = appendList(b, k.Scopes)
	b = appendList(b, k.SalesChannelIDs)
	if k.Metadata == nil {
		b = append(b, 0)
	} else {
		b = binary.AppendUvarint(b, uint64(len(k.Metadata))+1)
		for _, name := range slices.Sorted(maps.Keys(k.Metadata)) {
			b = appendText(b, name)
			b = appendText(b, k.Metadata[name])
		}
	}
	if k.AllowedCIDRs == nil {
		b = append(b, 0)
	} else {
		b = binary.AppendUvarint(b, uint64(len(k.AllowedCIDRs))+1)
		for _, cidr := range k.AllowedCIDRs {
			b = appendText(b, cidr.String())
		}
	}
	b = binary.AppendVarint(b, int64(k.RateLimit.Requests))
	b = binary.AppendVarint(b, int64(k.RateLimit.Window))
	b = appendText(b, k.CreatedBy)
	b = appendTime(b, k.CreatedAt)
	b = appendTime(b, k.UpdatedAt)
	b = appendTime(b, k.ExpiresAt)
	if k.Revoked {
		b = append(b, 1)
	} else {
		b = append(b, 0)
	}
	b = appendTime(b, k.RevokedAt)
	b = appendText(b, k.RevokedBy)
	b = appendText(b, k.RolledFrom)
	b = binary.AppendVarint(b, k.Version)
	b = appendText(b, string(r.Proof))
	b = appendText(b, r.PepperID)
	b = appendText(b, r.LegacySalt)
	b = appendText(b, string(r.LegacyHash))
	return b
}

// decodeRecord reads what appendRecord wrote. Anything else is an error; whatever the bytes are, it does not panic and
// allocates no more than a small multiple of their length. The record's texts are parts of s.
func decodeRecord(s string) (*store.Record, error) {
	d := decoder{rest: s}
	if d.byte() != recordVersion {
		return nil, errRecord
	}
	r := &store.Record{}
	k := &r.Key
	k.ID = d.text()
	k.Type = store.Type(d.text())
	k.Title = d.text()
	k.Redacted = d.text()
	k.Token = d.text()
	copy(k.LookupID[:], d.take(len(k.LookupID)))
	k.Scopes = d.list()
	k.SalesChannelIDs = d.list()
	if n, ok := d.length(); ok {
		k.Metadata = make(map[string]string, n)
		for range n {
			name := d.text()
			k.Metadata[name] = d.text()
		}
	}
	if n, ok := d.length(); ok {
		k.AllowedCIDRs = make([]netip.Prefix, 0, n)
		for range n {
			cidr, err := netip.ParsePrefix(d.text())
			if err != nil {
				return nil, errRecord
			}
			k.AllowedCIDRs = append(k.AllowedCIDRs, cidr)
		}
	}
	k.RateLimit.Requests = int(d.number())
	k.RateLimit.Window = time.Duration(d.number())
	k.CreatedBy = d.text()
	k.CreatedAt = d.time()
	k.UpdatedAt = d.time()
	k.ExpiresAt = d.time()
	k.Revoked = d.bool()
	k.RevokedAt = d.time()
	k.RevokedBy = d.text()
	k.RolledFrom = d.text()
	k.Version = d.number()
	r.Proof = d.bytes()
	r.PepperID = d.text()
	r.LegacySalt = d.text()
	r.LegacyHash = d.bytes()
	if d.bad || d.rest != "" {
		return nil, errRecord
	}
	return r, nil
}

func appendText(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

func appendList(b []byte, list []string) []byte {
	if list == nil {
		return append(b, 0)
	}
	b = binary.AppendUvarint(b, uint64(len(list))+1)
	for _, s := range list {
		b = appendText(b, s)
	}
	return b
}

// appendTime writes milliseconds since 1970, and nothing but a 0 for the zero time.
func appendTime(b []byte, t time.Time) []byte {
	if t.IsZero() {
		return append(b, 0)
	}
	return binary.AppendVarint(append(b, 1), t.UnixMilli())
}

// decoder reads from the front of rest. After the first mistake bad is set and everything is zero.
type decoder struct {
	rest string
	bad  bool
}

func (d *decoder) fail() { d.bad, d.rest = true, "" }

func (d *decoder) take(n int) string {
	if n > len(d.rest) {
		d.fail()
		return ""
	}
	s := d.rest[:n]
	d.rest = d.rest[n:]
	return s
}

func (d *decoder) byte() byte {
	s := d.take(1)
	if s == "" {
		return 0
	}
	return s[0]
}

func (d *decoder) bool() bool {
	switch d.byte() {
	case 0:
		return false
	case 1:
		return true
	}
	d.fail()
	return false
}

func (d *decoder) uvarint() uint64 {
	var n uint64
	for shift := 0; shift < 64; shift += 7 {
		c := d.byte()
		if shift == 63 && c > 1 {
			break
		}
		n |= uint64(c&0x7f) << shift
		if c < 0x80 {
			return n
		}
	}
	d.fail()
	return 0
}

func (d *decoder) number() int64 {
	n := d.uvarint() // zigzag, as binary.AppendVarint writes
	return int64(n>>1) ^ -int64(n&1)
}

func (d *decoder) text() string {
	n := d.uvarint()
	if n > uint64(len(d.rest)) {
		d.fail()
		return ""
	}
	return d.take(int(n))
}

func (d *decoder) bytes() []byte {
	s := d.text()
	if s == "" {
		return nil
	}
	return []byte(s)
}

// length reads the length of a list; not ok for nil. An element takes at least one byte, which bounds what is allocated.
func (d *decoder) length() (int, bool) {
	n := d.uvarint()
	if n == 0 {
		return 0, false
	}
	if n-1 > uint64(len(d.rest)) {
		d.fail()
		return 0, false
	}
	return int(n - 1), true
}

func (d *decoder) list() []string {
	n, ok := d.length()
	if !ok {
		return nil
	}
	list := make([]string, 0, n)
	for range n {
		list = append(list, d.text())
	}
	return list
}

func (d *decoder) time() time.Time {
	if !d.bool() {
		return time.Time{}
	}
	return time.UnixMilli(d.number()).UTC()
}
