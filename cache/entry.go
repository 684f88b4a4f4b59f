package cache

import (
	"encoding/binary"
	"errors"
	"strings"
	"time"

	"github.com/latchkey-go/latchkey/store"
)

// An entry in Redis is
//
//	generation "|" as-of deadline record mac
//
// as-of is the event up to which the record is current. deadline is when the entry expires,
// regardless of its TTL (milliseconds since 1970). Both are varints. The MAC is there when peppers
// are set. It covers all of this and the place of the entry: prefix, feed and lookup id.
const entryPurpose = "latchkey/cache-entry/2"

// errForgedEntry: the entry or its record was written without a pepper, or was moved here from
// another place.
var errForgedEntry = errors.New("entry was not written by this system")

// errEntry: the entry is a miss: another generation, version or key, expired or damaged.
var errEntry = errors.New("entry is from another generation, expired or damaged")

// entryCodec encodes and decodes entries.
type entryCodec struct {
	prefix string
	sealer *store.Sealer
}

// encode returns the entry for a record that reflects every event up to asOf.
func (c entryCodec) encode(feed string, generation string, asOf int64, deadline time.Duration, r *store.Record) string {
	record := appendRecord(make([]byte, 0, 512), r)
	body := make([]byte, 0, len(generation)+1+2*binary.MaxVarintLen64+len(record)+store.MACSize)
	body = append(append(body, generation...), '|')
	body = binary.AppendVarint(body, asOf)
	body = binary.AppendVarint(body, deadline.Milliseconds())
	body = append(body, record...)
	var message [macInputSize]byte
	input := c.appendMACInput(message[:0], feed, r.Key.LookupID, string(body))
	return string(c.sealer.AppendMAC(body, entryPurpose, input))
}

// macInputSize holds nearly every input of the MAC without an allocation.
const macInputSize = 1024

// appendMACInput appends the input of the MAC.
func (c entryCodec) appendMACInput(m []byte, feed string, id store.LookupID, body string) []byte {
	if c.sealer == nil {
		return m
	}
	m = appendText(m, c.prefix)
	m = appendText(m, feed)
	m = append(m, id[:]...)
	return appendText(m, body)
}

// decode decodes an entry into *r, a new record, verifies it, and returns the event up to which it
// is current. After an error *r must not be used.
func (c entryCodec) decode(r *store.Record, entry, feed string, id store.LookupID, generation string,
	now instant,
) (asOf int64, err error) {
	found, rest, ok := strings.Cut(entry, "|")
	if !ok || found != generation {
		return 0, errEntry
	}
	d := decoder{rest: rest}
	asOf = d.number()
	deadline := time.Duration(d.number()) * time.Millisecond
	end := len(d.rest)
	if c.sealer != nil {
		end -= store.MACSize
	}
	if d.bad || end < 0 {
		return 0, errEntry
	}
	record, mac := d.rest[:end], d.rest[end:]
	var message [macInputSize]byte
	input := c.appendMACInput(message[:0], feed, id, entry[:len(entry)-len(mac)])
	if !c.sealer.CheckMAC([]byte(mac), entryPurpose, input) {
		return 0, errForgedEntry
	}
	if now.wall > deadline || asOf < 0 || asOf > maxEventID {
		return 0, errEntry
	}
	if err := decodeRecord(r, record, id); err != nil {
		return 0, err
	}
	return asOf, c.sealer.Verify(r)
}
