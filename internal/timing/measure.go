package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"
	"time"
)

const (
	// warmTokens is how many tokens of each kind a chunk uses. One alone would be compared by its
	// own place in the cache.
	warmTokens = 64
	// chunk is how many answers of each kind are measured before the tokens are replaced: unknown
	// ones are remembered for 10 s only.
	chunk = 2000
)

// measure returns the times of the answers, in nanoseconds. The kinds take turns, in a new random
// order each round, so that whatever goes on in the machine meets all of them.
func (r *rig) measure(ctx context.Context, state string) (samples [kinds][]float64, err error) {
	for k := range samples {
		samples[k] = make([]float64, 0, r.samples)
	}
	began := time.Now()
	for done := 0; done < r.samples; {
		n := min(chunk, r.samples-done)
		each := n
		if state == "warm" {
			each = min(n, warmTokens)
		}
		var tokens [kinds][]string
		for k := range tokens {
			if tokens[k], err = r.tokens(ctx, kind(k), each); err != nil {
				return samples, err
			}
		}
		if err := r.caughtUp(ctx); err != nil {
			return samples, err
		}
		if state == "warm" {
			if err := r.warm(ctx, tokens); err != nil {
				return samples, err
			}
		}
		runtime.GC()
		if err := r.rounds(ctx, tokens, n, &samples); err != nil {
			return samples, err
		}
		done += n
		fmt.Fprintf(r.progress, "\r%s, %s: %d of %d answers of each kind after %v ", state, r.at, done, r.samples, time.Since(began).Round(time.Second))
	}
	fmt.Fprintln(r.progress)
	return samples, nil
}

// rounds measures n rounds, shared among all who ask, and adds them to samples. No token is used by
// two.
func (r *rig) rounds(ctx context.Context, tokens [kinds][]string, n int, samples *[kinds][]float64) error {
	parts := make([][kinds][]float64, len(r.askers))
	errs := make([]error, len(r.askers))
	var all sync.WaitGroup
	for a, asker := range r.askers {
		all.Go(func() {
			order := [kinds]int{}
			for k := range order {
				order[k] = k
			}
			for i := a; i < n && ctx.Err() == nil; i += len(r.askers) {
				rand.Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
				for _, k := range order {
					took, err := asker.ask(tokens[k][i%len(tokens[k])])
					if err != nil {
						errs[a] = fmt.Errorf("asking with a token that is %s: %w", kind(k), err)
						return
					}
					parts[a][k] = append(parts[a][k], float64(took.Nanoseconds()))
				}
			}
		})
	}
	all.Wait()
	for _, part := range parts {
		for k := range part {
			samples[k] = append(samples[k], part[k]...)
		}
	}
	return errors.Join(append(errs, ctx.Err())...)
}

// warm asks until nothing is loaded any more: the first answers may have come while the cache was
// behind its feed.
func (r *rig) warm(ctx context.Context, tokens [kinds][]string) error {
	for range 100 {
		before := r.cached.Stats()
		var ignored [kinds][]float64
		if err := r.rounds(ctx, tokens, len(tokens[0]), &ignored); err != nil {
			return err
		}
		if r.cached.Stats().StoreLookups == before.StoreLookups {
			return nil
		}
	}
	return fmt.Errorf("the cache does not keep the answers: %+v", r.cached.Stats())
}
