package store

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"sync"
	"time"
)

// How long the membership row of a process without a cache lives, and how often it is renewed.
const (
	memberTTL   = 30 * time.Second
	memberRenew = 10 * time.Second
)

// member is the membership of a process that has no cache, so that no key gets an attribute which
// this process does not know while it is running (Tx.Raise). Changes need not wait for it: its
// Lease is 0. A timer does the work, so that no goroutine waits.
type member struct {
	keys *Keys
	id   string

	mu      sync.Mutex // held while the row is written
	timer   *time.Timer
	failing bool
	left    bool
}

// start joins in the background, unless the store does it or it is not wanted.
func (m *member) start(k *Keys) {
	if k.store.Info().Joined || k.o.ShortLived {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.keys, m.id = k, rand.Text()
	m.timer = time.AfterFunc(0, m.join)
}

// join writes the row, and again after memberRenew. It ends when the store has been closed or never
// will take it.
func (m *member) join() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.left {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), memberRenew)
	defer cancel()
	err := m.keys.store.Join(ctx, Member{ID: m.id, Level: Level, TTL: memberTTL})
	if err != nil && !m.failing && !errors.Is(err, ErrClosed) {
		m.keys.o.Logger.Warn("latchkey: this process cannot join the members: a newer program may change keys in ways that it does not know",
			"member", m.id, "error", err)
	}
	m.failing = err != nil
	if !errors.Is(err, ErrClosed) && !errors.Is(err, ErrSchemaTooNew) {
		m.timer.Reset(memberRenew)
	}
}

// leave removes the row; if that fails, it lapses.
func (m *member) leave(ctx context.Context) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.keys == nil || m.left {
		return nil
	}
	m.left = true
	m.timer.Stop()
	if err := m.keys.store.Leave(ctx, m.id); err != nil && !errors.Is(err, ErrUnavailable) {
		return fmt.Errorf("store: leave the members: %w", err)
	}
	return nil
}
