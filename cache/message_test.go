package cache

import (
	"errors"
	"reflect"
	"testing"

	"github.com/latchkey-go/latchkey/store"
)

func TestMessage(t *testing.T) {
	codec := messageCodec{prefix: "p", sealer: testSealer(t, pepperA)}
	told := announcement{from: "me", serial: 1 << 60, first: 7, last: maxEventID, tag: -5, lastActivation: 3, drop: true, ids: []store.LookupID{{1}, {2}}}
	answer := acknowledgement{member: "you", serial: 7}
	announced, acknowledged := codec.announce("feed", told, 2), codec.acknowledge("feed", "me", answer)

	t.Run("what was written is read", func(t *testing.T) {
		if got, err := codec.announced("feed", announced); err != nil || !reflect.DeepEqual(got, told) {
			t.Errorf("got %+v, %v", got, err)
		}
		if got, err := codec.acknowledged("feed", "me", acknowledged); err != nil || got != answer {
			t.Errorf("got %+v, %v", got, err)
		}
	})
	t.Run("programs of level 1 are sent version 1, which has no tag", func(t *testing.T) {
		old := codec.announce("feed", told, 1)
		if old[0] != 1 || len(old) != len(announced)-8 || announced[0] != 2 || acknowledged[0] != 1 {
			t.Errorf("versions %d, %d and %d of acknowledgements; %d and %d bytes", old[0], announced[0], acknowledged[0], len(old), len(announced))
		}
		want := told
		want.tag = 0
		if got, err := codec.announced("feed", old); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("got %+v, %v", got, err)
		}
	})
	t.Run("whatever bit is changed, and of whatever part, it does not count", func(t *testing.T) {
		for name, c := range map[string]struct {
			message string
			read    func(string) error
		}{
			"announcement":    {announced, func(m string) error { _, err := codec.announced("feed", m); return err }},
			"acknowledgement": {acknowledged, func(m string) error { _, err := codec.acknowledged("feed", "me", m); return err }},
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
			"kind":   second(codec.announced("feed", acknowledged)),
			"kind 2": second(codec.acknowledged("feed", "me", announced)),
			"feed":   second(codec.announced("other", announced)),
			"to":     second(codec.acknowledged("feed", "you", acknowledged)),
			"prefix": second(messageCodec{prefix: "q", sealer: codec.sealer}.announced("feed", announced)),
			"pepper": second(messageCodec{prefix: "p", sealer: testSealer(t, pepperB)}.announced("feed", announced)),
			"none":   second(messageCodec{prefix: "p"}.announced("feed", announced)),
			"no mac": second(codec.announced("feed", messageCodec{prefix: "p"}.announce("feed", told, 2))),
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
			if _, err := codec.announced("feed", codec.announce("feed", a, 2)); !errors.Is(err, errMessage) {
				t.Errorf("%s: got %v", name, err)
			}
		}
	})
}

func second[T any](_ T, err error) error { return err }

// FuzzMessage: whatever comes from Redis is refused or read, and what is read can be written again.
func FuzzMessage(f *testing.F) {
	codec := messageCodec{prefix: "p"}
	f.Add(codec.announce("feed", announcement{from: "me", serial: 9, last: 8, lastActivation: 7, tag: 6, ids: []store.LookupID{{1}}}, 2))
	f.Add(codec.announce("feed", announcement{from: "me", serial: 9, last: 8, ids: []store.LookupID{{1}}}, 1))
	f.Add(codec.acknowledge("feed", "me", acknowledgement{member: "you", serial: 3}))
	f.Fuzz(func(t *testing.T, message string) {
		if a, err := codec.announced("feed", message); err == nil {
			again, err := codec.announced("feed", codec.announce("feed", a, 2))
			if err != nil || !reflect.DeepEqual(again, a) {
				t.Errorf("%+v became %+v, %v", a, again, err)
			}
		}
		if a, err := codec.acknowledged("feed", "me", message); err == nil {
			again, err := codec.acknowledged("feed", "me", codec.acknowledge("feed", "me", a))
			if err != nil || again != a {
				t.Errorf("%+v became %+v, %v", a, again, err)
			}
		}
	})
}
