package store_test

import (
	"slices"
	"testing"
	"time"

	"github.com/latchkey-go/latchkey/store"
)

func TestConcerns(t *testing.T) {
	b := newBench(t, store.Options{})
	const day = 24 * time.Hour
	titles := map[string]string{}
	add := func(title string, expires, used time.Duration, revoke ...time.Duration) {
		t.Helper()
		n := store.NewKey{Type: store.Secret, Title: title}
		if expires != 0 {
			n.ExpiresAt = start.Add(expires)
		}
		id := b.create(n).Key.ID
		titles[id] = title
		if used != 0 {
			if err := b.rows.Touch(b.ctx, []store.Use{{KeyID: id, At: start.Add(used)}}); err != nil {
				t.Fatal(err)
			}
		}
		for _, in := range revoke {
			if _, err := b.keys.RevokeAt(b.ctx, id, b.keys.Now().Add(in)); err != nil {
				t.Fatal(err)
			}
		}
	}
	b.clock.advance(-200 * day) // so that keys can expire in the past
	add("fine", 90*day, -day)
	add("new", 90*day, 0)
	add("idle for 31 days", 90*day, -31*day)
	add("idle for 30 days", 90*day, -30*day)
	add("idle for less", 90*day, -30*day+time.Millisecond)
	add("for ever", 0, -day)
	add("for ever, new", 0, 0)
	add("to be revoked", 0, -day, 300*day)
	add("expiring in 30 days", 30*day, -day)
	add("expiring later", 30*day+time.Millisecond, -day)
	add("expired", time.Millisecond-day, -day)
	add("expired now", time.Nanosecond, 0) // times are kept to the millisecond
	add("revoked", 0, 0, 0)
	add("revoked on time", 10*day, -100*day, 190*day)
	b.clock.advance(200 * day)

	for concern, want := range map[store.Concern][]string{
		store.NeverUsed:     {"new", "for ever, new"},
		store.Idle:          {"idle for 31 days", "idle for 30 days"},
		store.WithoutExpiry: {"for ever", "for ever, new"},
		store.Expiring:      {"expiring in 30 days"},
		"another":           nil,
	} {
		t.Run(string(concern), func(t *testing.T) {
			found, count, err := b.keys.ListAndCount(b.ctx, store.Query{Filter: concern.Filter(b.keys.Now(), 30*day)})
			var got []string
			for _, key := range found {
				got = append(got, titles[key.ID])
			}
			if err != nil || count != len(want) || !slices.Equal(got, want) {
				t.Errorf("got %q, %d, %v; want %q", got, count, err, want)
			}
		})
	}
}
