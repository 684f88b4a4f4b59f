package cache

import (
	"encoding/binary"
	"errors"

	"github.com/latchkey-go/latchkey/store"
)

// A message announces a change to other processes, or acknowledges one to its changer (protocol 5).
// Its encoding is
//
//	version kind fields mac
//
// The MAC is there when peppers are set. It covers all of this, the prefix, the feed and the
// recipient. Version 2 adds the tag of the last event; programs of level 1 read version 1 only.
// Acknowledgements have version 1.
const (
	messageVersion = 1
	versionWithTag = 2
	levelWithTag   = 2 // of programs that read versionWithTag
	messagePurpose = "latchkey/cache-message/1"
)

// errForgedMessage: the message was written without a pepper, or for another recipient.
var errForgedMessage = errors.New("message was not written by this system")

// errMessage: the message is damaged, or of a version that this program does not know.
var errMessage = errors.New("message cannot be read")

// announcement says that a change has been committed.
type announcement struct {
	sender         string // the process that receives the acknowledgement
	serial         uint64 // names the change, among those of the sender
	first          int64  // its first event
	last           int64  // its last event
	tag            store.Tag
	lastActivation int64 // its newest event that can make an unknown token valid
	invalidateAll  bool  // ids is incomplete: drop all entries
	ids            []store.LookupID
}

// acknowledgement says that a process has handled a change.
type acknowledgement struct {
	member string
	serial uint64
}

// messageCodec encodes and decodes messages.
type messageCodec struct {
	prefix string
	sealer *store.Sealer
}

const (
	kindAnnouncement    = 'c'
	kindAcknowledgement = 'a'
)

// encodeAnnouncement encodes for readers of a level.
func (m messageCodec) encodeAnnouncement(feed string, a announcement, level int) string {
	b := append(make([]byte, 0, 72+len(a.ids)*len(store.LookupID{})), messageVersion, kindAnnouncement)
	if level >= levelWithTag {
		b[0] = versionWithTag
		b = binary.BigEndian.AppendUint64(b, uint64(a.tag))
	}
	b = appendText(b, a.sender)
	b = binary.AppendUvarint(b, a.serial)
	b = binary.AppendUvarint(b, uint64(a.first))
	b = binary.AppendUvarint(b, uint64(a.last))
	b = binary.AppendUvarint(b, uint64(a.lastActivation))
	if a.invalidateAll {
		b = append(b, 1)
	} else {
		b = append(b, 0)
	}
	b = binary.AppendUvarint(b, uint64(len(a.ids)))
	for _, id := range a.ids {
		b = append(b, id[:]...)
	}
	return m.appendMAC(feed, "", b)
}

func (m messageCodec) encodeAcknowledgement(feed, to string, a acknowledgement) string {
	b := append(make([]byte, 0, 64), messageVersion, kindAcknowledgement)
	b = appendText(b, a.member)
	return m.appendMAC(feed, to, binary.AppendUvarint(b, a.serial))
}

func (m messageCodec) parseAnnouncement(feed, message string) (announcement, error) {
	d, version, err := m.parseHeader(message, kindAnnouncement)
	if err != nil {
		return announcement{}, err
	}
	var a announcement
	if version == versionWithTag {
		var tag [8]byte
		copy(tag[:], d.take(len(tag)))
		a.tag = store.Tag(binary.BigEndian.Uint64(tag[:]))
	}
	a.sender, a.serial = d.text(), d.uvarint()
	first, last, lastActivation := d.uvarint(), d.uvarint(), d.uvarint()
	a.invalidateAll = d.bool()
	n := d.uvarint()
	if n > replayLimit || last > maxEventID || first > last || lastActivation > last {
		return announcement{}, errMessage
	}
	a.first, a.last, a.lastActivation = int64(first), int64(last), int64(lastActivation)
	for range n {
		var id store.LookupID
		copy(id[:], d.take(len(id)))
		a.ids = append(a.ids, id)
	}
	return a, m.checkMAC(d, feed, "", message)
}

func (m messageCodec) parseAcknowledgement(feed, to, message string) (acknowledgement, error) {
	d, version, err := m.parseHeader(message, kindAcknowledgement)
	if err != nil || version != messageVersion {
		return acknowledgement{}, errMessage
	}
	a := acknowledgement{member: d.text(), serial: d.uvarint()}
	return a, m.checkMAC(d, feed, to, message)
}

func (m messageCodec) parseHeader(message string, kind byte) (d *decoder, version byte, err error) {
	d = &decoder{rest: message}
	version = d.byte()
	if version != messageVersion && version != versionWithTag || d.byte() != kind {
		return nil, 0, errMessage
	}
	return d, version, nil
}

// checkMAC verifies the rest of a message that has been read: the MAC.
func (m messageCodec) checkMAC(d *decoder, feed, to, message string) error {
	if d.bad {
		return errMessage
	}
	if !m.sealer.CheckMAC([]byte(d.rest), messagePurpose, m.macInput(feed, to, message[:len(message)-len(d.rest)])) {
		return errForgedMessage
	}
	return nil
}

func (m messageCodec) appendMAC(feed, to string, body []byte) string {
	return string(m.sealer.AppendMAC(body, messagePurpose, m.macInput(feed, to, string(body))))
}

// macInput returns the input of the MAC.
func (m messageCodec) macInput(feed, to, body string) []byte {
	b := appendText(nil, m.prefix)
	b = appendText(b, feed)
	b = appendText(b, to)
	return appendText(b, body)
}
