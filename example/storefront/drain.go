package main

import (
	"context"
	"errors"
	"net/http"
	"time"
)

// drain lets load balancers notice that they should send no more requests: for the delay, readyz
// answers 503 while requests are answered as before, each on a connection that is closed after it.
// It ends early when the server has failed.
func (a *app) drain(server *http.Server, failed <-chan error) error {
	a.draining.Store(true)
	if a.config.drainDelay == 0 {
		return nil
	}
	a.log.Info("draining", "for", a.config.drainDelay)
	server.SetKeepAlivesEnabled(false)
	delay := time.NewTimer(a.config.drainDelay)
	defer delay.Stop()
	select {
	case <-delay.C:
		return nil
	case err := <-failed:
		return err
	}
}

// How long open requests may take once no new ones are accepted, and how long writing what is in
// memory may take after them.
const (
	finishTime = 10 * time.Second
	flushTime  = 5 * time.Second
)

// stop lets open requests end, then writes what is still in memory.
func (a *app) stop(server *http.Server) {
	finish, cancel := context.WithTimeout(context.Background(), finishTime)
	defer cancel()
	if err := server.Shutdown(finish); err != nil {
		a.log.Warn("some requests did not end in time", "error", err)
		_ = server.Close()
	}
	flush, cancel := context.WithTimeout(context.Background(), flushTime)
	defer cancel()
	if err := a.keys.Close(flush); err != nil {
		a.log.Warn("the last uses of some keys have not been written", "error", err)
	}
	if err := errors.Join(a.metrics.all.Close(), a.metrics.provider.Shutdown(flush)); err != nil {
		a.log.Warn("metrics were not ended", "error", err)
	}
	a.log.Info("stopped")
}
