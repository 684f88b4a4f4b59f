package main

import (
	"context"
	"errors"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// load sends requests and counts what comes back.
type load struct {
	target *target
	mix    mix
	client *http.Client

	took     [classes]histogram
	statuses [classes][600]atomic.Int64 // by status; 0: no answer

	mu     sync.Mutex
	failed error // the last request that was not answered
}

// requestLimit is how long one request may take.
const requestLimit = 30 * time.Second

func newLoad(t *target, m mix) *load { return &load{target: t, mix: m} }

// run sends requests over so many connections until the time is over or ctx ends, and returns how
// long that was. Every second it calls tick.
func (l *load) run(ctx context.Context, connections int, duration time.Duration, tick func(time.Duration)) time.Duration {
	transport := &http.Transport{MaxIdleConnsPerHost: connections, MaxConnsPerHost: connections, DisableCompression: true}
	defer transport.CloseIdleConnections()
	l.client = &http.Client{
		Transport:     transport,
		Timeout:       requestLimit,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	ctx, cancel := context.WithTimeout(ctx, duration)
	defer cancel()
	began := time.Now()
	var all sync.WaitGroup
	for range connections {
		all.Go(func() {
			for ctx.Err() == nil {
				l.one(ctx)
			}
		})
	}
	seconds := time.NewTicker(time.Second)
	defer seconds.Stop()
	for ctx.Err() == nil {
		select {
		case <-seconds.C:
			tick(time.Since(began))
		case <-ctx.Done():
		}
	}
	took := time.Since(began)
	all.Wait()
	return took
}

// one sends one request. Those that the end of the test cuts off do not count.
func (l *load) one(ctx context.Context) {
	k := l.mix.pick()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, l.target.url, http.NoBody)
	if err != nil {
		l.fail(k, err)
		return
	}
	l.target.tokens.put(r, k)
	began := time.Now()
	response, err := l.client.Do(r)
	if err == nil {
		_, err = io.Copy(io.Discard, response.Body)
		err = errors.Join(err, response.Body.Close())
	}
	switch {
	case err == nil:
		l.took[k].note(time.Since(began))
		l.statuses[k][min(max(response.StatusCode, 0), len(l.statuses[k])-1)].Add(1)
	case ctx.Err() == nil:
		l.fail(k, err)
	}
}

func (l *load) fail(k class, err error) {
	l.statuses[k][0].Add(1)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.failed = err
}

func (l *load) lastError() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.failed == nil {
		return errors.New("the time was too short")
	}
	return l.failed
}

// answered returns how many requests have been answered.
func (l *load) answered() (n int64) {
	for k := range l.took {
		n += l.took[k].count.Load()
	}
	return n
}

// unanswered returns how many have failed without an answer.
func (l *load) unanswered() (n int64) {
	for k := range l.statuses {
		n += l.statuses[k][0].Load()
	}
	return n
}
