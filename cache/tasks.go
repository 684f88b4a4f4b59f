package cache

import (
	"context"
	"sync"
)

// tasks counts what is under way, so that Close can wait for it. Its zero value is ready.
type tasks struct {
	mu      sync.Mutex
	running int
	closed  bool
	idle    chan struct{} // closed when closed and nothing runs
}

// begin reports whether one more may start; if so, end must be called after it.
func (w *tasks) begin() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return false
	}
	w.running++
	return true
}

func (w *tasks) end() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.running--
	if w.closed && w.running == 0 {
		close(w.idle)
	}
}

// close lets nothing more begin and waits for the rest until ctx is done.
func (w *tasks) close(ctx context.Context) error {
	w.mu.Lock()
	if !w.closed {
		w.closed = true
		w.idle = make(chan struct{})
		if w.running == 0 {
			close(w.idle)
		}
	}
	w.mu.Unlock()
	select {
	case <-w.idle:
		return nil
	default:
	}
	select {
	case <-w.idle:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
