package store_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/latchkey-go/latchkey/store"
)

// leaks makes a report of tokens, all from the same source.
func leaks(source string, tokens ...string) []store.Leak {
	var all []store.Leak
	for _, token := range tokens {
		all = append(all, store.Leak{Token: token, Source: source})
	}
	return all
}

func (b *bench) report(all []store.Leak) []*store.Key {
	b.Helper()
	ended, err := b.keys.ReportLeaks(store.WithActor(b.ctx, "leak-report"), all)
	if err != nil {
		b.Fatalf("ReportLeaks: %v", err)
	}
	return ended
}

// events returns the log from that event on.
func (b *bench) events(after int) []store.Event {
	b.Helper()
	events, err := b.keys.Events(b.ctx, store.EventQuery{After: int64(after)})
	if err != nil {
		b.Fatal(err)
	}
	return events
}

func TestALeakedSecretIsRevokedAtOnce(t *testing.T) {
	for name, o := range map[string]store.Options{"without peppers": {}, "with peppers": {Sealer: sealer(t, pepper1)}} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, o)
			leaked, scheduled, other := b.create(store.NewKey{Type: store.Secret}), b.create(store.NewKey{Type: store.Secret}), b.create(store.NewKey{Type: store.Secret})
			if _, err := b.keys.RevokeAt(b.ctx, scheduled.Key.ID, b.keys.Now().Add(time.Hour)); err != nil {
				t.Fatal(err)
			}
			before := len(b.events(0))
			changes := b.rows.changes.Load()
			ended := b.report(leaks("https://example.com/gist", leaked.Token.Reveal(), scheduled.Token.Reveal(), leaked.Token.Reveal()))
			if len(ended) != 2 {
				t.Fatalf("%d keys ended, want 2", len(ended))
			}
			if n := b.rows.changes.Load() - changes; n != 1 {
				t.Errorf("%d changes, want 1", n)
			}
			for _, made := range []store.Made{leaked, scheduled} {
				if err := b.authenticated(made); !errors.Is(err, store.ErrRevoked) {
					t.Errorf("after the report: %v, want ErrRevoked", err)
				}
				key, err := b.keys.Get(b.ctx, made.Key.ID)
				if err != nil || !key.Revoked || !key.RevokedAt.Time().Equal(start) || key.RevokedBy != "leak-report" {
					t.Errorf("%+v, %v", key, err)
				}
			}
			if err := b.authenticated(other); err != nil {
				t.Errorf("a key that nobody reported: %v", err)
			}
			log := b.events(before)
			if len(log) != 2 {
				t.Fatalf("%d events, want 2", len(log))
			}
			for _, e := range log {
				if e.Kind != store.Revoked || e.Actor != "leak-report" || e.Details["reason"] != "leaked" || e.Details["source"] != "https://example.com/gist" {
					t.Errorf("%+v", e)
				}
			}

			t.Run("and again changes nothing", func(t *testing.T) {
				before := len(b.events(0))
				if ended := b.report(leaks("", leaked.Token.Reveal())); len(ended) != 0 {
					t.Errorf("%d keys ended, want none", len(ended))
				}
				if log := b.events(before); len(log) != 0 {
					t.Errorf("events of strangers: %+v", log)
				}
				changes := b.rows.changes.Load()
				b.clock.advance(time.Hour)
				b.report(leaks("", leaked.Token.Reveal()))
				if n := b.rows.changes.Load() - changes; n != 0 {
					t.Errorf("a key that has long been dead takes the feed's lock %d times", n)
				}
			})
		})
	}
}

func TestWhatIsNoLeak(t *testing.T) {
	b := newBench(t, store.Options{})
	publishable := b.create(store.NewKey{Type: store.Publishable})
	secret := b.create(store.NewKey{Type: store.Secret}).Token.Reveal()
	// The last character of a token is one of its checksum's.
	wrong := secret[:len(secret)-1] + string('a'+('b'-secret[len(secret)-1])%2)
	unknown := newBench(t, store.Options{}).create(store.NewKey{Type: store.Secret}).Token.Reveal()
	lookups := b.rows.lookups.Load()
	changes := b.rows.changes.Load()
	if ended := b.report(leaks("", publishable.Token.Reveal(), wrong, "", "sk_", "ghp_x", secret+" ", medusaSecret, unknown)); len(ended) != 0 {
		t.Errorf("%d keys ended, want none", len(ended))
	}
	if n := b.rows.lookups.Load() - lookups; n != 2 {
		t.Errorf("%d lookups, want 2: of the Medusa token and the unknown one", n)
	}
	if n := b.rows.changes.Load() - changes; n != 0 {
		t.Errorf("%d changes, want none", n)
	}
	if err := b.authenticated(publishable); err != nil {
		t.Errorf("publishable keys are public: %v", err)
	}
	if _, err := b.keys.ReportLeaks(b.ctx, make([]store.Leak, store.MaxLeaks+1)); !errors.Is(err, store.ErrInvalid) {
		t.Errorf("too many at once: %v, want ErrInvalid", err)
	}
}

func TestLeaksOfImportedMedusaKeys(t *testing.T) {
	t.Run("one that has never been used is found by scrypt", func(t *testing.T) {
		b := newBench(t, store.Options{Sealer: sealer(t, pepper1)})
		b.imports(medusaKey(t, "apk_1", similar(1)), medusaKey(t, "apk_2", similar(2)))
		if ended := b.report(leaks("", similar(3), similar(2))); len(ended) != 1 || ended[0].ID != "apk_2" {
			t.Errorf("%+v", ended)
		}
		if _, err := b.keys.Authenticate(b.ctx, similar(2)); !errors.Is(err, store.ErrUnauthenticated) {
			t.Errorf("after the report: %v", err)
		}
		if _, err := b.keys.Authenticate(b.ctx, similar(1)); err != nil {
			t.Errorf("the other one: %v", err)
		}
	})
	t.Run("one that has been used is found by its lookup id", func(t *testing.T) {
		b := newBench(t, store.Options{RefuseMedusaTokens: true})
		b.imports(medusaKey(t, "apk_1", similar(1)))
		willing, err := store.Options{FlushInterval: -1, Now: b.clock.Now}.New(b.rows)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := willing.Authenticate(b.ctx, similar(1)); err != nil {
			t.Fatal(err)
		}
		b.upgraded("apk_1")
		// Also where such tokens are refused: the option may be taken back.
		if ended := b.report(leaks("", similar(1))); len(ended) != 1 {
			t.Errorf("%+v", ended)
		}
		if _, err := willing.Authenticate(b.ctx, similar(1)); !errors.Is(err, store.ErrRevoked) {
			t.Errorf("%v, want ErrRevoked", err)
		}
	})
	t.Run("they wait for the places of first uses, and not for long", func(t *testing.T) {
		b := newBench(t, store.Options{MaxScrypt: 1})
		b.imports(medusaKey(t, "apk_1", similar(1)))
		var all sync.WaitGroup
		var busy atomic.Int64
		for i := range 200 {
			all.Go(func() {
				switch _, err := b.keys.ReportLeaks(b.ctx, leaks("", similar(1000+i))); {
				case errors.Is(err, store.ErrUnavailable):
					busy.Add(1)
				case err != nil:
					t.Error(err)
				}
			})
		}
		all.Wait()
		if busy.Load() == 0 {
			t.Error("200 reports of wrong tokens over one place: none was told to come back")
		}
		if ended := b.report(leaks("", similar(1))); len(ended) != 1 {
			t.Errorf("after the flood: %+v", ended)
		}
	})
}

// A report must not make a forged row genuine, nor be kept from ending it.
func TestALeakedForgedKeyStaysForged(t *testing.T) {
	b := newBench(t, store.Options{Sealer: sealer(t, pepper1)})
	made := b.create(store.NewKey{Type: store.Secret, Scopes: []string{"orders:read"}})
	if _, err := b.rows.Store.Change(b.ctx, store.Actor{}, func(tx store.Tx) error {
		r, err := b.rows.Get(b.ctx, made.Key.ID)
		if err != nil {
			return err
		}
		r.Key.Scopes = nil
		return tx.Update(b.ctx, r, store.Event{Kind: store.Updated})
	}); err != nil {
		t.Fatal(err)
	}
	if ended := b.report(leaks("", made.Token.Reveal())); len(ended) != 1 {
		t.Errorf("%+v", ended)
	}
	r, err := b.rows.Get(b.ctx, made.Key.ID)
	if err != nil || !r.Key.Revoked || sealer(t, pepper1).Verify(r) == nil {
		t.Errorf("%+v, %v: want it revoked, and its proof still wrong", r.Key, err)
	}
}

// A record from a cache may be another key's, or older than the key is: what counts is what the
// change finds.
func TestAReportEndsOnlyTheKeyOfItsToken(t *testing.T) {
	b := newBench(t, store.Options{})
	victim := b.create(store.NewKey{Type: store.Secret})
	reported := newBench(t, store.Options{}).create(store.NewKey{Type: store.Secret}).Token
	lying := lyingLookup{b.rows, func(id store.LookupID) *store.Record {
		return &store.Record{Key: store.Key{ID: victim.Key.ID, Type: store.Secret, LookupID: id}}
	}}
	keys, err := store.Options{FlushInterval: -1}.New(lying)
	if err != nil {
		t.Fatal(err)
	}
	if ended, err := keys.ReportLeaks(b.ctx, leaks("", reported.Reveal())); len(ended) != 0 || err != nil {
		t.Errorf("%+v, %v", ended, err)
	}
	if err := b.authenticated(victim); err != nil {
		t.Errorf("the key that a planted record named: %v", err)
	}
}

func TestALeakThatCannotBeDecidedIsAnError(t *testing.T) {
	b := newBench(t, store.Options{})
	first, second := b.create(store.NewKey{Type: store.Secret}), b.create(store.NewKey{Type: store.Secret})
	failing := failingLookup{b.rows, first.Token.LookupID()}
	keys, err := store.Options{FlushInterval: -1, Now: b.clock.Now}.New(failing)
	if err != nil {
		t.Fatal(err)
	}
	ended, err := keys.ReportLeaks(b.ctx, leaks("", first.Token.Reveal(), second.Token.Reveal()))
	if !errors.Is(err, store.ErrUnavailable) || len(ended) != 1 || ended[0].ID != second.Key.ID {
		t.Errorf("one of two lookups fails: %+v, %v; want the other ended, and ErrUnavailable", ended, err)
	}
	b.rows.failChanges(store.ErrUnavailable)
	if ended, err := b.keys.ReportLeaks(b.ctx, leaks("", first.Token.Reveal())); !errors.Is(err, store.ErrUnavailable) || len(ended) != 0 {
		t.Errorf("the change fails: %+v, %v", ended, err)
	}
}

func TestTheSourceOfALeakIsFitForTheLog(t *testing.T) {
	b := newBench(t, store.Options{Namespace: "acme"})
	other := newBench(t, store.Options{}).create(store.NewKey{Type: store.Secret}).Token
	for name, c := range map[string]struct {
		source func(token string) string
		want   string
	}{
		"the token itself": {func(token string) string { return "https://x.example/?key=" + token + "&next=" + token }, "https://x.example/?key={R}&next={R}"},
		"another token":    {func(string) string { return "a " + other.Reveal() + "." }, "a " + other.Redacted() + "."},
		"one of Medusa":    {func(string) string { return medusaSecret }, medusaSecret[:6] + "***" + medusaSecret[64:]},
		"a short word":     {func(string) string { return "sk_short task_list" }, "sk_short task_list"},
		"lines":            {func(string) string { return "a\nb\x1b[2J\x00c" }, "a�b�[2J�c"},
		"not UTF-8":        {func(string) string { return "a\xffb" }, "a�b"},
		"too long":         {func(string) string { return strings.Repeat("ä", 400) }, strings.Repeat("ä", 250)},
		"half a character": {func(string) string { return "a" + strings.Repeat("ä", 400) }, "a" + strings.Repeat("ä", 249)},
	} {
		t.Run(name, func(t *testing.T) {
			made := b.create(store.NewKey{Type: store.Secret})
			before := len(b.events(0))
			b.report(leaks(c.source(made.Token.Reveal()), made.Token.Reveal()))
			log := b.events(before)
			if len(log) != 1 {
				t.Fatalf("%d events", len(log))
			}
			want := strings.ReplaceAll(c.want, "{R}", made.Token.Redacted())
			if got := log[0].Details["source"]; got != want || !utf8.ValidString(got) {
				t.Errorf("%q, want %q", got, want)
			}
			if strings.Contains(fmt.Sprint(log), made.Token.Reveal()) {
				t.Error("the log holds the token")
			}
		})
	}
}

// lyingLookup answers lookups with a record that somebody has planted.
type lyingLookup struct {
	store.Store
	plant func(store.LookupID) *store.Record
}

func (s lyingLookup) Lookup(_ context.Context, id store.LookupID, _ string) (store.Found, error) {
	return store.Found{Record: s.plant(id)}, nil
}

// failingLookup cannot look up one id.
type failingLookup struct {
	store.Store
	id store.LookupID
}

func (s failingLookup) Lookup(ctx context.Context, id store.LookupID, redacted string) (store.Found, error) {
	if id == s.id {
		return store.Found{}, store.ErrUnavailable
	}
	return s.Store.Lookup(ctx, id, redacted)
}
