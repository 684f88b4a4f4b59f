package cache

import (
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/latchkey-go/latchkey/store"
	"github.com/latchkey-go/latchkey/store/storetest"
)

// filledRecord has a value in every field, also in those that a later version adds. LastUsedAt and
// Description are not cached.
func filledRecord(t *testing.T) *store.Record {
	t.Helper()
	r := &store.Record{}
	storetest.Fill(t, r)
	r.Key = storetest.Cached(r.Key)
	return r
}

func decodedRecord(s string, id store.LookupID) (*store.Record, error) {
	r := &store.Record{}
	if err := decodeRecord(r, s, id); err != nil {
		return nil, err
	}
	return r, nil
}

func TestRecordEncoding(t *testing.T) {
	t.Run("every field survives", func(t *testing.T) {
		r := filledRecord(t)
		got, err := decodedRecord(string(appendRecord(nil, r)), r.Key.LookupID)
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(got, r) {
			t.Errorf("got  %+v\nwant %+v", got.Key, r.Key)
		}
	})
	t.Run("LastUsedAt and Description are left out", func(t *testing.T) {
		r := filledRecord(t)
		r.Key.LastUsedAt, r.Key.Description = r.Key.CreatedAt, "of the shop"
		got, err := decodedRecord(string(appendRecord(nil, r)), r.Key.LookupID)
		if err != nil || !got.Key.LastUsedAt.IsZero() || got.Key.Description != "" {
			t.Errorf("got %v, %v", got, err)
		}
	})
	t.Run("nil and empty lists are told apart", func(t *testing.T) {
		for _, r := range []*store.Record{
			{},
			{Key: store.Key{Scopes: []string{}, SalesChannelIDs: []string{}, Metadata: map[string]string{}}},
		} {
			got, err := decodedRecord(string(appendRecord(nil, r)), r.Key.LookupID)
			if err != nil || !reflect.DeepEqual(got, r) {
				t.Errorf("got %+v, %v, want %+v", got, err, r)
			}
		}
	})
	t.Run("another version is no record", func(t *testing.T) {
		b, id := appendRecord(nil, filledRecord(t)), filledRecord(t).Key.LookupID
		for _, version := range []byte{0, 1, 2, recordVersion + 1, 255} {
			b[0] = version
			if _, err := decodedRecord(string(b), id); !errors.Is(err, errRecord) {
				t.Errorf("version %d: got %v", version, err)
			}
		}
	})
	t.Run("a type that no version of this program knows survives, to be refused by the key's check", func(t *testing.T) {
		r := &store.Record{Key: store.Key{Type: "robot"}}
		got, err := decodedRecord(string(appendRecord(nil, r)), store.LookupID{})
		if err != nil || got.Key.Type != "robot" {
			t.Errorf("got %+v, %v", got, err)
		}
	})
	t.Run("the record of another key is no record", func(t *testing.T) {
		r := filledRecord(t)
		if _, err := decodedRecord(string(appendRecord(nil, r)), store.LookupID{9}); !errors.Is(err, errRecord) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("every cut and every extra byte is refused", func(t *testing.T) {
		whole, id := string(appendRecord(nil, filledRecord(t))), filledRecord(t).Key.LookupID
		for n := range len(whole) {
			if _, err := decodedRecord(whole[:n], id); err == nil {
				t.Fatalf("the first %d of %d bytes are taken for a record", n, len(whole))
			}
		}
		if _, err := decodedRecord(whole+"\x00", id); err == nil {
			t.Error("a byte more is taken for a record")
		}
	})
	t.Run("a length that is a lie allocates nothing", func(t *testing.T) {
		huge := "\xff\xff\xff\xff\xff\xff\xff\xff\x7f"
		d := decoder{rest: huge}
		if _, ok := d.length(); ok || !d.bad {
			t.Error("a list longer than the input is believed")
		}
		d = decoder{rest: huge}
		if d.text() != "" || d.pooledText() != "" || !d.bad {
			t.Error("a text longer than the input is believed")
		}
		d = decoder{rest: strings.Repeat("\xff", 20)}
		if d.uvarint() != 0 || !d.bad {
			t.Error("a number of more than 64 bits is believed")
		}
	})
}

// FuzzDecodeRecord: whatever Redis holds, the decoder does not panic, and what it accepts it also
// understands.
func FuzzDecodeRecord(f *testing.F) {
	f.Add("")
	f.Add(string(appendRecord(nil, &store.Record{})))
	f.Add(string(appendRecord(nil, &store.Record{Key: store.Key{
		ID: "apk_1", Type: store.Secret, Scopes: []string{}, Metadata: map[string]string{"a": "b"}, Version: 3,
	}, Evidence: &store.Evidence{Proof: []byte("proof")}})))
	f.Fuzz(func(t *testing.T, s string) {
		r, err := decodedRecord(s, store.LookupID{})
		if err != nil {
			if r != nil {
				t.Error("a record and an error")
			}
			return
		}
		again, err := decodedRecord(string(appendRecord(nil, r)), r.Key.LookupID)
		if err != nil || !reflect.DeepEqual(again, r) {
			t.Errorf("%q is read as %+v, and that written as %+v, %v", s, r, again, err)
		}
	})
}

// A field that lookups return and the encoding lacks makes this test fail.
func TestEveryCachedFieldIsEncoded(t *testing.T) {
	full := &store.Record{}
	storetest.Fill(t, full)
	cached := storetest.Cached(full.Key)
	for _, of := range []struct {
		name   string
		filled reflect.Value
		in     func(*store.Record) reflect.Value
	}{
		{"Key", reflect.ValueOf(&cached).Elem(), func(r *store.Record) reflect.Value { return reflect.ValueOf(&r.Key).Elem() }},
		{"Evidence", reflect.ValueOf(full.Evidence).Elem(), func(r *store.Record) reflect.Value {
			if r.Evidence == nil {
				r.Evidence = &store.Evidence{}
			}
			return reflect.ValueOf(r.Evidence).Elem()
		}},
	} {
		for i := range of.filled.NumField() {
			r := &store.Record{}
			of.in(r).Field(i).Set(of.filled.Field(i))
			got, err := decodedRecord(string(appendRecord(nil, r)), r.Key.LookupID)
			if err != nil || !reflect.DeepEqual(of.in(got).Field(i).Interface(), of.filled.Field(i).Interface()) {
				t.Errorf("%s.%s is not in fields (cache/record.go), or it only describes and is not uncached (store/attributes.go): %v",
					of.name, of.filled.Type().Field(i).Name, err)
			}
		}
	}
}
