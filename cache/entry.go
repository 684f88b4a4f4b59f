package cache

import (
	"encoding/binary"
	"errors"
	"strings"
	"time"

	"github.com/latchkey-go/latchkey/store"
)

// An entry of the shared memory is
//
//	generation "|" as-of deadline record mac
//
// as-of is the event up to which the record is known to be right, deadline when it stops counting whatever the TTL says (milliseconds since
// 1970), both varints. The MAC, there when peppers are set, binds all of this to its place: prefix, feed, lookup id.
const entryPurpose = "latchkey/cache-entry/2"

// errForgedEntry: somebody who does not know a pepper wrote the entry or its record, or moved it here from another place.
var errForgedEntry = errors.New("entry was not written by this system")

// errEntry: the entry does not count: another generation, version or key, past its deadline, or damaged.
var errEntry = errors.New("entry does not count")

// entryCodec writes and reads entries.
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
	return string(c.sealer.AppendMAC(body, entryPurpose, c.appendMACInput(message[:0], feed, r.Key.LookupID, string(body))))
}

// macInputSize is enough for nearly all messages, without an allocation.
const macInputSize = 1024

// appendMACInput appends what the MAC is over.
func (c entryCodec) appendMACInput(m []byte, feed string, id store.LookupID, body string) []byte {
	if c.sealer == nil {
		return m
	}
	m = appendText(m, c.prefix)
	m = appendText(m, feed)
	m = append(m, id[:]...)
	return appendText(m, body)
}

// decode makes *r, a new record, the one in an entry, checked and ready to be shared, and returns the event up to which it is right. After an
// error *r is not to be used.
func (c entryCodec) decode(r *store.Record, entry string, feed string, id store.LookupID, generation string, now instant) (asOf int64, err error) {
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
	if !c.sealer.CheckMAC([]byte(mac), entryPurpose, c.appendMACInput(message[:0], feed, id, entry[:len(entry)-len(mac)])) {
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
