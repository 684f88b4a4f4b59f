package cache

import "sync"

// acks are the acknowledgements that changes of this process wait for. The zero value is ready.
type acks struct {
	mu     sync.Mutex
	serial uint64
	open   map[uint64]*awaited
}

// awaited collects the acknowledgements of one change.
type awaited struct {
	serial uint64
	more   chan struct{} // one came

	mu   sync.Mutex
	from map[string]bool
}

// await begins to wait, before the change is announced. It must be ended.
func (a *acks) await() *awaited {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.serial++
	w := &awaited{serial: a.serial, more: make(chan struct{}, 1), from: map[string]bool{}}
	if a.open == nil {
		a.open = map[uint64]*awaited{}
	}
	a.open[w.serial] = w
	return w
}

func (a *acks) end(w *awaited) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.open, w.serial)
}

// heard notes an acknowledgement. Late, doubled and invented ones do no harm.
func (a *acks) heard(serial uint64, member string) {
	a.mu.Lock()
	w := a.open[serial]
	a.mu.Unlock()
	if w == nil {
		return
	}
	w.mu.Lock()
	w.from[member] = true
	w.mu.Unlock()
	kick(w.more)
}

func (w *awaited) has(member string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.from[member]
}
