package ratelimit_test

import (
	"bytes"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/latchkey-go/latchkey/middleware/ratelimit"
	"github.com/latchkey-go/latchkey/store"
	"github.com/latchkey-go/latchkey/store/storetest/servers"
)

// logged is a log that tests read.
type logged struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *logged) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(b)
}

func (l *logged) lines() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Collect(strings.Lines(l.buf.String()))
}

// A Redis that refuses to count is named, in the status, the metrics and one line of the log, while
// this instance counts by itself; and so is the end of it.
func TestARefusalIsNamed(t *testing.T) {
	for _, way := range append(servers.Refusals(), servers.WithoutScripts()) {
		if !way.Write {
			continue // channels
		}
		t.Run("Redis "+way.Name, func(t *testing.T) {
			t.Parallel()
			server := servers.NewRedis(t, way.Args...)
			rdb, sent := client(t, server.Addr(), patient)
			log := &logged{}
			l := newLimiter(t, ratelimit.Options{Timeout: patient, Logger: slog.New(slog.NewTextHandler(log, nil))}, rdb)
			ends := way.Args == nil
			if ends {
				l.back(t)
				// A key whose limit is used up: Redis only reads for it.
				l.allowed("full", threeIn3h, 4)
			}
			way.Begin(server)
			if n := l.allowed("k", threeIn3h, 500); n != 3 {
				t.Errorf("%d of 500 requests were allowed, want 3", n)
			}
			for range 500 {
				l.take("full", threeIn3h)
			}
			began := l.Stats()
			if began.Redis || began.Fault.Word != way.Word || began.Fault.Since.IsZero() || began.Fault.Since.After(time.Now()) {
				t.Errorf("%+v, want %s", began, way.Word)
			}
			var on []string
			for _, m := range l.Metrics() {
				if m.Name == "latchkey.ratelimit.redis_error" && m.Value == 1 {
					on = append(on, m.Is)
				}
			}
			if !slices.Equal(on, []string{way.Word}) {
				t.Errorf("metrics for %v, want %s", on, way.Word)
			}
			sent.take()
			tried := 0
			eventually(t, "it has been tried again a few times", func() bool { // with a key for which Redis only reads
				l.take("full", threeIn3h)
				tried += sent.take()["evalsha"]
				return tried >= 3
			})
			if got := l.Stats().Fault; got != began.Fault {
				t.Errorf("%+v, was %+v", got, began.Fault)
			}
			if got := log.lines(); len(got) != 1 || !strings.Contains(got[0], "level=WARN") || !strings.Contains(got[0], "word="+way.Word) {
				t.Errorf("log %q", got)
			}
			if !ends {
				return
			}
			way.End(server)
			l.back(t)
			if s := l.Stats(); !s.Redis || s.Fault != (ratelimit.Fault{}) {
				t.Errorf("%+v", s)
			}
			if got := log.lines(); len(got) != 2 || !strings.Contains(got[1], "level=INFO") || !strings.Contains(got[1], " after=") {
				t.Errorf("log %q", got)
			}
		})
	}
}

// An error about one key says nothing about Redis.
func TestAKeyThatCannotBeCounted(t *testing.T) {
	rdb, _ := client(t, servers.NewRedis(t).Addr(), patient)
	log := &logged{}
	l := newLimiter(t, ratelimit.Options{Timeout: patient, Logger: slog.New(slog.NewTextHandler(log, nil))}, rdb)
	if err := rdb.LPush(t.Context(), redisKey("list"), "x").Err(); err != nil {
		t.Fatal(err)
	}
	for range 20 {
		l.take("other", store.RateLimit{Requests: 1000, Window: time.Hour})
		l.take("other", store.RateLimit{Requests: 1000, Window: time.Hour})
		l.take("list", threeIn3h)
	}
	if s := l.Stats(); s.Counted != 40 || s.Fallback != 20 || !s.Redis || len(log.lines()) != 0 {
		t.Errorf("%+v, %q", s, log.lines())
	}
}
