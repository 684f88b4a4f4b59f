package store_test

import (
	"errors"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"
	"unsafe"

	"github.com/latchkey-go/latchkey/store"
	"github.com/latchkey-go/latchkey/store/storetest"
)

const (
	pepper1 = "Zq8vN3xT7mKp2RfW9sYbH4cJ6dLgA5uE"
	pepper2 = "b7Qw2Ee9Rr4Tt6Yy1Uu8Ii3Oo5Pp0AaSs"
)

func sealer(t *testing.T, peppers ...string) *store.Sealer {
	t.Helper()
	s, err := store.NewSealer(peppers)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestRequirement04SealerRefusesBadPeppers(t *testing.T) {
	for name, peppers := range map[string][]string{
		"too short":                   {"short"},
		"31 bytes":                    {pepper1[:31]},
		"empty":                       {""},
		"a placeholder":               {"changeme-changeme-changeme-changeme-1234"},
		"few different characters":    {strings.Repeat("ab", 20)},
		"the same twice":              {pepper1, pepper1},
		"a bad one behind a good one": {pepper1, "short"},
	} {
		s, err := store.NewSealer(peppers)
		if !errors.Is(err, store.ErrInvalid) || s != nil {
			t.Errorf("%s: %v, %v", name, s, err)
			continue
		}
		for _, p := range peppers {
			if p != "" && strings.Contains(err.Error(), p) {
				t.Errorf("%s: the error shows the pepper: %v", name, err)
			}
		}
	}
	if s, err := store.NewSealer(nil); s != nil || err != nil {
		t.Errorf("no peppers: %v, %v", s, err)
	}
}

func TestRequirement05ProofCoversEverythingThatGivesPower(t *testing.T) {
	s := sealer(t, pepper1)
	powerless := map[string]bool{ // descriptions; see pepper.prove
		"Title": true, "Description": true, "Redacted": true, "Token": true, "Metadata": true, "CreatedAt": true, "UpdatedAt": true,
		"RevokedBy": true, "LastUsedAt": true, "RolledFrom": true, "Version": true,
	}
	fresh := func() *store.Record {
		r := &store.Record{}
		storetest.Fill(t, r)
		s.Seal(r)
		return r.Clone()
	}
	if err := s.Verify(fresh()); err != nil {
		t.Fatal(err)
	}
	check := func(name string, spoil func(*store.Record)) {
		t.Helper()
		r := fresh()
		spoil(r)
		if err := s.Verify(r); errors.Is(err, store.ErrForged) == powerless[name] {
			t.Errorf("%s altered: %v. What gives power belongs to the proof (extensions.go), what gives none to powerless in this test", name, err)
		}
	}
	for i := range reflect.TypeFor[store.Key]().NumField() {
		name := reflect.TypeFor[store.Key]().Field(i).Name
		check(name, func(r *store.Record) {
			v := reflect.ValueOf(&r.Key).Elem().Field(i)
			v.SetZero()
		})
	}
	check("scopes taken away", func(r *store.Record) { r.Key.Scopes = []string{} })
	check("a scope more", func(r *store.Record) { r.Key.Scopes = append(r.Key.Scopes, "admin") })
	check("scopes joined", func(r *store.Record) { r.Key.Scopes = []string{strings.Join(r.Key.Scopes, "")} })
	check("a network more", func(r *store.Record) {
		r.Key.AllowedCIDRs = append(r.Key.AllowedCIDRs, netip.MustParsePrefix("0.0.0.0/0"))
	})
	check("a network widened", func(r *store.Record) {
		r.Key.AllowedCIDRs[0] = netip.PrefixFrom(r.Key.AllowedCIDRs[0].Addr(), r.Key.AllowedCIDRs[0].Bits()-8)
	})
	check("a request more", func(r *store.Record) { r.Key.RateLimit.Requests++ })
	check("another window", func(r *store.Record) { r.Key.RateLimit.Window++ })
	check("a longer life", func(r *store.Record) { r.Key.ExpiresAt = store.TimeOf(r.Key.ExpiresAt.Time().Add(time.Millisecond)) })
	check("the salt", func(r *store.Record) { r.Evidence.LegacySalt += "0" })
	check("the hash", func(r *store.Record) { r.Evidence.LegacyHash[0]++ })
	check("the proof", func(r *store.Record) { r.Evidence.Proof[31]++ })
	check("no proof", func(r *store.Record) { r.Evidence.Proof = nil })
	check("another pepper's id", func(r *store.Record) { r.Evidence.PepperID = sealer(t, pepper2).PepperID() })
	check("no evidence", func(r *store.Record) { r.Evidence = nil })
	check("no pepper's id", func(r *store.Record) { r.Evidence.PepperID = "" })
}

func TestRequirement05ForgedRowsNeverAuthenticate(t *testing.T) {
	b := newBench(t, store.Options{Sealer: sealer(t, pepper1)})
	made := b.create(store.NewKey{Type: store.Secret, Scopes: []string{"orders:read"}})
	if err := b.authenticated(made); err != nil {
		t.Fatal(err)
	}
	// write goes straight into the database, as somebody without the pepper would.
	write := func(alter func(*store.Record)) {
		t.Helper()
		if _, err := b.rows.Store.Change(b.ctx, store.Actor{}, func(tx store.Tx) error {
			r, err := b.rows.Get(b.ctx, made.Key.ID)
			if err != nil {
				return err
			}
			alter(r)
			return tx.Update(b.ctx, r, store.Event{Kind: store.Updated})
		}); err != nil {
			t.Fatal(err)
		}
	}
	write(func(r *store.Record) { r.Key.Scopes = nil })
	if err := b.authenticated(made); !errors.Is(err, store.ErrForged) || !errors.Is(err, store.ErrUnauthenticated) {
		t.Errorf("more scopes, written by hand: %v", err)
	}
	t.Run("and no verb makes them genuine", func(t *testing.T) {
		if _, err := b.keys.Update(b.ctx, made.Key.ID, store.Patch{Title: ptr("renamed")}); err != nil {
			t.Fatal(err)
		}
		if err := b.authenticated(made); !errors.Is(err, store.ErrForged) {
			t.Errorf("after a rename: %v", err)
		}
		if _, err := b.keys.Roll(b.ctx, made.Key.ID, store.RollOptions{}); !errors.Is(err, store.ErrForged) {
			t.Errorf("Roll: %v", err)
		}
		if _, refused, err := b.keys.Reseal(b.ctx, true, nil); refused != 1 || err != nil {
			t.Errorf("Reseal: %d refused, %v; want 1", refused, err)
		}
		if err := b.authenticated(made); !errors.Is(err, store.ErrForged) {
			t.Errorf("after Reseal: %v", err)
		}
	})
	t.Run("but they can be revoked", func(t *testing.T) {
		if _, err := b.keys.Revoke(b.ctx, made.Key.ID); err != nil {
			t.Error(err)
		}
		if key, err := b.keys.Get(b.ctx, made.Key.ID); err != nil || !key.Revoked {
			t.Errorf("%+v, %v", key, err)
		}
	})
}

func TestRequirement04PeppersRotateWithoutTokens(t *testing.T) {
	b := newBench(t, store.Options{})
	var all []store.Made
	for range 250 {
		all = append(all, store.Made{})
	}
	for i := range all {
		all[i] = b.create(store.NewKey{Type: store.Secret})
	}
	with := func(peppers ...string) *store.Keys {
		keys, err := store.Options{Sealer: sealer(t, peppers...), FlushInterval: -1}.New(b.rows)
		if err != nil {
			t.Fatal(err)
		}
		return keys
	}
	works := func(keys *store.Keys, want error) {
		t.Helper()
		for _, made := range all {
			if _, err := keys.Authenticate(b.ctx, made.Token.Reveal()); !errors.Is(err, want) {
				t.Fatalf("%v, want %v", err, want)
			}
		}
	}
	reseal := func(keys *store.Keys, adopt bool, resealed, refused int) {
		t.Helper()
		last := 0
		n, bad, err := keys.Reseal(b.ctx, adopt, func(done int) { last = done })
		if err != nil || n != resealed || bad != refused || last != len(all) {
			t.Fatalf("Reseal: %d resealed, %d refused, progress to %d, %v; want %d, %d, %d", n, bad, last, err, resealed, refused, len(all))
		}
	}
	works(with(pepper1), store.ErrForged) // not sealed yet
	reseal(with(pepper1), false, 0, len(all))
	reseal(with(pepper1), true, len(all), 0)
	works(with(pepper1), nil)
	works(with(pepper2), store.ErrForged)
	works(with(pepper2, pepper1), nil)
	reseal(with(pepper2), true, 0, len(all)) // adoption is for rows without proof only
	reseal(with(pepper2, pepper1), false, len(all), 0)
	works(with(pepper2), nil) // the old one can go
	reseal(with(pepper2), false, 0, 0)
	if _, _, err := b.keys.Reseal(b.ctx, true, nil); !errors.Is(err, store.ErrInvalid) {
		t.Errorf("Reseal without peppers: %v", err)
	}
}

func TestRequirement05KeptRecordsAreForgedToEveryOtherSealer(t *testing.T) {
	s := sealer(t, pepper1)
	fresh := func(legacy bool) *store.Record {
		r := &store.Record{}
		storetest.Fill(t, r)
		if !legacy {
			r.Evidence = nil
		}
		s.Seal(r)
		return r.Clone()
	}
	keep := func(s *store.Sealer, r *store.Record) *store.Record {
		t.Helper()
		kept := &store.Record{}
		if err := s.VerifyInto(kept, r); err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(kept.Key, r.Key) {
			t.Errorf("kept %+v of %+v", kept.Key, r.Key)
		}
		return kept
	}
	t.Run("the same sealer does not ask again", func(t *testing.T) {
		kept := keep(s, fresh(false))
		if err := s.Verify(kept); err != nil || kept.Evidence != nil {
			t.Errorf("%v, with %+v", err, kept.Evidence)
		}
		if again := keep(s, kept); s.Verify(again) != nil {
			t.Error("a record that was kept cannot be kept again")
		}
		r := fresh(false)
		if err := errors.Join(s.VerifyInto(r, r), s.Verify(r)); err != nil || r.Evidence != nil {
			t.Errorf("in its own place: %v, with %+v", err, r.Evidence)
		}
	})
	t.Run("another one does, with the same pepper too", func(t *testing.T) {
		for _, other := range []*store.Sealer{sealer(t, pepper1), sealer(t, pepper2), sealer(t, pepper2, pepper1)} {
			if err := other.Verify(keep(s, fresh(false))); !errors.Is(err, store.ErrForged) {
				t.Errorf("got %v", err)
			}
		}
		if err := s.Verify(keep(s, fresh(false)).Clone()); !errors.Is(err, store.ErrForged) {
			t.Errorf("cloned: %v", err)
		}
	})
	t.Run("what is forged is not kept", func(t *testing.T) {
		r, kept := fresh(false), &store.Record{}
		r.Key.Scopes = nil
		if err := s.VerifyInto(kept, r); !errors.Is(err, store.ErrForged) || !reflect.DeepEqual(kept, &store.Record{}) {
			t.Errorf("%v, kept %+v", err, kept.Key)
		}
		if err := s.Verify(kept); !errors.Is(err, store.ErrForged) {
			t.Errorf("an empty record: %v", err)
		}
	})
	t.Run("what proves an imported key stays", func(t *testing.T) {
		r := fresh(true)
		kept := keep(s, r)
		if kept.Evidence != r.Evidence {
			t.Errorf("kept %+v of %+v", kept.Evidence, r.Evidence)
		}
		if err := sealer(t, pepper1).Verify(kept); err != nil {
			t.Error(err)
		}
	})
	t.Run("without a sealer everything stays, since nothing was checked", func(t *testing.T) {
		var none *store.Sealer
		r := fresh(false)
		kept := keep(none, r)
		if kept.Evidence != r.Evidence || s.Verify(kept) != nil || none.Verify(kept) != nil {
			t.Errorf("kept %+v of %+v", kept.Evidence, r.Evidence)
		}
		r.Evidence, r.Key.Scopes = nil, nil
		if err := s.Verify(keep(none, r)); !errors.Is(err, store.ErrForged) {
			t.Errorf("a record without a proof: %v", err)
		}
	})
}

func TestEmptyEvidenceIsNone(t *testing.T) {
	s := sealer(t, pepper1)
	none, empty := &store.Record{}, &store.Record{Evidence: &store.Evidence{Proof: []byte{}, LegacyHash: []byte{}}}
	if !reflect.DeepEqual(none.Clone(), empty.Clone()) {
		t.Error("clones differ")
	}
	s.Seal(none)
	s.Seal(empty)
	if !reflect.DeepEqual(none.Clone(), empty.Clone()) {
		t.Errorf("proofs differ: %+v, %+v", none.Evidence, empty.Evidence)
	}
	var without *store.Sealer
	if without.Seal(none); none.Evidence != nil {
		t.Errorf("a proof that nobody checks: %+v", none.Evidence)
	}
}

// A cache keeps a hundred thousand of these.
func TestRecordIsSmall(t *testing.T) {
	if size := unsafe.Sizeof(store.Record{}); unsafe.Sizeof(uintptr(0)) == 8 && size > 352 {
		t.Errorf("a record takes %d bytes, want 352 at most. A text is 16 of them: raise it on purpose, and say so", size)
	}
}
