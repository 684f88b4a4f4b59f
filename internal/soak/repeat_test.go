package soak_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"
)

// TestRepeatedImportMore: after a repeated import whose first answer was lost, success means that
// the key works everywhere.
func TestRepeatedImportMore(t *testing.T) {
	w := newWorld(t, setup{}, 1)
	for range 20 {
		k := &key{token: w.token()}
		for _, i := range w.all {
			w.use(i, k, k.token)
		}
		w.loseAnswer(w.all[0], "/soak/import", `{"token":"`+k.token+`"}`)
		w.eventually("the repeated import succeeds", func() bool { return w.importAt(w.all[1], k) })
		k.created = w.now()
		for _, i := range w.all {
			w.use(i, k, k.token)
		}
	}
	w.report.check(t)
}

// loseAnswer sends a request and goes away before there is an answer.
func (w *world) loseAnswer(i *instance, path, body string) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 12*time.Millisecond)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, *i.base.Load()+path, strings.NewReader(body))
	if err != nil {
		w.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	answer, err := w.client.Do(r)
	if err == nil {
		answer.Body.Close()
	} else if !errors.Is(err, context.DeadlineExceeded) {
		w.t.Fatal(err)
	}
}
