package store_test

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/crypto/scrypt"

	"github.com/latchkey-go/latchkey/store"
)

// medusaKey returns a secret key as Medusa stores it. The salt goes into scrypt as its hexadecimal
// text.
func medusaKey(t testing.TB, id, token string) store.ImportKey {
	t.Helper()
	salt := hex.EncodeToString([]byte("0123456789abcdef"))
	hash, err := scrypt.Key([]byte(token), []byte(salt), 16384, 8, 1, 64)
	if err != nil {
		t.Fatal(err)
	}
	return store.ImportKey{
		Key: store.Key{ID: id, Type: store.Secret, Title: "from Medusa", Redacted: token[:6] + "***" + token[len(token)-3:],
			CreatedBy: "user_1", CreatedAt: store.TimeOf(start.Add(-time.Hour)), UpdatedAt: store.TimeOf(start.Add(-time.Minute))},
		Salt: salt, Hash: hash,
	}
}

// similar returns Medusa tokens that share a redacted form.
func similar(n int) string {
	return fmt.Sprintf("sk_6c1%058dbf7", n)
}

func (b *bench) imports(batch ...store.ImportKey) store.ImportResult {
	b.Helper()
	result, err := b.keys.Import(b.ctx, batch, false)
	if err != nil {
		b.Fatal(err)
	}
	return result
}

// upgraded waits until the key has its lookup id.
func (b *bench) upgraded(id string) *store.Record {
	b.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(time.Millisecond) {
		r, err := b.rows.Get(b.ctx, id)
		if err != nil {
			b.Fatal(err)
		}
		if !r.Key.LookupID.IsZero() {
			return r
		}
		if time.Now().After(deadline) {
			b.Fatal("the key was never upgraded")
		}
	}
}

// TestScryptIsMedusas holds the derivation against a vector made by Medusa's own call, node's
// crypto.scryptSync("sk_…", "00112233445566778899aabbccddeeff", 64).
const nodeScrypt = "9e0b652a2b0d7cd1428fc73a12defefc7e8b9f51e963ec7686ee7cff54a926bb460899bfee889886bdfc22bda9970d1d1fcac3370ebdc2720d0f2ada0c1043c0"

func TestScryptIsMedusas(t *testing.T) {
	b := newBench(t, store.Options{})
	hash, err := hex.DecodeString(nodeScrypt)
	if err != nil {
		t.Fatal(err)
	}
	in := medusaKey(t, "apk_1", medusaSecret)
	in.Salt, in.Hash = "00112233445566778899aabbccddeeff", hash
	b.imports(in)
	if _, err := b.keys.Authenticate(b.ctx, medusaSecret); err != nil {
		t.Error(err)
	}
}

func TestImportedSecretsAuthenticateAndAreUpgraded(t *testing.T) {
	for name, o := range map[string]store.Options{"without peppers": {}, "with peppers": {Sealer: sealer(t, pepper1)}} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, o)
			b.imports(medusaKey(t, "apk_1", similar(1)), medusaKey(t, "apk_2", similar(2)))
			for i, token := range []string{similar(1), similar(2)} {
				key, err := b.keys.Authenticate(b.ctx, token)
				if want := fmt.Sprint("apk_", i+1); err != nil || key.ID != want {
					t.Fatalf("first use: %+v, %v; want %s", key, err, want)
				}
				parsed, _ := store.ParseToken(token)
				r := b.upgraded(key.ID)
				if r.Key.LookupID != parsed.LookupID() || r.Evidence.Value().LegacySalt != "" || len(r.Evidence.Value().LegacyHash) != 0 {
					t.Errorf("after the upgrade: %+v", r.Key)
				}
				if key, err := b.keys.Authenticate(b.ctx, token); err != nil || key.LookupID.IsZero() || key.Version != 2 {
					t.Errorf("second use: %+v, %v", key, err)
				}
			}
			if _, err := b.keys.Authenticate(b.ctx, similar(3)); !errors.Is(err, store.ErrUnknownToken) {
				t.Errorf("a wrong token with the same redacted form: %v", err)
			}
			events, _ := b.keys.Events(b.ctx, store.EventQuery{Kind: store.Upgraded})
			if len(events) != 2 {
				t.Errorf("%d upgrades in the log, want 2", len(events))
			}
		})
	}
}

func TestRequirement05ImportedSecretsAreRefusedWhenRevokedOrForged(t *testing.T) {
	b := newBench(t, store.Options{Sealer: sealer(t, pepper1)})
	in := medusaKey(t, "apk_1", similar(1))
	in.Key.RevokedAt = store.TimeOf(start.Add(time.Hour))
	past := medusaKey(t, "apk_2", similar(2))
	past.Key.RevokedAt = store.TimeOf(start)
	b.imports(in, past)
	if _, err := b.keys.Authenticate(b.ctx, similar(2)); !errors.Is(err, store.ErrUnauthenticated) {
		t.Errorf("revoked before the import: %v", err)
	}
	b.clock.advance(time.Hour)
	if _, err := b.keys.Authenticate(b.ctx, similar(1)); !errors.Is(err, store.ErrUnauthenticated) {
		t.Errorf("revocation time reached: %v", err)
	}
	planted := medusaKey(t, "apk_3", similar(3))
	if _, err := b.rows.Store.Change(b.ctx, store.Actor{}, func(tx store.Tx) error {
		r := &store.Record{Key: planted.Key, Evidence: &store.Evidence{LegacySalt: planted.Salt, LegacyHash: planted.Hash}}
		return tx.Insert(b.ctx, r, store.Event{Kind: store.Created})
	}); err != nil {
		t.Fatal(err)
	}
	if _, err := b.keys.Authenticate(b.ctx, similar(3)); !errors.Is(err, store.ErrUnauthenticated) {
		t.Errorf("a row planted without the pepper: %v", err)
	}
}

func TestScryptRunsOncePerKeyAndNotForFloods(t *testing.T) {
	b := newBench(t, store.Options{MaxScrypt: 1})
	b.imports(medusaKey(t, "apk_1", similar(1)))
	b.rows.failChanges(store.ErrUnavailable) // no upgrade now: what is remembered has to do
	const oneScrypt = 16 << 20               // bytes that one computation allocates
	allocated := func() uint64 {
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.TotalAlloc
	}
	before := allocated()
	if _, err := b.keys.Authenticate(b.ctx, similar(1)); err != nil {
		t.Fatal(err)
	}
	if _, err := b.keys.Authenticate(b.ctx, similar(2)); !errors.Is(err, store.ErrUnknownToken) {
		t.Fatal(err)
	}
	if two := allocated() - before; two < 2*oneScrypt || two > 3*oneScrypt {
		t.Errorf("two first uses allocated %d bytes, want two computations", two)
	}
	before = allocated()
	for range 1000 {
		if _, err := b.keys.Authenticate(b.ctx, similar(1)); err != nil {
			t.Fatal(err)
		}
		if _, err := b.keys.Authenticate(b.ctx, similar(2)); !errors.Is(err, store.ErrUnknownToken) {
			t.Fatal(err)
		}
	}
	if again := allocated() - before; again > oneScrypt/2 {
		t.Errorf("2000 repeated uses allocated %d bytes: scrypt ran again", again)
	}

	var all sync.WaitGroup
	var mu sync.Mutex
	outcomes := map[error]int{}
	for i := range 200 {
		all.Go(func() {
			_, err := b.keys.Authenticate(b.ctx, similar(1000+i))
			mu.Lock()
			defer mu.Unlock()
			switch {
			case errors.Is(err, store.ErrUnavailable):
				outcomes[store.ErrUnavailable]++
			case errors.Is(err, store.ErrUnknownToken):
				outcomes[store.ErrUnknownToken]++
			default:
				t.Errorf("%v", err)
			}
		})
	}
	all.Wait()
	if outcomes[store.ErrUnavailable] == 0 {
		t.Errorf("200 wrong tokens at once over one slot: %v; want most of them to be told to come back", outcomes)
	}
}

func TestImport(t *testing.T) {
	b := newBench(t, store.Options{})
	public := store.ImportKey{
		Key:   store.Key{ID: "apk_pub", Type: store.Publishable, Title: "shop", SalesChannelIDs: []string{"sc_2", "sc_1"}, CreatedBy: "user_1", CreatedAt: store.TimeOf(start), UpdatedAt: store.TimeOf(start), RevokedAt: store.TimeOf(start.Add(time.Hour)), RevokedBy: "user_2", LastUsedAt: store.TimeOf(start)},
		Token: "pk" + medusaSecret[2:],
	}
	secret := medusaKey(t, "apk_sec", medusaSecret)
	spoiled := func(id string, spoil func(*store.ImportKey)) store.ImportKey {
		in := secret
		in.Key.ID = id
		spoil(&in)
		return in
	}
	batch := []store.ImportKey{
		public, secret,
		spoiled("", func(*store.ImportKey) {}),
		spoiled("apk_sec", func(*store.ImportKey) {}),
		spoiled("apk_type", func(in *store.ImportKey) { in.Key.Type = "admin" }),
		spoiled("apk_hash", func(in *store.ImportKey) { in.Hash = in.Hash[:63] }),
		spoiled("apk_salt", func(in *store.ImportKey) { in.Salt = "" }),
		spoiled("apk_redacted", func(in *store.ImportKey) { in.Key.Redacted = "" }),
		spoiled("apk_token", func(in *store.ImportKey) { in.Key.Type, in.Token = store.Publishable, "pk_short" }),
		spoiled("apk_twin", func(in *store.ImportKey) { in.Key.Type, in.Token = store.Publishable, public.Token }),
	}
	dry, err := b.keys.Import(b.ctx, batch, true)
	if err != nil || dry.Imported != 2 || len(dry.Refused) != 8 {
		t.Errorf("dry run: %+v, %v", dry, err)
	}
	if n, _ := b.rows.Count(b.ctx, store.Filter{}); n != 0 {
		t.Errorf("the dry run wrote %d keys", n)
	}
	result := b.imports(batch...)
	if fmt.Sprint(result) != fmt.Sprint(dry) {
		t.Errorf("got %+v, the dry run said %+v", result, dry)
	}
	for _, r := range result.Refused {
		if r.Reason == "" {
			t.Errorf("%q was refused without a reason", r.ID)
		}
	}
	got, err := b.keys.Get(b.ctx, "apk_pub")
	if err != nil || got.Token != public.Token || fmt.Sprint(got.SalesChannelIDs) != "[sc_2 sc_1]" || !got.RevokedAt.Time().Equal(start.Add(time.Hour)) || got.Revoked ||
		got.RevokedBy != "user_2" || !got.LastUsedAt.Time().Equal(start) || !got.CreatedAt.Time().Equal(start) || got.Redacted != "pk_6c1***bf7" {
		t.Errorf("%+v, %v", got, err)
	}
	if key, err := b.keys.Authenticate(b.ctx, public.Token); err != nil || key.ID != "apk_pub" {
		t.Errorf("%+v, %v", key, err)
	}

	// Run again after the keys have lived here: nothing comes back.
	if _, err := b.keys.Revoke(b.ctx, "apk_pub"); err != nil {
		t.Fatal(err)
	}
	if _, err := b.keys.Revoke(b.ctx, "apk_sec"); err != nil {
		t.Fatal(err)
	}
	if err := b.keys.Delete(b.ctx, "apk_sec"); err != nil {
		t.Fatal(err)
	}
	before := b.rows.changes.Load()
	if again := b.imports(public, secret); again.Imported != 0 || again.Known != 1 || again.Gone != 1 {
		t.Errorf("again: %+v", again)
	}
	if key, _ := b.keys.Get(b.ctx, "apk_pub"); !key.Revoked {
		t.Error("the import brought a revoked key back")
	}
	if _, err := b.keys.Get(b.ctx, "apk_sec"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("the import brought a deleted key back: %v", err)
	}
	events, _ := b.keys.Events(b.ctx, store.EventQuery{Kind: store.Imported})
	if len(events) != 1 || events[0].Details["count"] != "2" {
		t.Errorf("events: %+v (after %d changes)", events, before)
	}
	if _, err := b.keys.Import(b.ctx, make([]store.ImportKey, store.MaxImport+1), false); !errors.Is(err, store.ErrInvalid) {
		t.Errorf("too many: %v", err)
	}
}

// bury imports a token by itself and deletes the key: the token must never work again.
func (b *bench) bury(token string) {
	b.Helper()
	key, made, err := b.keys.ImportToken(b.ctx, token, store.NewKey{})
	if err != nil || !made {
		b.Fatal(made, err)
	}
	if _, err := b.keys.Revoke(b.ctx, key.ID); err != nil {
		b.Fatal(err)
	}
	if err := b.keys.Delete(b.ctx, key.ID); err != nil {
		b.Fatal(err)
	}
}

func TestADeletedTokenDoesNotComeBack(t *testing.T) {
	public := store.ImportKey{Key: store.Key{ID: "apk_pub", Type: store.Publishable}, Token: "pk" + medusaSecret[2:]}
	refused := func(b *bench, token string) {
		b.Helper()
		if key, err := b.keys.Authenticate(b.ctx, token); !errors.Is(err, store.ErrUnauthenticated) {
			b.Errorf("it works again: %+v, %v", key, err)
		}
	}
	t.Run("with an import after it", func(t *testing.T) {
		b := newBench(t, store.Options{})
		b.bury(public.Token)
		b.bury(medusaSecret)
		result := b.imports(public, medusaKey(t, "apk_sec", medusaSecret)) // of a secret only scrypt is known then
		if result.Gone != 1 {
			t.Errorf("%+v, want the publishable key gone", result)
		}
		refused(b, public.Token)
		refused(b, medusaSecret)
	})
	t.Run("with a twin that was imported before it", func(t *testing.T) {
		b := newBench(t, store.Options{})
		key, _, err := b.keys.ImportToken(b.ctx, medusaSecret, store.NewKey{})
		if err != nil {
			t.Fatal(err)
		}
		b.imports(medusaKey(t, "apk_sec", medusaSecret))
		if got, err := b.keys.Authenticate(b.ctx, medusaSecret); err != nil || got.ID != key.ID {
			t.Fatalf("%+v, %v", got, err)
		}
		if _, err := b.keys.Revoke(b.ctx, key.ID); err != nil {
			t.Fatal(err)
		}
		refused(b, medusaSecret)
		if err := b.keys.Delete(b.ctx, key.ID); err != nil {
			t.Fatal(err)
		}
		refused(b, medusaSecret)
	})
	t.Run("when the log is pruned", func(t *testing.T) {
		b := newBench(t, store.Options{})
		b.imports(public)
		if _, err := b.keys.Revoke(b.ctx, "apk_pub"); err != nil {
			t.Fatal(err)
		}
		if err := b.keys.Delete(b.ctx, "apk_pub"); err != nil {
			t.Fatal(err)
		}
		kept, made, err := b.keys.ImportToken(b.ctx, medusaSecret, store.NewKey{})
		if err != nil || !made {
			t.Fatal(made, err)
		}
		b.create(store.NewKey{Type: store.Publishable})
		if n, err := b.keys.PruneEvents(b.ctx, start.Add(time.Hour)); err != nil || n == 0 {
			t.Fatal(n, err)
		}
		if result := b.imports(public); result.Gone != 1 {
			t.Errorf("%+v", result)
		}
		refused(b, public.Token)
		if key, made, err := b.keys.ImportToken(b.ctx, medusaSecret, store.NewKey{}); err != nil || made || key == nil || key.ID != kept.ID {
			t.Errorf("a key that is there, its events pruned: %+v, %v, %v", key, made, err)
		}
	})
}

// slowScrypt makes a computation take as long as it does on a slow machine, of the time of a
// synctest bubble: what waits for it then does not depend on how fast this one is.
type slowScrypt struct{ ended atomic.Int64 }

const scryptTime = 100 * time.Millisecond

func (s *slowScrypt) Begin(ctx context.Context, operation string) (context.Context, func(error)) {
	if operation != "scrypt.derive" {
		return ctx, func(error) {}
	}
	time.Sleep(scryptTime)
	return ctx, func(error) { s.ended.Add(1) }
}

func TestAFloodForOneKeyLeavesTheOthersTheirFirstUse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		work := &slowScrypt{}
		b := newBench(t, store.Options{MaxScrypt: 1, FlushInterval: -1, Observer: work})
		other := "sk_7d20" + medusaSecret[7:]
		b.imports(medusaKey(t, "apk_flooded", similar(1)), medusaKey(t, "apk_other", other))
		flooding, stop := context.WithCancel(b.ctx)
		var flood sync.WaitGroup
		for w := range 60 {
			flood.Go(func() {
				for n := 1000 * (w + 1); flooding.Err() == nil; n++ {
					_, _ = b.keys.Authenticate(flooding, similar(n))
				}
			})
		}
		synctest.Wait() // one of them is being computed, and all others wait
		began := work.ended.Load()
		if key, err := b.keys.Authenticate(b.ctx, other); err != nil || key.ID != "apk_other" {
			t.Errorf("the first use of another key: %+v, %v", key, err)
		}
		// Its own, the one that it found there, and the one of the flood that had its turn.
		if n := work.ended.Load() - began; n > 3 {
			t.Errorf("it took %d computations, want 3 at most", n)
		}
		stop()
		flood.Wait()
	})
}

func TestMaxActiveSecrets(t *testing.T) {
	b := newBench(t, store.Options{MaxActiveSecrets: 1})
	wants := func(err error, message string) {
		t.Helper()
		if !errors.Is(err, store.ErrInvalid) || err.Error() != message {
			t.Errorf("%v, want %s", err, message)
		}
	}
	const second = "You can only have one active secret key a time. Revoke or delete your existing key before creating a new one."
	_, err := b.keys.CreateMany(b.ctx, []store.NewKey{{Type: store.Secret}, {Type: store.Secret}})
	wants(err, "You can only create one secret key at a time. You tried to create 2 secret keys.")
	var all sync.WaitGroup
	var mu sync.Mutex
	var made []store.Made
	for range 20 {
		all.Go(func() {
			m, err := b.keys.Create(b.ctx, store.NewKey{Type: store.Secret})
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				made = append(made, m)
				return
			}
			wants(err, second)
		})
	}
	all.Wait()
	if len(made) != 1 {
		t.Fatalf("%d concurrent creates won, want 1", len(made))
	}
	b.create(store.NewKey{Type: store.Publishable})
	if _, err := b.keys.RevokeAt(b.ctx, made[0].Key.ID, b.keys.Now().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	next := b.create(store.NewKey{Type: store.Secret}) // one active, plus one that expires
	_, err = b.keys.Create(b.ctx, store.NewKey{Type: store.Secret})
	wants(err, second)
	if _, err := b.keys.Roll(b.ctx, next.Key.ID, store.RollOptions{Grace: time.Hour}); !errors.Is(err, store.ErrNotAllowed) {
		t.Errorf("a roll with grace would leave two that expire: %v", err)
	}
	if next, err = b.keys.Roll(b.ctx, next.Key.ID, store.RollOptions{}); err != nil {
		t.Errorf("a roll without grace: %v", err)
	}
	if _, err := b.keys.RevokeAt(b.ctx, next.Key.ID, b.keys.Now().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	_, err = b.keys.Create(b.ctx, store.NewKey{Type: store.Secret})
	wants(err, second) // two that expire already
	b.clock.advance(time.Hour)
	last := b.create(store.NewKey{Type: store.Secret, ExpiresAt: b.clock.Now().Add(time.Minute)})
	_, _, err = b.keys.ImportToken(b.ctx, medusaSecret, store.NewKey{})
	wants(err, second)
	b.clock.advance(time.Minute)
	b.create(store.NewKey{Type: store.Secret}) // the last one has expired
	_, err = b.keys.Update(b.ctx, last.Key.ID, store.Patch{ExpiresAt: &time.Time{}})
	wants(err, second)
}
