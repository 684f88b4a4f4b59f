// Package cache: TestMutations adds these files to the copies that it makes of the real package.
package cache

import "sync"

// stretch lets time pass.
func (c *Cache) stretch(where string) {
	if p, ok := c.clock.(interface{ stretch(string) }); ok {
		p.stretch(where)
	}
}

// patientMutex is a mutex whose waiters let the time of a bubble go on.
type patientMutex struct {
	once sync.Once
	c    chan struct{}
}

func (m *patientMutex) Lock() {
	m.once.Do(func() { m.c = make(chan struct{}, 1) })
	m.c <- struct{}{}
}

func (m *patientMutex) Unlock() { <-m.c }
