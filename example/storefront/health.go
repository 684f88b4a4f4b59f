package main

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/latchkey-go/latchkey/cache"
	"github.com/latchkey-go/latchkey/middleware/ratelimit"
	"github.com/latchkey-go/latchkey/store"
)

// healthz says that the process runs and answers: restart it when it does not. Whatever else is broken, a restart would not mend it.
func (a *app) healthz(c echo.Context) error {
	return answer(c, http.StatusOK, map[string]string{"status": "ok"})
}

// What readyz waits for at most: the database, and then, if that is out, Redis. Kubernetes gives a probe one second.
const (
	probeTime = 400 * time.Millisecond
	pingTime  = 100 * time.Millisecond
)

// state is what readyz tells.
type state struct {
	Status    string `json:"status"`
	Database  string `json:"database"`
	Prepared  bool   `json:"prepared"`
	FeedAge   int64  `json:"feed_age_ms"` // since the cache last heard what has changed; -1: not yet
	Redis     string `json:"redis"`
	Listening bool   `json:"listening"` // changes elsewhere are heard of at once, through Redis
	Members   *int   `json:"members"`   // instances that changes wait for; null: not known now
}

// readyz says whether requests should be sent here. They should when this instance can decide about keys:
//
//   - Without Redis it can: the memory of the process and the database are enough. It says so, and is ready.
//   - Without the database it can as long as Redis may be believed (cache.Options.MaxStale): it is degraded, and ready. All instances lose a
//     database at the same moment, and if all of them were unready for it, nobody would be left to let known keys in.
//   - While the database takes no changes it can, and nobody can change a key: it is degraded, and
//     ready.
//   - Before the tables are there and the change feed has been read once, and when nothing can be asked any more, it cannot.
//   - Once it has been told to stop it is not ready, though it still answers.
//
// The reasons are in the log and not here: they may name hosts.
func (a *app) readyz(c echo.Context) error {
	ctx, cancel := context.WithTimeout(c.Request().Context(), probeTime)
	defer cancel()
	stats := a.cached.Stats()
	s := state{Database: "ok", Prepared: a.prepared.Load(), FeedAge: stats.FeedAge.Milliseconds(), Redis: redisState(stats, a.limits.Stats()), Listening: stats.Listening}
	if silent(stats.Faults) && !a.redisAnswers(c.Request().Context()) { // after a start, writes alone may have been tried
		s.Redis = "not in use"
	}
	if stats.FeedAge < 0 {
		s.FeedAge = -1
	}
	// The cache reads the feed several times a second: while that goes well the database answers,
	// whatever else is said of it, but for a right to look keys up that was taken away.
	err := a.rows.Ready(ctx)
	switch lacks := errors.Is(err, store.ErrReadOnly) || errors.Is(err, store.ErrNoAccess); {
	case lacks && !a.readOnly.Swap(true):
		a.log.Warn("keys cannot be changed", "reason", err)
	case err == nil && a.readOnly.Swap(false):
		a.log.Info("keys can be changed again")
	}
	switch {
	case errors.Is(err, store.ErrReadOnly):
		s.Database = "read-only"
	case err != nil && (!stats.Fresh || errors.Is(err, store.ErrNoAccess)):
		s.Database = "unavailable"
	default:
		if members, err := a.rows.Members(ctx); err == nil {
			n := len(members)
			s.Members = &n
		}
	}
	status := http.StatusOK
	switch {
	case a.draining.Load():
		s.Status, status = "draining", http.StatusServiceUnavailable
	case !s.Prepared, stats.FeedAge < 0:
		s.Status, status = "starting", http.StatusServiceUnavailable
	case s.Database == "ok":
		s.Status = "ready"
	case s.Database == "read-only":
		s.Status = "degraded"
	case (stats.Stale || stats.Fresh && a.redis != nil) && a.redisAnswers(c.Request().Context()):
		s.Status = "degraded"
	default:
		s.Status, status = "unavailable", http.StatusServiceUnavailable
		if s.Redis == "in use" {
			s.Redis = "not in use"
		}
	}
	return answer(c, status, s)
}

// redisAnswers asks Redis itself. The cache learns that Redis is gone from lookups alone, and after some of them: an instance that gets few would
// be called ready, and could answer none. It waits in a select, because go-redis does not end a read with its context.
func (a *app) redisAnswers(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, pingTime)
	defer cancel()
	answered := make(chan bool, 1)
	go func() { // ends with the client's own timeouts
		// What lookups do, and no PING: Redis refuses that one when it cannot save to disk.
		answered <- a.redis.MGet(ctx, cache.DefaultKeyPrefix+":ready").Err() == nil
	}()
	select {
	case yes := <-answered:
		return yes
	case <-ctx.Done():
		return false
	}
}

// unreachable is the word for a Redis that does not answer.
const unreachable = "UNREACHABLE"

// silent reports whether calls of Redis fail, and all for want of an answer.
func silent(f cache.Faults) bool {
	words := f.Read.Word + f.Write.Word + f.Publish.Word + f.Subscribe.Word
	return words != "" && strings.ReplaceAll(words, unreachable, "") == ""
}

func redisState(stats cache.Stats, limits ratelimit.Stats) string {
	faults := stats.Faults
	if faults.Read.Word == unreachable {
		faults.Read = cache.Fault{} // "not in use" says it
	}
	switch said := faults.String(); {
	case !stats.Redis:
		return "none"
	case said != "":
		return said
	case limits.Fault.Word != "" && limits.Fault.Word != unreachable:
		return "refuses to count rate limits (" + limits.Fault.Word + ")"
	case stats.RedisReady:
		return "in use"
	default:
		return "not in use"
	}
}
