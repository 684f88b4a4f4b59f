package guard

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/latchkey-go/latchkey/store"
)

// linesPerSecond limits the log lines of a guard about refusals, and separately about keys that
// could not be checked. So a flood of bad keys neither fills the disk nor hides an outage.
const linesPerSecond = 10

// logSuccess logs an accepted key if the level Debug is enabled.
func (g *Guard) logSuccess(ctx context.Context, key *store.Key) {
	if g.Logger.Enabled(ctx, slog.LevelDebug) {
		g.Logger.LogAttrs(ctx, slog.LevelDebug, "latchkey: authenticated", slog.String("key_id", key.ID))
	}
}

// logRefusal logs a refused request. The line contains no free text of the client: the token is a
// fingerprint, addresses are parsed, and the request id is visible ASCII.
func (g *Guard) logRefusal(h http.Header, r *http.Request, clientIP func(*http.Request) string, token string, key *store.Key, status int, err error) {
	ctx := r.Context()
	level, message, sample := slog.LevelInfo, "latchkey: refused", &g.refused
	switch {
	case errors.Is(err, ErrNoCredential), ctx.Err() != nil: // no failure, or the client has gone
		level = slog.LevelDebug
	case status >= 500:
		level, message, sample = slog.LevelWarn, "latchkey: a key could not be checked", &g.undecided
	}
	if !g.Logger.Enabled(ctx, level) {
		return
	}
	dropped, ok := sample.next(time.Now())
	if !ok {
		return
	}
	attrs := []slog.Attr{slog.Int("status", status), slog.String("reason", err.Error())}
	if key != nil {
		attrs = append(attrs, slog.String("key_id", key.ID))
	} else if t, err := store.ParseToken(token); err == nil {
		attrs = append(attrs, slog.String("fingerprint", t.LookupID().String()))
	}
	if addr := g.clientAddr(r, clientIP); addr.IsValid() {
		attrs = append(attrs, slog.String("client", addr.String()))
	}
	if id := requestID(h, r); id != "" {
		attrs = append(attrs, slog.String("request_id", store.RedactTokens(id)))
	}
	if dropped > 0 {
		attrs = append(attrs, slog.Int64("not_logged", dropped))
	}
	g.Logger.LogAttrs(ctx, level, message, attrs...)
}

// sampler allows a number of lines per second and counts the others. The zero value is ready to
// use.
type sampler struct{ second, lines, dropped atomic.Int64 }

// next reports whether the line may be written and, if so, how many were dropped since the last
// one.
func (s *sampler) next(now time.Time) (dropped int64, ok bool) {
	second := now.Unix()
	if last := s.second.Load(); last != second && s.second.CompareAndSwap(last, second) {
		s.lines.Store(0)
	}
	if s.lines.Add(1) > linesPerSecond {
		s.dropped.Add(1)
		return 0, false
	}
	return s.dropped.Swap(0), true
}
