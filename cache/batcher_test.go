package cache

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/latchkey-go/latchkey/internal/redisfault"
	"github.com/latchkey-go/latchkey/store"
)

// stuck is a shared memory whose commands hang until they are let go.
type stuck struct {
	l2Store
	mu    sync.Mutex
	sizes []int // of the commands, in order
	hang  map[int]chan struct{}
}

func (s *stuck) entries(_ context.Context, _ string, ids []store.LookupID) (string, []string, error) {
	s.mu.Lock()
	held := s.hang[len(s.sizes)]
	s.sizes = append(s.sizes, len(ids))
	s.mu.Unlock()
	if held != nil {
		<-held
	}
	return "g:1", make([]string, len(ids)), nil
}

func TestReadersStandInForOneAnother(t *testing.T) {
	const budget = 50 * time.Millisecond
	run := func(t *testing.T, hang map[int]chan struct{}, fn func(r *batcher, s *stuck, ask func(n int) <-chan error)) {
		synctest.Test(t, func(t *testing.T) {
			s := &stuck{hang: hang}
			for n := range hang {
				hang[n] = make(chan struct{}) // of this bubble
			}
			r := newBatcher(s, budget, &redisfault.Breaker{}, nil)
			ctx, stop := context.WithCancel(t.Context())
			var loops, questions sync.WaitGroup
			for _, loop := range r.loops() {
				loops.Go(func() { loop(ctx) })
			}
			synctest.Wait()
			fn(r, s, func(n int) <-chan error {
				answers := make(chan error, n)
				for i := range n {
					questions.Go(func() {
						_, err := r.read(ctx, "feed", store.LookupID{byte(i)})
						answers <- err
					})
				}
				synctest.Wait()
				return answers
			})
			questions.Wait()
			for _, held := range hang {
				close(held)
			}
			stop()
			loops.Wait()
		})
	}

	t.Run("who comes while commands are on the way goes with the next ones, together with all others", func(t *testing.T) {
		run(t, map[int]chan struct{}{0: nil, 1: nil}, func(_ *batcher, s *stuck, ask func(int) <-chan error) {
			first, second := ask(1), ask(1)
			rest := ask(60)
			s.hang[0] <- struct{}{} // both answer in time
			s.hang[1] <- struct{}{}
			for range 60 {
				if err := <-rest; err != nil {
					t.Error(err)
				}
			}
			for _, answer := range []<-chan error{first, second} {
				if err := <-answer; err != nil {
					t.Error(err)
				}
			}
			if len(s.sizes) > 4 { // two at a time, twice
				t.Errorf("commands carried %v", s.sizes)
			}
		})
	})
	t.Run("commands that hang hold up the others for a tenth of the budget", func(t *testing.T) {
		run(t, map[int]chan struct{}{0: nil, 1: nil}, func(_ *batcher, s *stuck, ask func(int) <-chan error) {
			began := time.Now()
			first, second := ask(1), ask(1)
			rest := ask(10)
			for range 10 {
				if err := <-rest; err != nil {
					t.Error(err)
				}
			}
			if took := time.Since(began); took != budget/10 {
				t.Errorf("they waited for %v", took)
			}
			for _, answer := range []<-chan error{first, second} {
				if err := <-answer; !errors.Is(err, errRedis) {
					t.Errorf("one that hangs: %v", err)
				}
			}
		})
	})
	t.Run("as many hang as there are loops, and then nobody is answered, within the budget", func(t *testing.T) {
		run(t, map[int]chan struct{}{0: nil, 1: nil, 2: nil, 3: nil}, func(_ *batcher, s *stuck, ask func(int) <-chan error) {
			for n := range workers + backupWorkers {
				ask(1)
				time.Sleep(budget / 10)
				synctest.Wait()
				if len(s.sizes) != n+1 {
					t.Errorf("after %d questions: commands %v", n+1, s.sizes)
				}
			}
			began := time.Now()
			err := <-ask(1)
			if took := time.Since(began); !errors.Is(err, errRedis) || took != budget {
				t.Errorf("%v after %v", err, took)
			}
		})
	})
}
