package store_test

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/latchkey-go/latchkey/store"
)

func TestOptions(t *testing.T) {
	for name, o := range map[string]store.Options{
		"a namespace that starts with a digit": {Namespace: "1abc"},
		"a namespace of one letter":            {Namespace: "a"},
		"a namespace with capitals":            {Namespace: "Acme"},
		"a namespace that looks like Stripe's": {Namespace: "live"},
		"a negative lifetime":                  {MaxLifetime: -1},
	} {
		if keys, err := o.New(store.NewMemory()); !errors.Is(err, store.ErrInvalid) || keys != nil {
			t.Errorf("%s: %v, %v", name, keys, err)
		}
	}
	if _, err := (store.Options{}).New(nil); !errors.Is(err, store.ErrInvalid) {
		t.Errorf("no store: %v", err)
	}
	shared := sharing{store.NewMemory()}
	if _, err := (store.Options{Sealer: sealer(t, pepper1)}).New(shared); !errors.Is(err, store.ErrInvalid) {
		t.Errorf("peppers over a shared cache without sealer: %v", err)
	}
	if _, err := (store.Options{}).New(shared); err != nil {
		t.Errorf("no peppers over a shared cache: %v", err)
	}
	own := checking{store.NewMemory(), sealer(t, pepper1)}
	for name, other := range map[string]*store.Sealer{"no peppers": nil, "another sealer, with the same pepper": sealer(t, pepper1)} {
		if _, err := (store.Options{Sealer: other}).New(own); !errors.Is(err, store.ErrInvalid) {
			t.Errorf("%s over a store that checks: %v", name, err)
		}
	}
	if _, err := (store.Options{Sealer: own.sealer}).New(own); err != nil {
		t.Errorf("the same sealer: %v", err)
	}
}

type checking struct {
	store.Store
	sealer *store.Sealer
}

func (s checking) Info() store.Info { return store.Info{Name: "checking", Sealer: s.sealer} }

type sharing struct{ store.Store }

func (sharing) Info() store.Info { return store.Info{Name: "shared", SharedCache: true} }

func TestRequirement01CreateFailsClosedWithoutRandomness(t *testing.T) {
	for name, random := range map[string]io.Reader{
		"a reader that fails":    failing{},
		"a reader that runs dry": io.LimitReader(constant{}, 20),
	} {
		b := newBench(t, store.Options{Random: random})
		if made, err := b.keys.Create(b.ctx, store.NewKey{Type: store.Secret}); err == nil || made.Token.Reveal() != "" {
			t.Errorf("%s: made %v, %v", name, made, err)
		}
		if n := b.rows.changes.Load(); n != 0 {
			t.Errorf("%s: %d changes", name, n)
		}
	}
}

type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, errors.New("no entropy") }

type constant struct{}

func (constant) Read(b []byte) (int, error) { clear(b); return len(b), nil }

func TestCreate(t *testing.T) {
	b := newBench(t, store.Options{})
	ctx := store.WithRequestID(store.WithActor(b.ctx, "user_7"), "req-9")
	in := store.NewKey{
		Type: store.Publishable, Title: "  Shop <ü> ", Scopes: []string{"a:b", "c", "a:b"}, SalesChannelIDs: []string{"sc_2", "sc_1", "sc_2"},
		Metadata: map[string]string{"a": "b"}, AllowedCIDRs: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("::ffff:192.168.0.0/112")},
		RateLimit: store.RateLimit{Requests: 5, Window: time.Minute}, ExpiresAt: start.Add(time.Hour + time.Microsecond).In(time.FixedZone("", 3600)),
	}
	made, err := b.keys.Create(ctx, in)
	if err != nil {
		t.Fatal(err)
	}
	want := store.Key{
		ID: made.Key.ID, Type: store.Publishable, Title: "  Shop <ü> ", Redacted: made.Token.Redacted(), Token: made.Token.Reveal(), LookupID: made.Token.LookupID(),
		Scopes: []string{"a:b", "c"}, SalesChannelIDs: []string{"sc_2", "sc_1"}, Metadata: map[string]string{"a": "b"},
		AllowedCIDRs: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("192.168.0.0/16")},
		RateLimit:    store.RateLimit{Requests: 5, Window: time.Minute}, ExpiresAt: store.TimeOf(start.Add(time.Hour)),
		CreatedBy: "user_7", CreatedAt: store.TimeOf(start), UpdatedAt: store.TimeOf(start), Version: 1,
	}
	if !reflect.DeepEqual(*made.Key, want) {
		t.Errorf("made\n%+v, want\n%+v", *made.Key, want)
	}
	got, err := b.keys.Get(b.ctx, made.Key.ID)
	if err != nil || !reflect.DeepEqual(*got, want) {
		t.Errorf("got\n%+v, want\n%+v (%v)", got, want, err)
	}
	in.Scopes[0], in.Metadata["a"] = "changed", "changed"
	if got, _ := b.keys.Get(b.ctx, made.Key.ID); got.Scopes[0] != "a:b" || got.Metadata["a"] != "b" {
		t.Errorf("the key holds on to what the caller gave: %+v", got)
	}
	events, err := b.keys.Events(b.ctx, store.EventQuery{KeyID: made.Key.ID})
	if err != nil || len(events) != 1 || events[0].Actor != "user_7" || events[0].RequestID != "req-9" || events[0].Kind != store.Created || !events[0].At.Equal(start) {
		t.Errorf("events: %+v, %v", events, err)
	}
	secret := b.create(store.NewKey{Type: store.Secret})
	if secret.Key.Token != "" || secret.Token.Reveal() == "" {
		t.Errorf("a secret key holds its token: %+v", secret.Key)
	}
}

func TestRequirement26CreateRefusesBadInputAsAWhole(t *testing.T) {
	b := newBench(t, store.Options{})
	long := strings.Repeat("x", 1025)
	for name, n := range map[string]store.NewKey{
		"no type":                    {},
		"an unknown type":            {Type: "admin"},
		"a title that is too long":   {Type: store.Secret, Title: long},
		"a title with NUL":           {Type: store.Secret, Title: "a\x00b"},
		"a title that is no UTF-8":   {Type: store.Secret, Title: "\xff"},
		"an empty scope":             {Type: store.Secret, Scopes: []string{""}},
		"a scope with a space":       {Type: store.Secret, Scopes: []string{"a b"}},
		"a scope with a line break":  {Type: store.Secret, Scopes: []string{"a\n"}},
		"too many scopes":            {Type: store.Secret, Scopes: slices.Collect(numbers(101))},
		"channels on a secret key":   {Type: store.Secret, SalesChannelIDs: []string{"sc_1"}},
		"an empty channel":           {Type: store.Publishable, SalesChannelIDs: []string{""}},
		"too many channels":          {Type: store.Publishable, SalesChannelIDs: slices.Collect(numbers(1001))},
		"too much metadata":          {Type: store.Secret, Metadata: map[string]string{"a": strings.Repeat("x", 16<<10)}},
		"metadata with NUL":          {Type: store.Secret, Metadata: map[string]string{"a": "\x00"}},
		"an invalid network":         {Type: store.Secret, AllowedCIDRs: []netip.Prefix{{}}},
		"a network with host bits":   {Type: store.Secret, AllowedCIDRs: []netip.Prefix{netip.MustParsePrefix("10.0.0.1/8")}},
		"a rate limit of no window":  {Type: store.Secret, RateLimit: store.RateLimit{Requests: 5}},
		"a negative rate limit":      {Type: store.Secret, RateLimit: store.RateLimit{Requests: -5, Window: time.Minute}},
		"an expiry beyond the years": {Type: store.Secret, ExpiresAt: time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC)},
		"an expiry that has passed":  {Type: store.Secret, ExpiresAt: start},
		"an expiry before 1970":      {Type: store.Secret, ExpiresAt: time.Date(1969, 1, 1, 0, 0, 0, 0, time.UTC)},
	} {
		_, err := b.keys.CreateMany(b.ctx, []store.NewKey{{Type: store.Secret, Title: "good"}, n})
		if told := new(store.Error); !errors.Is(err, store.ErrInvalid) || !errors.As(err, &told) || told.Message == "" || len(told.Message) > 500 {
			t.Errorf("%s: %v, want a short ErrInvalid", name, err)
		}
	}
	if _, err := b.keys.CreateMany(b.ctx, make([]store.NewKey, store.MaxCreate+1)); !errors.Is(err, store.ErrInvalid) {
		t.Errorf("too many keys: %v", err)
	}
	if n := b.rows.changes.Load(); n != 0 {
		t.Errorf("%d changes reached the store", n)
	}
}

func numbers(n int) func(func(string) bool) {
	return func(yield func(string) bool) {
		for i := range n {
			if !yield("s" + strings.Repeat("i", i%50) + string(rune('a'+i/50))) {
				return
			}
		}
	}
}

func TestRequirement08AuthenticateAsksTheClockEveryTime(t *testing.T) {
	b := newBench(t, store.Options{})
	expiring := b.create(store.NewKey{Type: store.Secret, ExpiresAt: start.Add(time.Hour)})
	scheduled := b.create(store.NewKey{Type: store.Publishable})
	if _, err := b.keys.RevokeAt(b.ctx, scheduled.Key.ID, b.keys.Now().Add(30*time.Minute)); err != nil {
		t.Fatal(err)
	}
	revoked := b.create(store.NewKey{Type: store.Secret})
	if _, err := b.keys.Revoke(b.ctx, revoked.Key.ID); err != nil {
		t.Fatal(err)
	}
	b.clock.advance(-time.Hour) // a clock behind: revoked now means now all the same
	if err := b.authenticated(revoked); !errors.Is(err, store.ErrRevoked) {
		t.Errorf("revoked, clock behind: %v", err)
	}
	b.clock.advance(time.Hour + 30*time.Minute - time.Millisecond)
	for _, made := range []store.Made{expiring, scheduled} {
		if err := b.authenticated(made); err != nil {
			t.Errorf("a millisecond before: %v", err)
		}
	}
	b.clock.advance(time.Millisecond)
	if err := b.authenticated(scheduled); !errors.Is(err, store.ErrRevoked) || !errors.Is(err, store.ErrUnauthenticated) {
		t.Errorf("at its revocation: %v", err)
	}
	b.clock.advance(30 * time.Minute)
	if err := b.authenticated(expiring); !errors.Is(err, store.ErrExpired) || !errors.Is(err, store.ErrUnauthenticated) {
		t.Errorf("at its expiry: %v", err)
	}
}

func TestRequirement06AuthenticateRefusesWithoutAsking(t *testing.T) {
	b := newBench(t, store.Options{RefuseMedusaTokens: true})
	made := b.create(store.NewKey{Type: store.Secret})
	before := b.rows.lookups.Load()
	raw := made.Token.Reveal()
	for _, bad := range []string{"", "sk_", raw[:len(raw)-1], raw + "x", "pk" + raw[2:], strings.ToUpper(raw), "sk_ü", strings.Repeat("s", 500), medusaSecret} {
		if _, err := b.keys.Authenticate(b.ctx, bad); !errors.Is(err, store.ErrMalformed) {
			t.Errorf("%q: %v", bad, err)
		}
	}
	if _, err := b.keys.Authenticate(b.ctx, raw, store.Publishable); !errors.Is(err, store.ErrWrongType) || errors.Is(err, store.ErrUnauthenticated) {
		t.Errorf("wrong type: %v", err)
	}
	if n := b.rows.lookups.Load() - before; n != 0 {
		t.Errorf("%d lookups", n)
	}
	if _, err := b.keys.Authenticate(b.ctx, raw, store.Publishable, store.Secret); err != nil {
		t.Errorf("either type: %v", err)
	}
	other := newBench(t, store.Options{})
	if err := other.authenticated(made); !errors.Is(err, store.ErrUnknownToken) {
		t.Errorf("a key of another store: %v", err)
	}
	if _, err := other.keys.Authenticate(b.ctx, medusaSecret); !errors.Is(err, store.ErrUnknownToken) {
		t.Errorf("an unknown Medusa token: %v", err)
	}
}

func TestRequirement11AuthenticateSaysWhenItCannotDecide(t *testing.T) {
	b := newBench(t, store.Options{})
	made := b.create(store.NewKey{Type: store.Secret})
	for _, err := range []error{store.ErrUnavailable, errors.New("disk on fire"), context.DeadlineExceeded, store.ErrNotFound} {
		b.rows.fail(err)
		if got := b.authenticated(made); !errors.Is(got, store.ErrUnavailable) || errors.Is(got, store.ErrUnauthenticated) {
			t.Errorf("lookup failed with %v: %v, want ErrUnavailable", err, got)
		}
	}
}

func TestRevoke(t *testing.T) {
	b := newBench(t, store.Options{})
	ctx := store.WithActor(b.ctx, "user_2")
	secret := b.create(store.NewKey{Type: store.Secret})
	public := b.create(store.NewKey{Type: store.Publishable})
	b.clock.advance(time.Minute)

	t.Run("now ends the key and says who", func(t *testing.T) {
		key, err := b.keys.Revoke(ctx, secret.Key.ID)
		if err != nil || !key.Revoked || !key.RevokedAt.Time().Equal(start.Add(time.Minute)) || key.RevokedBy != "user_2" || key.UpdatedAt != key.RevokedAt || key.Version != 2 {
			t.Errorf("%+v, %v", key, err)
		}
	})
	t.Run("of a dead secret key is an error in Medusa's words, and is told again", func(t *testing.T) {
		_, err := b.keys.Revoke(ctx, secret.Key.ID)
		if !errors.Is(err, store.ErrInvalid) || err.Error() != "There are 1 secret keys that are already revoked." {
			t.Error(err)
		}
		if events, _ := b.keys.Events(b.ctx, store.EventQuery{KeyID: secret.Key.ID}); len(events) != 3 {
			t.Errorf("%d events, want created, revoked, revoked", len(events))
		}
	})
	t.Run("of a key long dead is told no more", func(t *testing.T) {
		b.clock.advance(time.Hour)
		if _, err := b.keys.Revoke(ctx, secret.Key.ID); !errors.Is(err, store.ErrInvalid) {
			t.Error(err)
		}
		if events, _ := b.keys.Events(b.ctx, store.EventQuery{KeyID: secret.Key.ID}); len(events) != 3 {
			t.Errorf("%d events, want 3", len(events))
		}
	})
	t.Run("in the future can be moved sooner and later", func(t *testing.T) {
		for _, in := range []time.Duration{time.Hour, time.Minute, 2 * time.Hour} {
			key, err := b.keys.RevokeAt(ctx, public.Key.ID, b.keys.Now().Add(in))
			if err != nil || key.Revoked || !key.RevokedAt.Time().Equal(b.clock.Now().Add(in)) {
				t.Errorf("in %s: %+v, %v", in, key, err)
			}
			if err := b.authenticated(public); err != nil {
				t.Errorf("before its time: %v", err)
			}
		}
	})
	t.Run("never brings a publishable key back", func(t *testing.T) {
		first, err := b.keys.RevokeAt(ctx, public.Key.ID, b.keys.Now().Add(-5))
		if err != nil || !first.Revoked {
			t.Fatal(first, err)
		}
		at := first.RevokedAt
		b.clock.advance(time.Second)
		for _, in := range []time.Duration{time.Hour, 0} {
			key, err := b.keys.RevokeAt(ctx, public.Key.ID, b.keys.Now().Add(in))
			if err != nil || key.RevokedAt != at {
				t.Errorf("again, in %s: %+v, %v", in, key, err)
			}
			if err := b.authenticated(public); !errors.Is(err, store.ErrRevoked) {
				t.Errorf("again, in %s: %v", in, err)
			}
		}
	})
	t.Run("refuses what it cannot do", func(t *testing.T) {
		if _, err := b.keys.Revoke(ctx, "apk_none"); !errors.Is(err, store.ErrNotFound) || err.Error() != "API Key with id: apk_none was not found" {
			t.Error(err)
		}
		alive := b.create(store.NewKey{Type: store.Secret})
		if _, err := b.keys.RevokeAt(ctx, alive.Key.ID, time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC)); !errors.Is(err, store.ErrInvalid) {
			t.Error(err)
		}
		at := time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC)
		if key, err := b.keys.RevokeAt(ctx, alive.Key.ID, at); err != nil || !key.RevokedAt.Time().Equal(at) {
			t.Errorf("%+v, %v", key, err)
		}
	})
}

func TestRoll(t *testing.T) {
	b := newBench(t, store.Options{})
	full := store.NewKey{
		Type: store.Publishable, Title: "shop", Scopes: []string{"a"}, SalesChannelIDs: []string{"sc_1"}, Metadata: map[string]string{"k": "v"},
		AllowedCIDRs: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}, RateLimit: store.RateLimit{Requests: 1, Window: time.Second}, ExpiresAt: start.Add(24 * time.Hour),
	}
	t.Run("makes a successor with the same power and revokes the old key", func(t *testing.T) {
		old, err := b.keys.Create(store.WithActor(b.ctx, "user_1"), full)
		if err != nil {
			t.Fatal(err)
		}
		b.clock.advance(time.Minute)
		next, err := b.keys.Roll(store.WithActor(b.ctx, "user_2"), old.Key.ID, store.RollOptions{})
		if err != nil {
			t.Fatal(err)
		}
		want := *old.Key
		want.ID, want.Redacted, want.Token, want.LookupID = next.Key.ID, next.Token.Redacted(), next.Token.Reveal(), next.Token.LookupID()
		want.CreatedAt, want.UpdatedAt, want.RolledFrom = store.TimeOf(b.clock.Now()), store.TimeOf(b.clock.Now()), old.Key.ID
		if !reflect.DeepEqual(*next.Key, want) {
			t.Errorf("got\n%+v, want\n%+v", *next.Key, want)
		}
		if err := b.authenticated(old); !errors.Is(err, store.ErrRevoked) {
			t.Errorf("old: %v", err)
		}
		if err := b.authenticated(next); err != nil {
			t.Errorf("new: %v", err)
		}
		if key, _ := b.keys.Get(b.ctx, old.Key.ID); key.RevokedBy != "user_2" {
			t.Errorf("revoked by %q", key.RevokedBy)
		}
		if _, err := b.keys.Roll(b.ctx, old.Key.ID, store.RollOptions{}); !errors.Is(err, store.ErrNotAllowed) {
			t.Errorf("rolling it again: %v", err)
		}
	})
	t.Run("leaves a grace period that never extends the old key's life", func(t *testing.T) {
		old := b.create(full)
		if _, err := b.keys.RevokeAt(b.ctx, old.Key.ID, b.keys.Now().Add(time.Hour)); err != nil {
			t.Fatal(err)
		}
		if _, err := b.keys.Roll(b.ctx, old.Key.ID, store.RollOptions{Grace: 2 * time.Hour}); err != nil {
			t.Fatal(err)
		}
		if key, _ := b.keys.Get(b.ctx, old.Key.ID); !key.RevokedAt.Time().Equal(b.clock.Now().Add(time.Hour)) || key.Revoked {
			t.Errorf("%+v", key)
		}
		graceful := b.create(full)
		if _, err := b.keys.Roll(b.ctx, graceful.Key.ID, store.RollOptions{Grace: time.Hour}); err != nil {
			t.Fatal(err)
		}
		if err := b.authenticated(graceful); err != nil {
			t.Errorf("within its grace: %v", err)
		}
		b.clock.advance(time.Hour)
		if err := b.authenticated(graceful); !errors.Is(err, store.ErrRevoked) {
			t.Errorf("after its grace: %v", err)
		}
	})
	t.Run("of an unknown or expired key is refused", func(t *testing.T) {
		if _, err := b.keys.Roll(b.ctx, "apk_none", store.RollOptions{}); !errors.Is(err, store.ErrNotFound) {
			t.Error(err)
		}
		brief := b.create(store.NewKey{Type: store.Secret, ExpiresAt: b.clock.Now().Add(time.Second)})
		b.clock.advance(time.Second)
		if _, err := b.keys.Roll(b.ctx, brief.Key.ID, store.RollOptions{}); !errors.Is(err, store.ErrNotAllowed) {
			t.Error(err)
		}
	})
}

func TestDelete(t *testing.T) {
	b := newBench(t, store.Options{})
	dead, alive, scheduled := b.create(store.NewKey{Type: store.Secret}), b.create(store.NewKey{Type: store.Secret}), b.create(store.NewKey{Type: store.Secret})
	for id, in := range map[string]time.Duration{dead.Key.ID: 0, scheduled.Key.ID: time.Hour} {
		if _, err := b.keys.RevokeAt(b.ctx, id, b.keys.Now().Add(in)); err != nil {
			t.Fatal(err)
		}
	}
	err := b.keys.Delete(b.ctx, dead.Key.ID, alive.Key.ID, scheduled.Key.ID)
	if want := "Cannot delete api keys that are not revoked - " + alive.Key.ID + ", " + scheduled.Key.ID; !errors.Is(err, store.ErrNotAllowed) || err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
	if _, err := b.keys.Get(b.ctx, dead.Key.ID); err != nil {
		t.Errorf("deleted though the call failed: %v", err)
	}
	for range 2 {
		if err := b.keys.Delete(b.ctx, dead.Key.ID, "apk_none"); err != nil {
			t.Error(err)
		}
	}
	if _, err := b.keys.Get(b.ctx, dead.Key.ID); !errors.Is(err, store.ErrNotFound) {
		t.Error(err)
	}
	if err := b.authenticated(dead); !errors.Is(err, store.ErrUnknownToken) {
		t.Error(err)
	}
	b.clock.advance(time.Hour)
	if err := b.keys.Delete(b.ctx, scheduled.Key.ID); err != nil {
		t.Errorf("when its time has come: %v", err)
	}
	if events, _ := b.keys.Events(b.ctx, store.EventQuery{KeyID: dead.Key.ID}); len(events) != 3 || events[2].Kind != store.Deleted {
		t.Errorf("the log outlives the key: %+v", events)
	}
}

func TestUpdate(t *testing.T) {
	b := newBench(t, store.Options{})
	made := b.create(store.NewKey{Type: store.Secret, Title: "a", ExpiresAt: start.Add(time.Hour), Scopes: []string{"x"}})
	b.clock.advance(time.Minute)
	same, err := b.keys.Update(b.ctx, made.Key.ID, store.Patch{Title: ptr("a"), Scopes: ptr([]string{"x"})})
	if err != nil || !same.UpdatedAt.Time().Equal(start) || same.Version != 1 {
		t.Errorf("nothing different: %+v, %v", same, err)
	}
	changed, err := b.keys.Update(b.ctx, made.Key.ID, store.Patch{
		Title: ptr("b"), Scopes: ptr([]string(nil)), Metadata: &map[string]string{"m": "1"}, AllowedCIDRs: &[]netip.Prefix{netip.MustParsePrefix("::/0")},
		RateLimit: &store.RateLimit{Requests: 1, Window: time.Hour}, ExpiresAt: &time.Time{},
	})
	if err != nil || changed.Title != "b" || changed.Scopes != nil || changed.Metadata["m"] != "1" || len(changed.AllowedCIDRs) != 1 || changed.RateLimit.Requests != 1 ||
		!changed.ExpiresAt.IsZero() || changed.Version != 2 || !changed.UpdatedAt.Time().Equal(start.Add(time.Minute)) {
		t.Errorf("everything different: %+v, %v", changed, err)
	}
	if _, err := b.keys.Update(b.ctx, made.Key.ID, store.Patch{Scopes: &[]string{"a b"}}); !errors.Is(err, store.ErrInvalid) {
		t.Errorf("a bad scope: %v", err)
	}
	if _, err := b.keys.Update(b.ctx, "apk_none", store.Patch{}); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("an unknown key: %v", err)
	}
	events, _ := b.keys.Events(b.ctx, store.EventQuery{KeyID: made.Key.ID})
	if len(events) != 3 || events[2].Details["fields"] != "title,scopes,metadata,allowed_cidrs,rate_limit,expires_at" {
		t.Errorf("events: %+v", events)
	}
	both, err := b.keys.UpdateAll(b.ctx, store.Filter{}, store.Patch{Title: ptr("all")})
	if err != nil || len(both) != 1 || both[0].Title != "all" {
		t.Errorf("UpdateAll: %v, %v", both, err)
	}
}

func TestLinkSalesChannels(t *testing.T) {
	b := newBench(t, store.Options{})
	public := b.create(store.NewKey{Type: store.Publishable})
	b.clock.advance(time.Minute)
	for _, step := range []struct {
		add, remove []string
		want        string
	}{
		{[]string{"b", "a", "b"}, nil, "b a"},
		{[]string{"a"}, []string{"none"}, "b a"},
		{[]string{"c"}, []string{"b"}, "a c"},
		{[]string{"a"}, []string{"a"}, "a c"},
		{nil, []string{"a", "c"}, ""},
		{nil, nil, ""},
	} {
		key, err := b.keys.LinkSalesChannels(b.ctx, public.Key.ID, step.add, step.remove)
		if err != nil || strings.Join(key.SalesChannelIDs, " ") != step.want || !key.UpdatedAt.Time().Equal(start) {
			t.Errorf("%+v: %+v, %v", step, key, err)
		}
	}
	secret := b.create(store.NewKey{Type: store.Secret})
	if _, err := b.keys.LinkSalesChannels(b.ctx, secret.Key.ID, nil, nil); !errors.Is(err, store.ErrInvalid) || err.Error() != "Sales channels can only be associated with publishable API keys" {
		t.Errorf("a secret key: %v", err)
	}
	if _, err := b.keys.LinkSalesChannels(b.ctx, "apk_none", nil, nil); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("an unknown key: %v", err)
	}
}

func TestRequirement25NoKeyHandsOutMoreThanItHas(t *testing.T) {
	b := newBench(t, store.Options{})
	inside, outside := netip.MustParsePrefix("10.1.0.0/16"), netip.MustParsePrefix("11.0.0.0/8")
	unlimited := b.create(store.NewKey{
		Type: store.Secret, Scopes: []string{"keys:write", "orders:read"}, AllowedCIDRs: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}, ExpiresAt: start.Add(time.Hour),
	})
	end, tenAMinute := start.Add(time.Hour), store.RateLimit{Requests: 10, Window: time.Minute}
	holder := b.create(store.NewKey{Type: store.Secret, Scopes: []string{"keys:write", "orders:read"}, AllowedCIDRs: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}, RateLimit: tenAMinute, ExpiresAt: end})
	as := store.NewContext(b.ctx, holder.Key)
	within := store.NewKey{Type: store.Secret, Scopes: []string{"orders:read"}, AllowedCIDRs: []netip.Prefix{inside}, RateLimit: tenAMinute, ExpiresAt: end}
	more := map[string]func(*store.NewKey){
		"all scopes":     func(n *store.NewKey) { n.Scopes = nil },
		"another scope":  func(n *store.NewKey) { n.Scopes = append(slices.Clone(n.Scopes), "orders:write") },
		"all addresses":  func(n *store.NewKey) { n.AllowedCIDRs = nil },
		"other networks": func(n *store.NewKey) { n.AllowedCIDRs = []netip.Prefix{inside, outside} },
		"wider networks": func(n *store.NewKey) { n.AllowedCIDRs = []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0")} },
		"no end":         func(n *store.NewKey) { n.ExpiresAt = time.Time{} },
		"a later end":    func(n *store.NewKey) { n.ExpiresAt = end.Add(time.Millisecond) },
		"no rate limit":  func(n *store.NewKey) { n.RateLimit = store.RateLimit{} },
		"more requests":  func(n *store.NewKey) { n.RateLimit.Requests++ },
		"more at once":   func(n *store.NewKey) { n.RateLimit = store.RateLimit{Requests: 20, Window: 2 * time.Minute} },
		"a faster pace":  func(n *store.NewKey) { n.RateLimit = store.RateLimit{Requests: 5, Window: 29 * time.Second} },
		"a channel":      func(n *store.NewKey) { n.Type, n.SalesChannelIDs = store.Publishable, []string{"sc_1"} },
	}
	for _, less := range []store.RateLimit{{Requests: 1, Window: time.Minute}, {Requests: 5, Window: 30 * time.Second}, {Requests: 10, Window: time.Hour}} {
		if _, err := b.keys.Update(as, b.create(within).Key.ID, store.Patch{RateLimit: &less}); err != nil {
			t.Errorf("less: %+v: %v", less, err)
		}
	}
	for name, widen := range more {
		n := within
		widen(&n)
		if _, err := b.keys.Create(as, n); !errors.Is(err, store.ErrForbidden) {
			t.Errorf("Create with %s: %v", name, err)
		}
		_, err := b.keys.Create(store.NewContext(b.ctx, unlimited.Key), n)
		if limits := len(n.Scopes) == 1 && n.ExpiresAt.Equal(end) && len(n.AllowedCIDRs) == 1 && n.AllowedCIDRs[0] == inside && n.Type == store.Secret; (err == nil) != limits {
			t.Errorf("Create by a key without a limit with %s: %v", name, err)
		}
		strong := b.create(n)
		if _, err := b.keys.Roll(as, strong.Key.ID, store.RollOptions{Grace: time.Minute}); !errors.Is(err, store.ErrForbidden) {
			t.Errorf("Roll of a key with %s: %v", name, err)
		}
		if err := b.authenticated(strong); err != nil {
			t.Errorf("the key that was not rolled: %v", err)
		}
		if n.Type != store.Secret {
			continue
		}
		weak := b.create(within)
		if _, err := b.keys.Update(as, weak.Key.ID, store.Patch{Scopes: &n.Scopes, AllowedCIDRs: &n.AllowedCIDRs, RateLimit: &n.RateLimit, ExpiresAt: &n.ExpiresAt}); !errors.Is(err, store.ErrForbidden) {
			t.Errorf("Update to %s: %v", name, err)
		}
		if key, _ := b.keys.Get(b.ctx, weak.Key.ID); key.Version != 1 {
			t.Errorf("Update to %s left %+v", name, key)
		}
		if _, err := b.keys.Update(store.WithActor(as, "user_1"), weak.Key.ID, store.Patch{Scopes: &n.Scopes, AllowedCIDRs: &n.AllowedCIDRs, RateLimit: &n.RateLimit, ExpiresAt: &n.ExpiresAt}); err != nil {
			t.Errorf("an actor is not bound: Update to %s: %v", name, err)
		}
	}
	public := b.create(store.NewKey{Type: store.Publishable})
	if _, err := b.keys.LinkSalesChannels(as, public.Key.ID, []string{"sc_1"}, nil); !errors.Is(err, store.ErrForbidden) {
		t.Errorf("link: %v", err)
	}
	t.Run("not even by scheduling a revocation later, or to itself", func(t *testing.T) {
		dying := b.create(within)
		if _, err := b.keys.RevokeAt(b.ctx, dying.Key.ID, b.keys.Now().Add(time.Minute)); err != nil {
			t.Fatal(err)
		}
		soon, err := b.keys.Get(b.ctx, dying.Key.ID)
		if err != nil {
			t.Fatal(err)
		}
		itself := store.NewContext(b.ctx, soon)
		if _, err := b.keys.RevokeAt(itself, dying.Key.ID, b.keys.Now().Add(time.Hour)); !errors.Is(err, store.ErrForbidden) {
			t.Errorf("later: %v", err)
		}
		if _, err := b.keys.Roll(itself, dying.Key.ID, store.RollOptions{}); !errors.Is(err, store.ErrForbidden) {
			t.Errorf("rolling itself into a longer life: %v", err)
		}
		if _, err := b.keys.RevokeAt(itself, dying.Key.ID, b.keys.Now().Add(time.Second)); err != nil {
			t.Errorf("sooner: %v", err)
		}
	})
	t.Run("an unrestricted key is bound by nothing", func(t *testing.T) {
		root := b.create(store.NewKey{Type: store.Secret})
		asRoot := store.NewContext(b.ctx, root.Key)
		made, err := b.keys.Create(asRoot, store.NewKey{Type: store.Publishable, SalesChannelIDs: []string{"sc_1"}})
		if err != nil || made.Key.CreatedBy != root.Key.ID {
			t.Errorf("%+v, %v", made, err)
		}
		if _, err := b.keys.LinkSalesChannels(asRoot, made.Key.ID, []string{"sc_2"}, nil); err != nil {
			t.Error(err)
		}
	})
}

func TestImportToken(t *testing.T) {
	b := newBench(t, store.Options{})
	key, made, err := b.keys.ImportToken(b.ctx, medusaSecret, store.NewKey{Title: "first"})
	if err != nil || !made || key.Type != store.Secret || key.Token != "" || key.Redacted != "sk_6c1***bf7" {
		t.Fatalf("%+v, %v, %v", key, made, err)
	}
	if got, err := b.keys.Authenticate(b.ctx, medusaSecret); err != nil || got.ID != key.ID {
		t.Errorf("%+v, %v", got, err)
	}
	if _, _, err := b.keys.ImportToken(b.ctx, medusaSecret, store.NewKey{Type: store.Publishable}); !errors.Is(err, store.ErrInvalid) {
		t.Errorf("a secret token where a publishable one is wanted: %v", err)
	}
	again, made, err := b.keys.ImportToken(b.ctx, medusaSecret, store.NewKey{Title: "second"})
	if err != nil || made || again == nil || again.ID != key.ID || again.Title != "first" {
		t.Errorf("again: %+v, %v, %v", again, made, err)
	}
	if _, err := b.keys.Revoke(b.ctx, key.ID); err != nil {
		t.Fatal(err)
	}
	if err := b.keys.Delete(b.ctx, key.ID); err != nil {
		t.Fatal(err)
	}
	if gone, made, err := b.keys.ImportToken(b.ctx, medusaSecret, store.NewKey{}); err != nil || made || gone != nil {
		t.Errorf("a deleted key came back: %+v, %v, %v", gone, made, err)
	}
	if _, _, err := b.keys.ImportToken(b.ctx, "sk_wrong", store.NewKey{}); !errors.Is(err, store.ErrInvalid) || strings.Contains(err.Error(), "sk_wrong") {
		t.Error(err)
	}
}

func TestMaxLifetime(t *testing.T) {
	b := newBench(t, store.Options{MaxLifetime: time.Hour})
	if made := b.create(store.NewKey{Type: store.Secret}); !made.Key.ExpiresAt.Time().Equal(start.Add(time.Hour)) {
		t.Errorf("no expiry asked for: %s", made.Key.ExpiresAt)
	}
	made := b.create(store.NewKey{Type: store.Secret, ExpiresAt: start.Add(time.Minute)})
	if _, err := b.keys.Create(b.ctx, store.NewKey{Type: store.Secret, ExpiresAt: start.Add(2 * time.Hour)}); !errors.Is(err, store.ErrInvalid) {
		t.Errorf("too late: %v", err)
	}
	if _, err := b.keys.Update(b.ctx, made.Key.ID, store.Patch{ExpiresAt: ptr(start.Add(2 * time.Hour))}); !errors.Is(err, store.ErrInvalid) {
		t.Errorf("made to last longer: %v", err)
	}
}

func TestLastUsed(t *testing.T) {
	b := newBench(t, store.Options{FlushInterval: time.Hour})
	made, other := b.create(store.NewKey{Type: store.Secret}), b.create(store.NewKey{Type: store.Secret})
	keep := &unclosed{Store: b.rows}
	keys, err := store.Options{Now: b.clock.Now, FlushInterval: time.Hour}.New(keep)
	if err != nil {
		t.Fatal(err)
	}
	var used time.Time
	for range 3 {
		b.clock.advance(time.Second)
		used = b.clock.Now()
		if _, err := keys.Authenticate(b.ctx, made.Token.Reveal()); err != nil {
			t.Fatal(err)
		}
		if _, err := keys.Verify(b.ctx, other.Token.Reveal()); err != nil { // no use
			t.Fatal(err)
		}
	}
	if n := b.rows.touches.Load(); n != 0 {
		t.Errorf("%d writes on the request path", n)
	}
	b.rows.fail(store.ErrUnavailable)
	if err := keys.Close(b.ctx); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("Close with the store out of reach: %v", err)
	}
	b.rows.fail(nil)
	if err := keys.Close(b.ctx); err != nil { // what could not be written has waited
		t.Fatal(err)
	}
	if key, _ := b.keys.Get(b.ctx, made.Key.ID); !key.LastUsedAt.Time().Equal(used) || key.Version != 1 {
		t.Errorf("after Close: %+v, want use at %s", key, used)
	}
	if key, _ := b.keys.Get(b.ctx, other.Key.ID); !key.LastUsedAt.IsZero() {
		t.Errorf("another key: %+v", key)
	}
	if n := b.rows.touches.Load(); n != 2 {
		t.Errorf("%d writes for three uses and two attempts, want 2", n)
	}
}

// unclosed keeps the store below usable after Keys.Close.
type unclosed struct{ store.Store }

func (unclosed) Close(context.Context) error { return nil }

func TestLastUsedIsWrittenByItself(t *testing.T) {
	rows := store.NewMemory()
	keys, err := store.Options{FlushInterval: time.Millisecond}.New(rows)
	if err != nil {
		t.Fatal(err)
	}
	defer keys.Close(context.Background())
	made, err := keys.Create(t.Context(), store.NewKey{Type: store.Secret})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := keys.Authenticate(t.Context(), made.Token.Reveal()); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(time.Millisecond) {
		if r, err := rows.Get(t.Context(), made.Key.ID); err == nil && !r.Key.LastUsedAt.IsZero() {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("the use was never written")
		}
	}
}

func TestConcurrentUse(t *testing.T) {
	b := newBench(t, store.Options{})
	var all sync.WaitGroup
	for w := range 8 {
		all.Go(func() {
			random := rand.New(rand.NewPCG(7, uint64(w)))
			for range 50 {
				made := b.create(store.NewKey{Type: store.Secret})
				if err := b.authenticated(made); err != nil {
					t.Error(err)
				}
				if random.IntN(2) == 0 {
					if _, err := b.keys.Revoke(b.ctx, made.Key.ID); err != nil {
						t.Error(err)
					}
					if err := b.authenticated(made); !errors.Is(err, store.ErrRevoked) {
						t.Error(err)
					}
				}
			}
		})
	}
	all.Wait()
	keys, n, err := b.keys.ListAndCount(b.ctx, store.Query{Limit: 10})
	if err != nil || len(keys) != 10 || n != 400 {
		t.Errorf("%d of %d keys, %v", len(keys), n, err)
	}
}
