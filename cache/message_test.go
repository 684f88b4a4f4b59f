package cache

import (
	"errors"
	"reflect"
	"testing"

	"github.com/latchkey-go/latchkey/store"
)

func TestMessage(t *testing.T) {
	codec := messageCodec{prefix: "p", sealer: testSealer(t, pepperA)}
	told := announcement{sender: "me", serial: 1 << 60, first: 7, last: maxEventID, tag: -5, lastActivation: 3, invalidateAll: true, ids: []store.LookupID{{1}, {2}}}
	answer := acknowledgement{member: "you", serial: 7}
	announced, acknowledged := codec.encodeAnnouncement("feed", told, 2), codec.encodeAcknowledgement("feed", "me", answer)

	t.Run("what was written is read", func(t *testing.T) {
		if got, err := codec.parseAnnouncement("feed", announced); err != nil || !reflect.DeepEqual(got, told) {
			t.Errorf("got %+v, %v", got, err)
		}
		if got, err := codec.parseAcknowledgement("feed", "me", acknowledged); err != nil || got != answer {
			t.Errorf("got %+v, %v", got, err)
		}
	})
	t.Run("programs of level 1 are sent version 1, which has no tag", func(t *testing.T) {
		old := codec.encodeAnnouncement("feed", told, 1)
		if old[0] != 1 || len(old) != len(announced)-8 || announced[0] != 2 || acknowledged[0] != 1 {
			t.Errorf("versions %d, %d and %d of acknowledgements; %d and %d bytes", old[0], announced[0], acknowledged[0], len(old), len(announced))
		}
		want := told
		want.tag = 0
		if got, err := codec.parseAnnouncement("feed", old); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("got %+v, %v", got, err)
		}
	})
	t.Run("whatever bit is changed, and of whatever part, it does not count", func(t *testing.T) {
		for name, c := range map[string]struct {
			message string
			read    func(string) error
		}{
			"announcement":    {announced, func(m string) error { _, err := codec.parseAnnouncement("feed", m); return err }},
			"acknowledgement": {acknowledged, func(m string) error { _, err := codec.parseAcknowledgement("feed", "me", m); return err }},
		} {
			for i := range len(c.message) {
				if c.read(c.message[:i]) == nil || c.read(c.message+"x") == nil {
					t.Fatalf("%s: %d bytes of it count, or more than all", name, i)
				}
				for bit := range 8 {
					b := []byte(c.message)
					b[i] ^= 1 << bit
					if c.read(string(b)) == nil {
						t.Fatalf("%s: bit %d of byte %d is not protected", name, bit, i)
					}
				}
			}
		}
	})
	t.Run("one kind is not the other, and each belongs to its place", func(t *testing.T) {
		for name, err := range map[string]error{
			"kind":   second(codec.parseAnnouncement("feed", acknowledged)),
			"kind 2": second(codec.parseAcknowledgement("feed", "me", announced)),
			"feed":   second(codec.parseAnnouncement("other", announced)),
			"to":     second(codec.parseAcknowledgement("feed", "you", acknowledged)),
			"prefix": second(messageCodec{prefix: "q", sealer: codec.sealer}.parseAnnouncement("feed", announced)),
			"pepper": second(messageCodec{prefix: "p", sealer: testSealer(t, pepperB)}.parseAnnouncement("feed", announced)),
			"none":   second(messageCodec{prefix: "p"}.parseAnnouncement("feed", announced)),
			"no mac": second(codec.parseAnnouncement("feed", messageCodec{prefix: "p"}.encodeAnnouncement("feed", told, 2))),
		} {
			if !errors.Is(err, errForgedMessage) && !errors.Is(err, errMessage) {
				t.Errorf("%s: got %v", name, err)
			}
		}
	})
	t.Run("numbers that no event can have are refused", func(t *testing.T) {
		for name, a := range map[string]announcement{
			"too great":             {last: maxEventID + 1},
			"negative":              {last: -1},
			"revealing what is not": {last: 1, lastActivation: 2},
			"too many keys":         {last: 1, ids: make([]store.LookupID, replayLimit+1)},
		} {
			if _, err := codec.parseAnnouncement("feed", codec.encodeAnnouncement("feed", a, 2)); !errors.Is(err, errMessage) {
				t.Errorf("%s: got %v", name, err)
			}
		}
	})
}

func second[T any](_ T, err error) error { return err }

// FuzzMessage: whatever comes from Redis is refused or read, and what is read can be written again.
func FuzzMessage(f *testing.F) {
	codec := messageCodec{prefix: "p"}
	f.Add(codec.encodeAnnouncement("feed", announcement{sender: "me", serial: 9, last: 8, lastActivation: 7, tag: 6, ids: []store.LookupID{{1}}}, 2))
	f.Add(codec.encodeAnnouncement("feed", announcement{sender: "me", serial: 9, last: 8, ids: []store.LookupID{{1}}}, 1))
	f.Add(codec.encodeAcknowledgement("feed", "me", acknowledgement{member: "you", serial: 3}))
	f.Fuzz(func(t *testing.T, message string) {
		if a, err := codec.parseAnnouncement("feed", message); err == nil {
			again, err := codec.parseAnnouncement("feed", codec.encodeAnnouncement("feed", a, 2))
			if err != nil || !reflect.DeepEqual(again, a) {
				t.Errorf("%+v became %+v, %v", a, again, err)
			}
		}
		if a, err := codec.parseAcknowledgement("feed", "me", message); err == nil {
			again, err := codec.parseAcknowledgement("feed", "me", codec.encodeAcknowledgement("feed", "me", a))
			if err != nil || again != a {
				t.Errorf("%+v became %+v, %v", a, again, err)
			}
		}
	})
}
