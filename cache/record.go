package cache

import (
	"encoding/binary"
	"errors"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/latchkey-go/latchkey/store"
)

// recordVersion is the first byte of an encoded record. Raise it with every change of the encoding,
// also for a new field of store.Record. A process treats a version that it does not know as a miss,
// so that in a rolling deploy no process ignores a field that it does not know.
const recordVersion = 3

// lookupIDPrefix is how much of the lookup id a record contains: enough to detect an entry of
// another key. Deliberate swaps are detected by the MAC.
const lookupIDPrefix = 8

// errRecord: these bytes are not a record of this key and version.
var errRecord = errors.New("not a record of this key in a known version")

// fields encodes or decodes what is cached of a record, in the order of the encoding. One function
// serves both directions, so that they cannot differ.
func (c codec) fields(k *store.Key, e *store.Evidence) {
	c.kind(&k.Type)
	c.text(&k.ID)
	c.text(&k.Title)
	c.text(&k.Redacted)
	c.text(&k.Token)
	c.list(&k.Scopes)
	c.list(&k.SalesChannelIDs)
	c.texts(&k.Metadata)
	c.networks(&k.AllowedCIDRs)
	c.rateLimit(&k.RateLimit)
	c.text(&k.CreatedBy)
	c.time(&k.CreatedAt)
	c.time(&k.UpdatedAt)
	c.time(&k.ExpiresAt)
	c.bool(&k.Revoked)
	c.time(&k.RevokedAt)
	c.text(&k.RevokedBy)
	c.text(&k.RolledFrom)
	c.number(&k.Version)
	c.bytes(&e.Proof)
	c.text(&e.PepperID)
	c.list(&e.ProofNames)
	c.text(&e.LegacySalt)
	c.bytes(&e.LegacyHash)
}

// codec encodes to e or, when d is set, decodes.
type codec struct {
	e *encoder
	d *decoder
}

func (c codec) text(s *string) {
	if c.d == nil {
		c.e.text(*s)
		return
	}
	*s = c.d.pooledText()
}

func (c codec) bytes(b *[]byte) {
	if c.d == nil {
		c.e.bytes(*b)
		return
	}
	*b = c.d.bytes()
}

func (c codec) list(list *[]string) {
	if c.d == nil {
		c.e.list(*list)
		return
	}
	*list = c.d.list()
}

func (c codec) texts(m *map[string]string) {
	if c.d == nil {
		c.e.length(*m == nil, len(*m))
		for _, name := range slices.Sorted(maps.Keys(*m)) {
			c.e.text(name)
			c.e.text((*m)[name])
		}
		return
	}
	if n, ok := c.d.length(); ok {
		*m = make(map[string]string, n)
		for range n {
			name := c.d.pooledText()
			(*m)[name] = c.d.pooledText()
		}
	}
}

func (c codec) networks(list *[]netip.Prefix) {
	if c.d == nil {
		c.e.length(*list == nil, len(*list))
		for _, cidr := range *list {
			c.e.text(cidr.String())
		}
		return
	}
	if n, ok := c.d.length(); ok {
		*list = make([]netip.Prefix, 0, n)
		for range n {
			cidr, err := netip.ParsePrefix(c.d.pooledText())
			if err != nil {
				c.d.fail()
				return
			}
			*list = append(*list, cidr)
		}
	}
}

func (c codec) rateLimit(r *store.RateLimit) {
	if c.d == nil {
		c.e.number(int64(r.Requests))
		c.e.number(int64(r.Window))
		return
	}
	r.Requests = int(c.d.number())
	r.Window = time.Duration(c.d.number())
}

func (c codec) number(n *int64) {
	if c.d == nil {
		c.e.number(*n)
		return
	}
	*n = c.d.number()
}

func (c codec) bool(yes *bool) {
	if c.d == nil {
		c.e.bool(*yes)
		return
	}
	*yes = c.d.bool()
}

func (c codec) time(t *store.Time) {
	if c.d == nil {
		c.e.time(*t)
		return
	}
	*t = c.d.time()
}

func (c codec) kind(t *store.Type) {
	if c.d == nil {
		c.e.kind(*t)
		return
	}
	*t = c.d.kind()
}

// appendRecord appends the encoding of a record: all of it except LastUsedAt and descriptive
// fields. All texts come first and together, so that the decoder can copy them with one allocation
// and retain nothing else. Numbers are varints. The length of a text is among the numbers. Lists
// have their length plus one, and 0 for nil: nil scopes mean full power, an empty list means none.
func appendRecord(b []byte, r *store.Record) []byte {
	e := &encoder{texts: make([]byte, 0, 256), rest: make([]byte, 0, 256)}
	e.rest = append(e.rest, r.Key.LookupID[:lookupIDPrefix]...)
	evidence := r.Evidence.Value()
	codec{e: e}.fields(&r.Key, &evidence)
	b = binary.AppendUvarint(append(b, recordVersion), uint64(len(e.texts)))
	return append(append(b, e.texts...), e.rest...)
}

// encoder collects the texts apart from the rest.
type encoder struct{ texts, rest []byte }

func (e *encoder) text(s string) {
	e.rest = binary.AppendUvarint(e.rest, uint64(len(s)))
	e.texts = append(e.texts, s...)
}

func (e *encoder) bytes(b []byte) {
	e.rest = append(binary.AppendUvarint(e.rest, uint64(len(b))), b...)
}

// length appends the length of a list.
func (e *encoder) length(isNil bool, n int) {
	if isNil {
		n = -1
	}
	e.rest = binary.AppendUvarint(e.rest, uint64(n+1))
}

func (e *encoder) list(list []string) {
	e.length(list == nil, len(list))
	for _, s := range list {
		e.text(s)
	}
}

func (e *encoder) number(n int64) { e.rest = binary.AppendVarint(e.rest, n) }

func (e *encoder) bool(yes bool) {
	if yes {
		e.rest = append(e.rest, 1)
		return
	}
	e.rest = append(e.rest, 0)
}

// time appends milliseconds since 1970 after a 1, or a 0 for the zero time.
func (e *encoder) time(t store.Time) {
	e.bool(!t.IsZero())
	if !t.IsZero() {
		e.number(t.UnixMilli())
	}
}

// The codes of the types. Any other type is a text after a 0.
const (
	otherType = iota
	publishableType
	secretType
)

func (e *encoder) kind(t store.Type) {
	switch t {
	case store.Publishable:
		e.rest = append(e.rest, publishableType)
	case store.Secret:
		e.rest = append(e.rest, secretType)
	default:
		e.rest = append(e.rest, otherType)
		e.text(string(t))
	}
}

// decodeRecord decodes what appendRecord encoded into *r, a new record of the key with that lookup
// id. Anything else is an error. It never panics, and allocates at most a small multiple of the
// length of s. The record does not retain s.
func decodeRecord(r *store.Record, s string, id store.LookupID) error {
	d := decoder{rest: s}
	if d.byte() != recordVersion {
		return errRecord
	}
	d.texts = strings.Clone(d.text())
	if d.take(lookupIDPrefix) != string(id[:lookupIDPrefix]) {
		return errRecord
	}
	r.Key.LookupID = id
	var e store.Evidence
	codec{d: &d}.fields(&r.Key, &e)
	if d.bad || d.rest != "" || d.texts != "" {
		return errRecord
	}
	r.SetEvidence(e)
	return nil
}

// appendText appends the length of a text and the text.
func appendText(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

// decoder reads from the front of rest, and texts from the front of texts. After the first error
// bad is set and all results are zero.
type decoder struct {
	texts, rest string
	bad         bool
}

func (d *decoder) fail() { d.bad, d.texts, d.rest = true, "", "" }

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

// text reads what appendText appended.
func (d *decoder) text() string {
	n := d.uvarint()
	if n > uint64(len(d.rest)) {
		d.fail()
		return ""
	}
	return d.take(int(n))
}

// pooledText reads one of the texts that come first.
func (d *decoder) pooledText() string {
	n := d.uvarint()
	if n > uint64(len(d.texts)) {
		d.fail()
		return ""
	}
	s := d.texts[:n]
	d.texts = d.texts[n:]
	return s
}

func (d *decoder) kind() store.Type {
	switch d.byte() {
	case publishableType:
		return store.Publishable
	case secretType:
		return store.Secret
	case otherType:
		t := store.Type(d.pooledText())
		if t != store.Publishable && t != store.Secret { // each type has one encoding
			return t
		}
	}
	d.fail()
	return ""
}

func (d *decoder) bytes() []byte {
	s := d.text()
	if s == "" {
		return nil
	}
	return []byte(s)
}

// length reads the length of a list; false means nil. An element takes at least one byte, which
// bounds the allocation.
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
		list = append(list, d.pooledText())
	}
	return list
}

func (d *decoder) time() store.Time {
	if !d.bool() {
		return store.Time{}
	}
	return store.TimeOf(time.UnixMilli(d.number()))
}
