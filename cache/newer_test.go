package cache_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/latchkey-go/latchkey/cache"
	"github.com/latchkey-go/latchkey/store"
	"github.com/latchkey-go/latchkey/store/storetest/servers"
)

// A key that a newer program has sealed is no answer through a cache either: not from the database,
// and not from Redis, where a newer program may have written it. It is not cached and does not
// count as forged.
func TestRequirement33AKeyOfANewerProgramIsNoAnswerOfACache(t *testing.T) {
	ctx := context.Background()
	sealer, err := store.NewSealer([]string{"0123456789abcdefghijklmnopqrstuvwxyz"})
	if err != nil {
		t.Fatal(err)
	}
	rows := store.NewMemory()
	rdb, _ := client(t, servers.Redis(t).Addr())
	c := open(t, cache.Options{Lease: quiet, Sealer: sealer}, rows, rdb)
	ready(t, c)
	keys, err := store.Options{Sealer: sealer, FlushInterval: -1}.New(c)
	if err != nil {
		t.Fatal(err)
	}
	made, err := keys.Create(ctx, store.NewKey{Type: store.Secret})
	if err != nil {
		t.Fatal(err)
	}
	r, err := rows.Get(ctx, made.Key.ID)
	if err != nil {
		t.Fatal(err)
	}
	e := r.Evidence.Value()
	e.ProofNames = append(e.ProofNames, "later")
	r.SetEvidence(e)
	change(t, c, func(tx store.Tx) error { return tx.Update(ctx, r, store.Event{Kind: store.Updated, At: time.Now()}) })
	for range 3 {
		_, err := keys.Authenticate(ctx, made.Token.Reveal())
		if !errors.Is(err, store.ErrNewerRecord) || !errors.Is(err, store.ErrUnavailable) || errors.Is(err, store.ErrUnauthenticated) {
			t.Errorf("got %v", err)
		}
	}
	if s := c.Stats(); s.Hits != 0 || s.RedisForged != 0 || keys.Stats().Alarms != 0 {
		t.Errorf("%d hits, %d forged, %d alarms", s.Hits, s.RedisForged, keys.Stats().Alarms)
	}
}
