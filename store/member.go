package store

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"sync"
	"time"
)

// The lifetime of the membership row of a process without a cache, and how often it is renewed.
const (
	memberTTL   = 30 * time.Second
	memberRenew = 10 * time.Second
)

// member is the membership of a process without a cache. While it is a member, no key can get an
// attribute that this process does not know (Tx.Raise). Changes do not wait for it: its Lease is 0.
// It uses a timer, so that no goroutine waits.
type member struct {
	keys *Keys
	id   string

	mu      sync.Mutex // held while the row is written
	timer   *time.Timer
	failing bool
	left    bool
}

// start joins in the background, unless the store joins by itself or the process is short-lived.
func (m *member) start(k *Keys) {
	if k.store.Info().Joined || k.o.ShortLived {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.keys, m.id = k, rand.Text()
	m.timer = time.AfterFunc(0, m.join)
}

// join writes the row, and again after memberRenew. It stops when the store is closed or refuses
// this program's level.
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

// leave removes the row. If that fails, the row lapses.
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
