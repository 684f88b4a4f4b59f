package cache

import (
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/latchkey-go/latchkey/store"
)

func decoded(c entryCodec, entry, feed string, id store.LookupID, generation string, now instant) (*store.Record, int64, error) {
	r := &store.Record{}
	asOf, err := c.decode(r, entry, feed, id, generation, now)
	if err != nil {
		return nil, 0, err
	}
	return r, asOf, nil
}

func testSealer(t testing.TB, peppers ...string) *store.Sealer {
	t.Helper()
	s, err := store.NewSealer(peppers)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

const (
	pepperA = "0123456789abcdefghijklmnopqrstuvwxyz-A"
	pepperB = "0123456789abcdefghijklmnopqrstuvwxyz-B"
)

func TestRequirement05Entry(t *testing.T) {
	sealer := testSealer(t, pepperA)
	codec := entryCodec{prefix: "p", sealer: sealer}
	r := filledRecord(t)
	sealer.Seal(r)
	id := r.Key.LookupID
	now := instant{wall: time.Duration(time.Now().UnixNano())}
	entry := codec.encode("feed", "gen", 7, now.wall+time.Hour, r)

	t.Run("a genuine one is read, and its proof has been checked", func(t *testing.T) {
		got, asOf, err := decoded(codec, entry, "feed", id, "gen", now)
		if err != nil || asOf != 7 {
			t.Fatalf("got %d, %v", asOf, err)
		}
		if sealer.Verify(got) != nil || !reflect.DeepEqual(got.Clone(), r.Clone()) {
			t.Errorf("got %+v", got)
		}
	})
	t.Run("whatever bit is changed, it does not count", func(t *testing.T) {
		for i := range len(entry) {
			for bit := range 8 {
				b := []byte(entry)
				b[i] ^= 1 << bit
				if _, _, err := decoded(codec, string(b), "feed", id, "gen", now); err == nil {
					t.Fatalf("bit %d of byte %d is not protected", bit, i)
				}
			}
		}
	})
	t.Run("a part of it does not count", func(t *testing.T) {
		for n := range len(entry) {
			if _, _, err := decoded(codec, entry[:n], "feed", id, "gen", now); err == nil {
				t.Fatalf("the first %d bytes count", n)
			}
		}
	})
	t.Run("it does not count elsewhere", func(t *testing.T) {
		moved := strings.Replace(entry, "gen|", "new|", 1)
		for name, err := range map[string]error{
			"feed":       second3(decoded(codec, entry, "other", id, "gen", now)),
			"key":        second3(decoded(codec, entry, "feed", store.LookupID{9}, "gen", now)),
			"generation": second3(decoded(codec, moved, "feed", id, "new", now)),
			"prefix":     second3(decoded(entryCodec{prefix: "q", sealer: sealer}, entry, "feed", id, "gen", now)),
		} {
			if !errors.Is(err, errForgedEntry) {
				t.Errorf("%s: got %v", name, err)
			}
		}
	})
	t.Run("it does not count after its deadline", func(t *testing.T) {
		if err := second3(decoded(codec, entry, "feed", id, "gen", instant{wall: now.wall + 2*time.Hour})); !errors.Is(err, errEntry) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("with another pepper it does not count, with an older one it does", func(t *testing.T) {
		other := entryCodec{prefix: "p", sealer: testSealer(t, pepperB)}
		if err := second3(decoded(other, entry, "feed", id, "gen", now)); !errors.Is(err, errForgedEntry) {
			t.Errorf("another: got %v", err)
		}
		rotated := entryCodec{prefix: "p", sealer: testSealer(t, pepperB, pepperA)}
		if err := second3(decoded(rotated, entry, "feed", id, "gen", now)); err != nil {
			t.Errorf("older: got %v", err)
		}
	})
	t.Run("processes with and without peppers do not read each other's", func(t *testing.T) {
		plain := entryCodec{prefix: "p"}
		if err := second3(decoded(plain, entry, "feed", id, "gen", now)); err == nil {
			t.Error("without peppers, a sealed one counts")
		}
		unsealed := plain.encode("feed", "gen", 7, now.wall+time.Hour, r)
		if err := second3(decoded(plain, unsealed, "feed", id, "gen", now)); err != nil {
			t.Errorf("without peppers: %v", err)
		}
		if err := second3(decoded(codec, unsealed, "feed", id, "gen", now)); !errors.Is(err, errForgedEntry) {
			t.Errorf("with peppers: %v", err)
		}
	})
	t.Run("a record whose proof is wrong does not count under a MAC that is right", func(t *testing.T) {
		bad := r.Clone()
		bad.Key.Scopes = nil
		if err := second3(decoded(codec, codec.encode("feed", "gen", 7, now.wall+time.Hour, bad), "feed", id, "gen", now)); !errors.Is(err, store.ErrForged) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("the record of another key does not count, peppers or not", func(t *testing.T) {
		plain := entryCodec{prefix: "p"}
		if err := second3(decoded(plain, plain.encode("feed", "gen", 7, now.wall+time.Hour, r), "feed", store.LookupID{9}, "gen", now)); !errors.Is(err, errRecord) {
			t.Errorf("got %v", err)
		}
	})
}

func second3(_ *store.Record, _ int64, err error) error { return err }

func TestParseMark(t *testing.T) {
	for raw, want := range map[string]watermark{
		"a:0:0000000000000000":                {"a", position{}},
		"GEN:12:000000000000000a":             {"GEN", position{12, 10}},
		"g:9007199254740991:fffffffffffffffe": {"g", position{maxEventID, -2}},
	} {
		if got, ok := parseWatermark(raw); !ok || got != want || got.String() != raw {
			t.Errorf("%q: got %v, %v", raw, got, ok)
		}
	}
	for _, raw := range []string{
		"", ":", "a", "a:", ":1", "a:-1", "a:+1", "a:1.5", "a:1e3", "a: 1", "a:b:1", "a:9007199254740992", "a:99999999999999999999",
		"a:1", "a:1:", "a:1:0", "a:1:00000000000000000", "a:1:000000000000000g", "a:1:-00000000000000a", "a::000000000000000a",
	} {
		if strings.Count(raw, ":") == 1 { // with a tag it is no better
			if got, ok := parseWatermark(raw + ":000000000000000a"); ok && raw != "a:1" {
				t.Errorf("%q with a tag is taken for %v", raw, got)
			}
		}
		if got, ok := parseWatermark(raw); ok {
			t.Errorf("%q is taken for %v", raw, got)
		}
	}
}

// FuzzEntry: whatever Redis holds under a key's name is refused or read, and with peppers nothing
// is read but what was written.
func FuzzEntry(f *testing.F) {
	sealer := testSealer(f, pepperA)
	sealed, plain := entryCodec{prefix: "p", sealer: sealer}, entryCodec{prefix: "p"}
	now := instant{wall: time.Hour}
	r := &store.Record{Key: store.Key{ID: "apk_1", Type: store.Secret, LookupID: store.LookupID{1}, Scopes: []string{"a"}, Version: 3}}
	sealer.Seal(r)
	genuine := sealed.encode("feed", "gen", 7, 2*time.Hour, r)
	f.Add(genuine)
	f.Add(genuine[:len(genuine)-store.MACSize])
	f.Add(plain.encode("feed", "gen", 7, 2*time.Hour, r))
	f.Add(plain.encode("feed", "gen", maxEventID+1, 2*time.Hour, r))
	f.Add(plain.encode("feed", "gen", 7, 0, r))
	f.Add("gen|")
	f.Add("gen|0123456789abcdef\xff\xff\xff\xff\xff\xff\xff\xff\x7f")
	f.Fuzz(func(t *testing.T, entry string) {
		if got, asOf, err := decoded(sealed, entry, "feed", r.Key.LookupID, "gen", now); err == nil && (entry != genuine || asOf != 7 || got.Key.ID != "apk_1") {
			t.Errorf("%q is taken for ours: %+v", entry, got)
		}
		got, asOf, err := decoded(plain, entry, "feed", r.Key.LookupID, "gen", now)
		if err != nil {
			return
		}
		if asOf < 0 || asOf > maxEventID || got.Key.LookupID != r.Key.LookupID {
			t.Errorf("%q is read as %+v, as of %d", entry, got, asOf)
		}
		again, _, err := decoded(plain, plain.encode("feed", "gen", asOf, 2*time.Hour, got), "feed", r.Key.LookupID, "gen", now)
		if err != nil || !reflect.DeepEqual(again, got) {
			t.Errorf("%+v became %+v, %v", got, again, err)
		}
	})
}

// FuzzMark: a watermark is read as it was written, or not at all.
func FuzzMark(f *testing.F) {
	for _, raw := range []string{"a:0", "GEN:9007199254740991", "a:9007199254740992", "a:-1", ":", "a:b:1", "a:01"} {
		f.Add(raw)
		f.Add(raw + ":0123456789abcdef")
	}
	f.Fuzz(func(t *testing.T, raw string) {
		if got, ok := parseWatermark(raw); ok && (got.id < 0 || got.id > maxEventID || got.generation == "") {
			t.Errorf("%q is taken for %+v", raw, got)
		} else if again, _ := parseWatermark(got.String()); ok && again != got {
			t.Errorf("%+v became %+v", got, again)
		}
	})
}
