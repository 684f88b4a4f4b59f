package cache

import "sync"

// acks are the acknowledgements that changes of this process wait for. The zero value is ready.
type acks struct {
	mu      sync.Mutex
	serial  uint64
	pending map[uint64]*pendingAcks
}

// pendingAcks collects the acknowledgements of one change.
type pendingAcks struct {
	serial  uint64
	arrived chan struct{} // an acknowledgement arrived

	mu   sync.Mutex
	from map[string]bool
}

// await starts to collect the acknowledgements of a change. Call it before the change is announced,
// and end after it.
func (a *acks) await() *pendingAcks {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.serial++
	w := &pendingAcks{serial: a.serial, arrived: make(chan struct{}, 1), from: map[string]bool{}}
	if a.pending == nil {
		a.pending = map[uint64]*pendingAcks{}
	}
	a.pending[w.serial] = w
	return w
}

func (a *acks) end(w *pendingAcks) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.pending, w.serial)
}

// add records an acknowledgement. One that is late, repeated or invented has no effect.
func (a *acks) add(serial uint64, member string) {
	a.mu.Lock()
	w := a.pending[serial]
	a.mu.Unlock()
	if w == nil {
		return
	}
	w.mu.Lock()
	w.from[member] = true
	w.mu.Unlock()
	kick(w.arrived)
}

func (w *pendingAcks) has(member string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.from[member]
}
