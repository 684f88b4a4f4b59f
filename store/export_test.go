package store

// Limited returns how many keys the Limiter remembers.
func (l *Limiter) Limited() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.free)
}
