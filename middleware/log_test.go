package keyauth_test

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	keyauth "github.com/latchkey-go/latchkey/middleware"
	"github.com/latchkey-go/latchkey/store"
)

// linesPerSecond is how many refusals a guard logs in a second.
const linesPerSecond = 10

// logOf returns what a guard logs at the given level while use runs, one line a member.
func logOf(t *testing.T, w *world, level slog.Level, use func(h http.Handler)) []map[string]any {
	t.Helper()
	var out bytes.Buffer
	config := w.config(store.Secret)
	config.RefusalTime = -1 // so that a flood falls into one second
	config.Logger = slog.New(slog.NewJSONHandler(&out, &slog.HandlerOptions{Level: level}))
	use(keyauth.WithConfig(config)(http.NotFoundHandler()))
	var lines []map[string]any
	for line := range strings.Lines(out.String()) {
		var entry map[string]any
		if err := json.Unmarshal([]byte(line), &entry); err != nil {
			t.Fatalf("%v in %q", err, line)
		}
		delete(entry, "time")
		lines = append(lines, entry)
	}
	return lines
}

func TestRequirement28LogLinesNameKeysAndFingerprintsNeverTokens(t *testing.T) {
	w := newWorld(t)
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	parsed, err := store.ParseToken(w.unknown)
	if err != nil {
		t.Fatal(err)
	}
	for name, row := range map[string]struct {
		request *http.Request
		fail    error
		level   slog.Level
		want    map[string]any // nil: no line
	}{
		"an unknown token has a fingerprint": {request("X-Api-Key", w.unknown, "X-Request-Id", "req-1"), nil, slog.LevelInfo, map[string]any{
			"level": "INFO", "msg": "latchkey: refused", "status": 401.0, "reason": "unknown token", "fingerprint": parsed.LookupID().String(), "client": "192.0.2.1", "request_id": "req-1"}},
		"a malformed one has nothing of itself": {request("X-Api-Key", "sk_canary\nlevel=ERROR", "X-Request-Id", "a\nb"), nil, slog.LevelInfo, map[string]any{
			"level": "INFO", "msg": "latchkey: refused", "status": 401.0, "reason": "malformed token", "client": "192.0.2.1"}},
		"a good key in the wrong place is named by its id": {request("X-Api-Key", w.bound), nil, slog.LevelInfo, map[string]any{
			"level": "INFO", "msg": "latchkey: refused", "status": 403.0, "reason": "keyauth: address not allowed", "key_id": w.ids[w.bound], "client": "192.0.2.1"}},
		"no credential is nobody's failure":  {request(), nil, slog.LevelInfo, nil},
		"a client that is gone is no outage": {request("X-Api-Key", w.secret).WithContext(gone), nil, slog.LevelInfo, nil},
		"a success is silent":                {request("X-Api-Key", w.secret), nil, slog.LevelInfo, nil},
		"a success is told to those who want Debug": {request("X-Api-Key", w.secret), nil, slog.LevelDebug, map[string]any{
			"level": "DEBUG", "msg": "latchkey: authenticated", "key_id": w.ids[w.secret]}},
		"an outage is a warning with its cause": {request("X-Api-Key", w.unknown), store.ErrUnavailable, slog.LevelInfo, map[string]any{
			"level": "WARN", "msg": "latchkey: a key could not be checked", "status": 503.0, "reason": "store: lookup: unavailable", "fingerprint": parsed.LookupID().String(), "client": "192.0.2.1"}},
	} {
		t.Run(name, func(t *testing.T) {
			w.spy.fail.Store(nil)
			if row.fail != nil {
				w.spy.failWith(row.fail)
			}
			lines := logOf(t, w, row.level, func(h http.Handler) { serve(h, row.request) })
			got, _ := json.Marshal(lines)
			want, _ := json.Marshal([]map[string]any{row.want})
			if row.want == nil {
				want = []byte("null")
			}
			if !bytes.Equal(got, want) {
				t.Errorf("got  %s\nwant %s", got, want)
			}
		})
	}
}

func TestRequirement27AFloodIsSampledAndDoesNotHideAnOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // so that the flood falls into one second
		w := newWorld(t)
		before, err := w.keys.Events(t.Context(), store.EventQuery{})
		if err != nil {
			t.Fatal(err)
		}
		lines := logOf(t, w, slog.LevelInfo, func(h http.Handler) {
			for range 1000 {
				serve(h, request("X-Api-Key", w.unknown))
			}
			w.spy.failWith(store.ErrUnavailable)
			serve(h, request("X-Api-Key", w.unknown))
			w.spy.fail.Store(nil)
			time.Sleep(time.Second)
			serve(h, request("X-Api-Key", w.unknown))
		})
		if len(lines) != 12 {
			t.Fatalf("%d lines, want 10, the outage, and one in the next second", len(lines))
		}
		if lines[10]["level"] != "WARN" {
			t.Errorf("the outage is not told: %v", lines[10])
		}
		if n := lines[11]["not_logged"]; n != 990.0 {
			t.Errorf("not_logged %v, want 990", n)
		}
		if after, err := w.keys.Events(t.Context(), store.EventQuery{}); err != nil || len(after) != len(before) {
			t.Errorf("failed authentications wrote %d events, %v", len(after)-len(before), err)
		}
	})
}

// TestRequirement27FailedAuthenticationsGoToLogAndMetrics sends more of each kind than the log has
// lines for: metrics have all of them, each in the one place where it belongs, and the event table
// has none.
func TestRequirement27FailedAuthenticationsGoToLogAndMetrics(t *testing.T) {
	const flood = linesPerSecond + 20
	const results, reasons = "latchkey.authentications/", "latchkey.denials/"
	w := newWorld(t)
	numbers := func() map[string]float64 { return counted(w) }
	events := func() []store.Event {
		all, err := w.keys.Events(t.Context(), store.EventQuery{})
		if err != nil {
			t.Fatal(err)
		}
		return all
	}
	for _, row := range []struct {
		name, counted string
		header        []string
		forge         bool
		fail          error
		reason        string // in the log
	}{
		{"malformed", results + "malformed", []string{"X-Api-Key", "sk_nonsense"}, false, nil, "malformed token"},
		{"unknown", results + "unknown", []string{"X-Api-Key", w.unknown}, false, nil, "unknown token"},
		{"revoked", results + "revoked", []string{"X-Api-Key", w.revoked}, false, nil, "revoked"},
		{"expired", results + "expired", []string{"X-Api-Key", w.expired}, false, nil, "expired"},
		{"forged", results + "forged", []string{"X-Api-Key", w.scoped}, true, nil, "proof"},
		{"of another type", results + "wrong_type", []string{"X-Api-Key", w.publishable}, false, nil, "type"},
		{"undecided", results + "unavailable", []string{"X-Api-Key", w.secret}, false, store.ErrUnavailable, "unavailable"},
		{"two at once", reasons + "conflict", []string{"X-Api-Key", w.secret, "Authorization", "Bearer " + w.other}, false, nil, "two different credentials"},
	} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { // so that the flood falls into one second
				w.spy.forge.Store(row.forge)
				w.spy.fail.Store(nil)
				if row.fail != nil {
					w.spy.failWith(row.fail)
				}
				before, old := numbers(), events()
				lines := logOf(t, w, slog.LevelInfo, func(h http.Handler) {
					for range flood {
						if got := serve(h, request(row.header...)); got.Code < 400 {
							t.Fatalf("status %d", got.Code)
						}
					}
				})
				if len(lines) != linesPerSecond {
					t.Errorf("%d lines, want %d", len(lines), linesPerSecond)
				}
				for _, line := range lines {
					if reason, _ := line["reason"].(string); !strings.Contains(reason, row.reason) {
						t.Errorf("the log says %v, want %q", line, row.reason)
					}
				}
				for name, n := range numbers() {
					want := 0.0
					if name == row.counted {
						want = flood
					}
					if n-before[name] != want {
						t.Errorf("%s rose by %v, want %v", name, n-before[name], want)
					}
				}
				if now := events(); len(now) != len(old) {
					t.Errorf("the event table has %v more", now[len(old):])
				}
			})
		})
	}
}
