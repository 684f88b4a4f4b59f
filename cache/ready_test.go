package cache_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/latchkey-go/latchkey/cache"
	"github.com/latchkey-go/latchkey/store"
)

// A cache without Redis and a store that answers what the test needs; example/storefront tests the
// handler with real servers.
func TestReadinessSaysWhetherKeysCanBeDecidedHere(t *testing.T) {
	rows := &spy{Store: store.NewMemory()}
	c, err := cache.Options{Lease: 200 * time.Millisecond, Logger: slog.New(slog.DiscardHandler)}.New(rows, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close(context.Background()) })
	var below error
	var starting, draining bool
	var fault string
	var log bytes.Buffer
	h := c.ReadyHandler(func(ctx context.Context) error {
		if _, ok := ctx.Deadline(); !ok {
			t.Error("the store is waited for without end")
		}
		return below
	}, cache.ReadyOptions{
		Starting:   func() bool { return starting },
		Draining:   func() bool { return draining },
		RedisFault: func() string { return fault },
		Logger:     slog.New(slog.NewTextHandler(&log, nil)),
	})
	ask := func() (int, map[string]any) {
		t.Helper()
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest("GET", "/readyz", nil))
		var told map[string]any
		if err := json.Unmarshal(w.Body.Bytes(), &told); err != nil || w.Header().Get("Content-Type") != "application/json; charset=utf-8" {
			t.Fatalf("%s %v: %v", w.Body, w.Header(), err)
		}
		return w.Code, told
	}
	waitUntil := func(what string, done func() bool) {
		t.Helper()
		for deadline := time.Now().Add(20 * time.Second); !done(); time.Sleep(time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatal(what)
			}
		}
	}
	waitUntil("the feed is never read", func() bool { return c.Stats().Fresh })
	secret := errors.New("dial tcp db.internal:5432")
	for _, row := range []struct {
		name               string
		err                error
		starting, draining bool
		fault              string
		status             int
		told, database     string
		redis              string
	}{
		{"all is well", nil, false, false, "", 200, "ready", "ok", "none"},
		{"a fault of Redis where there is none", nil, false, false, "refuses", 200, "ready", "ok", "none"},
		{"a store that does not answer Ready, while the feed is read", secret, false, false, "", 200, "ready", "ok", "none"},
		{"no changes", errors.Join(store.ErrReadOnly, secret), false, false, "", 200, "degraded", "read-only", "none"},
		{"no right to look keys up", errors.Join(store.ErrNoAccess, secret), false, false, "", 503, "unavailable", "unavailable", "none"},
		{"no changes, still", store.ErrReadOnly, false, false, "", 200, "degraded", "read-only", "none"},
		{"well again", nil, false, false, "", 200, "ready", "ok", "none"},
		{"something to prepare", nil, true, false, "", 503, "starting", "ok", "none"},
		{"told to stop", nil, true, true, "", 503, "draining", "ok", "none"},
	} {
		below, starting, draining, fault = row.err, row.starting, row.draining, row.fault
		status, told := ask()
		if status != row.status || told["status"] != row.told || told["database"] != row.database || told["redis"] != row.redis || told["prepared"] != !row.starting {
			t.Errorf("%s: %d %v", row.name, status, told)
		}
		if members, known := told["members"].(float64); known != (row.database == "ok") || known && members != 1 {
			t.Errorf("%s: members %v", row.name, told["members"])
		}
		if text, _ := json.Marshal(told); strings.Contains(string(text), "internal") {
			t.Errorf("%s: the answer names a host: %s", row.name, text)
		}
	}
	if lines := strings.Split(strings.TrimSpace(log.String()), "\n"); len(lines) != 2 ||
		!strings.Contains(lines[0], "keys cannot be changed") || !strings.Contains(lines[0], "db.internal") || !strings.Contains(lines[1], "can be changed again") {
		t.Errorf("logged:\n%s", log.String())
	}

	below, starting, draining = secret, false, false
	rows.feedDown.Store(true)
	waitUntil("the memory stays in use without a feed", func() bool { return !c.Stats().Fresh })
	if status, told := ask(); status != 503 || told["status"] != "unavailable" || told["members"] != nil || told["feed_age_ms"].(float64) < 0 {
		t.Errorf("without a store and without Redis: %d %v", status, told)
	}

	silent := &spy{Store: store.NewMemory()}
	silent.feedDown.Store(true)
	young, err := cache.Options{Logger: slog.New(slog.DiscardHandler)}.New(silent, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = young.Close(context.Background()) })
	w := httptest.NewRecorder()
	young.ReadyHandler(func(context.Context) error { return nil }, cache.ReadyOptions{}).ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
	if w.Code != 503 || !strings.Contains(w.Body.String(), `"status":"starting"`) || !strings.Contains(w.Body.String(), `"feed_age_ms":-1`) {
		t.Errorf("before the feed has been read: %d %s", w.Code, w.Body)
	}
}
