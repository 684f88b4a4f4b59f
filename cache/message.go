package cache

import (
	"encoding/binary"
	"errors"

	"github.com/latchkey-go/latchkey/store"
)

// A message tells other processes of a change, or the changer that one of them has handled it
// (protocol 5). On the wire it is
//
//	version kind fields mac
//
// with the MAC, there when peppers are set, over all of that, the prefix, the feed and whom it is
// sent to. Version 2 has the tag of the last event as well; programs of level 1 read version 1
// alone. Acknowledgements have version 1.
const (
	messageVersion = 1
	versionWithTag = 2
	levelWithTag   = 2 // of programs that read versionWithTag
	messagePurpose = "latchkey/cache-message/1"
)

// errForgedMessage: somebody who does not know a pepper wrote the message, or it was meant for others.
var errForgedMessage = errors.New("message was not written by this system")

// errMessage: the message is damaged, or of a version that this program does not know.
var errMessage = errors.New("message cannot be read")

// announcement says that a change has been committed.
type announcement struct {
	sender         string // the process to answer
	serial         uint64 // what the answer must name: the change, among those of the sender
	first          int64  // its first event
	last           int64  // its last event
	tag            store.Tag
	lastActivation int64 // its newest event that can have made an unknown token known
	invalidateAll  bool  // ids do not say all: drop everything
	ids            []store.LookupID
}

// acknowledgement says that a process answers from before a change no more.
type acknowledgement struct {
	member string
	serial uint64
}

// messageCodec writes and reads messages.
type messageCodec struct {
	prefix string
	sealer *store.Sealer
}

const (
	kindAnnouncement    = 'c'
	kindAcknowledgement = 'a'
)

// encodeAnnouncement is for readers of a level.
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

// checkMAC checks what is left when everything has been read: the MAC.
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

// macInput is what the MAC is over.
func (m messageCodec) macInput(feed, to, body string) []byte {
	b := appendText(nil, m.prefix)
	b = appendText(b, feed)
	b = appendText(b, to)
	return appendText(b, body)
}
