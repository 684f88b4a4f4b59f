package cache_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/latchkey-go/latchkey/cache"
	"github.com/latchkey-go/latchkey/store"
	"github.com/latchkey-go/latchkey/store/storetest/servers"
)

// Unknown tokens are remembered for 10 s and no longer, also without any change.
func TestRequirement13UnknownTokensAreForgottenInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rows := &spy{Store: store.NewMemory()}
		c, err := cache.Options{Lease: time.Second, Logger: silent}.New(rows, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close(context.Background())
		time.Sleep(time.Second)
		stranger := someRecord(nil)
		ask := func() int64 {
			before := rows.lookups.Load()
			want(t, "title", title(t, c, stranger), "")
			return rows.lookups.Load() - before
		}
		want(t, "statements, at first", ask(), int64(1))
		time.Sleep(9 * time.Second)
		want(t, "statements, remembered", ask(), int64(0))
		time.Sleep(3 * time.Second)
		want(t, "statements, forgotten", ask(), int64(1))
	})
}

// A token that has just been refused as unknown everywhere works everywhere as soon as its creation
// or import has returned.
func TestRequirement13ANewKeyWorksAtOnce(t *testing.T) {
	ctx := context.Background()
	server := servers.NewRedis(t)
	memory := store.NewMemory()
	a, b := newHost(t, memory, server), newHost(t, memory, server)
	ready(t, a.cache, b.cache)
	refused := func(token string) {
		t.Helper()
		for _, h := range []*host{a, b} {
			hits := h.cache.Stats().UnknownHits
			eventually(t, "the token is remembered as unknown", func() bool {
				if _, err := h.keys.Authenticate(ctx, token); !errors.Is(err, store.ErrUnknownToken) && !errors.Is(err, store.ErrUnavailable) {
					t.Fatal(err)
				}
				return h.cache.Stats().UnknownHits > hits
			})
		}
	}
	works := func(how, token string) {
		t.Helper()
		for name, h := range map[string]*host{"where it was made": a, "elsewhere": b} {
			eventually(t, "the answer is decided", func() bool {
				_, err := h.keys.Authenticate(ctx, token)
				if errors.Is(err, store.ErrUnauthenticated) {
					t.Fatalf("%s, %s: %v", how, name, err)
				}
				return err == nil
			})
		}
	}
	for i := range 3 {
		token := fmt.Sprintf("sk_%x", sha256.Sum256([]byte{byte(i)}))
		refused(token)
		if _, _, err := a.keys.ImportToken(ctx, token, store.NewKey{}); err != nil {
			t.Fatal(err)
		}
		works("a token that was imported", token)
	}
	public := fmt.Sprintf("pk_%064x", 7)
	refused(public)
	result, err := a.keys.Import(ctx, []store.ImportKey{{Key: store.Key{ID: "apk_m", Type: store.Publishable, Redacted: "pk_000***007", CreatedAt: store.TimeOf(time.Now())}, Token: public}}, false)
	if err != nil {
		t.Fatalf("%+v, %v", result, err)
	}
	works("a batch that was imported", public)
	made, err := a.keys.Create(ctx, store.NewKey{Type: store.Secret})
	if err != nil {
		t.Fatal(err)
	}
	works("a key that was created", made.Token.Reveal())
	rolled, err := a.keys.Roll(ctx, made.Key.ID, store.RollOptions{})
	if err != nil {
		t.Fatal(err)
	}
	works("a key that was rolled", rolled.Token.Reveal())
}
