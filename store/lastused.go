package store

import (
	"context"
	"errors"
	"sync"
	"time"
)

// maxUses limits how many uses wait to be written. More are dropped; the next use of the key is
// noted again.
const (
	maxUses   = 100_000
	touchSize = 1000 // uses per Store.Touch
)

// uses collects last-used times in memory, so that authentication does not write. The timer runs
// only while uses wait.
type uses struct {
	keys *Keys

	mu      sync.Mutex
	waiting map[string]time.Time
	timer   *time.Timer
	closed  bool

	flushing sync.Mutex // one flush at a time, so that close waits for a running flush
}

func (u *uses) init(k *Keys) {
	u.keys = k
	u.waiting = make(map[string]time.Time)
}

// note records a use, at most once a second per record.
func (u *uses) note(r *Record, now time.Time) {
	if u.keys.o.FlushInterval < 0 {
		return
	}
	second := now.Unix()
	if last := r.noted.Load(); second <= last || !r.noted.CompareAndSwap(last, second) {
		return
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.closed {
		return
	}
	if len(u.waiting) >= maxUses {
		u.keys.count.usesLost.Add(1)
		return
	}
	if now = toMillis(now); now.After(u.waiting[r.Key.ID]) {
		u.waiting[r.Key.ID] = now
	}
	u.schedule()
}

// schedule starts the timer. mu must be held.
func (u *uses) schedule() {
	if u.timer == nil && !u.closed && len(u.waiting) > 0 {
		u.timer = time.AfterFunc(u.keys.o.FlushInterval, func() {
			ctx, cancel := context.WithTimeout(context.Background(), u.keys.o.FlushInterval+time.Second)
			defer cancel()
			if err := u.flush(ctx); err != nil {
				u.keys.o.Logger.Warn("latchkey: last-used times could not be written; trying again", "error", err)
			}
		})
	}
}

// flush writes the waiting uses. Uses that could not be written wait again.
func (u *uses) flush(ctx context.Context) error {
	u.flushing.Lock()
	defer u.flushing.Unlock()
	u.mu.Lock()
	batch := u.waiting
	u.waiting = make(map[string]time.Time)
	if u.timer != nil {
		u.timer.Stop()
		u.timer = nil
	}
	u.mu.Unlock()

	list := make([]Use, 0, min(len(batch), touchSize))
	var failed error
	write := func() {
		if len(list) == 0 {
			return
		}
		if err := u.keys.store.Touch(ctx, list); err != nil {
			failed = errors.Join(failed, err)
		} else {
			for _, use := range list {
				delete(batch, use.KeyID)
			}
			u.keys.count.usesWritten.Add(uint64(len(list)))
		}
		list = list[:0]
	}
	for id, at := range batch {
		if list = append(list, Use{KeyID: id, At: at}); len(list) == touchSize {
			if write(); failed != nil {
				break
			}
		}
	}
	if failed == nil {
		write()
	}
	if failed != nil {
		u.keys.count.flushErrors.Add(1)
	}

	u.mu.Lock()
	defer u.mu.Unlock()
	for id, at := range batch { // uses that were not written
		if len(u.waiting) < maxUses && at.After(u.waiting[id]) {
			u.waiting[id] = at
		}
	}
	u.schedule()
	return failed
}

// waits reports whether a use of the key waits to be written.
func (u *uses) waits(id string) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	_, ok := u.waiting[id]
	return ok
}

// count returns how many uses wait.
func (u *uses) count() int {
	u.mu.Lock()
	defer u.mu.Unlock()
	return len(u.waiting)
}

func (u *uses) close(ctx context.Context) error {
	u.mu.Lock()
	u.closed = true
	u.mu.Unlock()
	return u.flush(ctx)
}
