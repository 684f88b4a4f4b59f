package cache

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/latchkey-go/latchkey/internal/redisfault"
	"github.com/latchkey-go/latchkey/store"
)

// Time limits of a readiness probe: for the store and then, if that fails, for Redis. Kubernetes
// gives a probe one second.
const (
	probeTime = 400 * time.Millisecond
	pingTime  = 100 * time.Millisecond
)

// ReadyOptions are the settings of [Cache.ReadyHandler]. The zero value is ready to use.
type ReadyOptions struct {
	// Starting reports whether the program is still preparing. Optional; default never.
	Starting func() bool
	// Draining reports whether the program is stopping. Optional; default never.
	Draining func() bool
	// RedisFault returns what else Redis refuses to the program, or "". Optional.
	RedisFault func() string
	// Logger logs when keys cannot be changed, and when they can be again. Optional; default
	// slog.Default().
	Logger *slog.Logger
}

// readiness is the body of the answer.
type readiness struct {
	Status    string `json:"status"`
	Database  string `json:"database"`
	Prepared  bool   `json:"prepared"`
	FeedAge   int64  `json:"feed_age_ms"` // since the feed was last read; -1: never
	Redis     string `json:"redis"`
	Listening bool   `json:"listening"` // changes elsewhere arrive at once, through Redis
	Members   *int   `json:"members"`   // instances that changes wait for; null: not known
}

// ReadyHandler answers a readiness probe with JSON: 200 when this process can decide about keys,
// else 503. The reasons are in the log, since they may name hosts. ready is the method Ready of the
// store below (sqlite, postgres, dburl).
//
//   - Without Redis it is ready: its memory and the store are enough.
//   - Without the store it is degraded, and ready, while answers from Redis count
//     ([Options].MaxStale). All instances lose a database at the same moment; if all of them were
//     unready, no known key would be accepted.
//   - While the store takes no changes, keys cannot be changed: it is degraded, and ready.
//   - Before the store has been migrated and the feed has been read once, while Starting or
//     Draining, and when neither the store nor Redis answers, it is not ready.
func (c *Cache) ReadyHandler(ready func(context.Context) error, o ReadyOptions) http.Handler {
	never := func() bool { return false }
	if o.Starting == nil {
		o.Starting = never
	}
	if o.Draining == nil {
		o.Draining = never
	}
	if o.RedisFault == nil {
		o.RedisFault = func() string { return "" }
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	readOnly := new(atomic.Bool) // the reason has been logged
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), probeTime)
		defer cancel()
		err := ready(ctx)
		switch lacks := errors.Is(err, store.ErrReadOnly) || errors.Is(err, store.ErrNoAccess); {
		case lacks && !readOnly.Swap(true):
			o.Logger.Warn("keys cannot be changed", "reason", err)
		case err == nil && readOnly.Swap(false):
			o.Logger.Info("keys can be changed again")
		}
		s, status := c.readiness(r.Context(), ctx, o, err), http.StatusOK
		if s.Status != "ready" && s.Status != "degraded" {
			status = http.StatusServiceUnavailable
		}
		text, _ := json.Marshal(s) // readiness has no field that could fail
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
		w.WriteHeader(status)
		_, _ = w.Write(text) // the client may have gone
	})
}

// readiness evaluates the error of the store's Ready. bounded is the context for the store only;
// Redis has its own limit.
func (c *Cache) readiness(ctx, bounded context.Context, o ReadyOptions, err error) readiness {
	stats := c.Stats()
	s := readiness{
		Database: "ok", Prepared: !o.Starting(), FeedAge: stats.FeedAge.Milliseconds(),
		Redis: redisInWords(stats, o.RedisFault()), Listening: stats.Listening,
	}
	if stats.FeedAge < 0 {
		s.FeedAge = -1
	}
	if unanswered(stats.Faults) && !c.redisAnswers(ctx) { // after a start, only writes may have been tried
		s.Redis = "not in use"
	}
	// The feed is read several times a second. While that succeeds, the store answers; the
	// exception is a permission to look keys up that was revoked.
	switch {
	case errors.Is(err, store.ErrReadOnly):
		s.Database = "read-only"
	case err != nil && (!stats.Fresh || errors.Is(err, store.ErrNoAccess)):
		s.Database = "unavailable"
	default:
		if members, err := c.Members(bounded); err == nil {
			n := len(members)
			s.Members = &n
		}
	}
	switch {
	case o.Draining():
		s.Status = "draining"
	case !s.Prepared, stats.FeedAge < 0:
		s.Status = "starting"
	case s.Database == "ok":
		s.Status = "ready"
	case s.Database == "read-only":
		s.Status = "degraded"
	case (stats.Stale || stats.Fresh && stats.Redis) && c.redisAnswers(ctx):
		s.Status = "degraded"
	default:
		s.Status = "unavailable"
		if s.Redis == "in use" {
			s.Redis = "not in use"
		}
	}
	return s
}

// redisAnswers calls Redis as a lookup does, but without the breaker. Only lookups open the
// breaker, and only after several failures: without this call, an instance with few lookups would
// be ready and could answer none. go-redis does not cancel a read with its context, so the read has
// its own goroutine.
func (c *Cache) redisAnswers(ctx context.Context) bool {
	if c.l2 == nil || !c.l2.tasks.begin() {
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, pingTime)
	defer cancel()
	answered := make(chan bool, 1)
	go func() { // ends with the client's own timeouts
		defer c.l2.tasks.end()
		_, err := c.l2.inner.watermark(ctx, "ready")
		answered <- err == nil
	}()
	select {
	case yes := <-answered:
		return yes
	case <-ctx.Done():
		return false
	}
}

// unanswered reports whether there are faults and all of them are missing answers.
func unanswered(f Faults) bool {
	words := f.Read.Word + f.Write.Word + f.Publish.Word + f.Subscribe.Word
	return words != "" && strings.ReplaceAll(words, redisfault.Unreachable, "") == ""
}

func redisInWords(stats Stats, other string) string {
	faults := stats.Faults
	if faults.Read.Word == redisfault.Unreachable {
		faults.Read = Fault{} // "not in use" covers it
	}
	switch said := faults.String(); {
	case !stats.Redis:
		return "none"
	case said != "":
		return said
	case other != "":
		return other
	case stats.RedisReady:
		return "in use"
	default:
		return "not in use"
	}
}
