package main

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/labstack/echo/v4"
)

// healthz says that the process runs and answers: restart it when it does not.
func (a *app) healthz(c echo.Context) error {
	return answer(c, http.StatusOK, map[string]string{"status": "ok"})
}

// readyz says whether requests should be sent here: the database answers, is migrated and has what the program needs. Redis is told
// of but not asked for, since the program works without.
func (a *app) readyz(c echo.Context) error {
	ctx, cancel := context.WithTimeout(c.Request().Context(), time.Second)
	defer cancel()
	stats := a.cached.Stats()
	state := struct {
		Status   string `json:"status"`
		Database string `json:"database"`
		Prepared bool   `json:"prepared"`
		FeedAge  int64  `json:"feed_age_ms"` // since the cache last heard what has changed; -1: not yet
		Redis    string `json:"redis"`
	}{"ready", "ok", a.prepared.Load(), stats.FeedAge.Milliseconds(), "none"}
	if stats.FeedAge < 0 {
		state.FeedAge = -1
	}
	if stats.Redis {
		state.Redis = "not in use"
	}
	if stats.RedisReady {
		state.Redis = "in use"
	}
	status := http.StatusOK
	if err := a.rows.Ready(ctx); err != nil { // the reason is in the log: it may name hosts
		state.Database = "unavailable"
	}
	if state.Database != "ok" || !state.Prepared {
		state.Status, status = "unavailable", http.StatusServiceUnavailable
	}
	return answer(c, status, state)
}

// metrics answers in Prometheus's text format.
func (a *app) metrics(c echo.Context) error {
	s := a.cached.Stats()
	var b strings.Builder
	metric := func(name, kind, help string, value any) {
		fmt.Fprintf(&b, "# HELP latchkey_cache_%[1]s %[2]s\n# TYPE latchkey_cache_%[1]s %[3]s\nlatchkey_cache_%[1]s %[4]v\n", name, help, kind, value)
	}
	counter := func(name, help string, n uint64) { metric(name+"_total", "counter", help, n) }
	gauge := func(name, help string, n any) { metric(name, "gauge", help, n) }

	counter("hits", "Lookups answered from the memory of the process.", s.Hits)
	counter("unknown_hits", "Lookups of tokens remembered as unknown.", s.UnknownHits)
	counter("redis_hits", "Lookups answered from Redis.", s.RedisHits)
	counter("redis_misses", "Lookups that Redis could not answer.", s.RedisMisses)
	counter("redis_errors", "Redis commands that failed or took too long.", s.RedisErrors)
	counter("redis_forged", "Entries in Redis that were forged or altered.", s.RedisForged)
	counter("fills", "Records written to Redis.", s.Fills)
	counter("store_lookups", "Lookups that asked the database.", s.StoreLookups)
	counter("store_errors", "Lookups that the database did not answer.", s.StoreErrors)
	counter("stale_lookups", "Lookups while the change feed was out of reach.", s.StaleLookups)
	counter("polls", "Reads of the change feed.", s.Polls)
	counter("poll_errors", "Reads of the change feed that failed.", s.PollErrors)
	counter("breaker_opened", "Times that Redis was given up for a while.", s.Opened)
	gauge("keys", "Records in the memory of the process.", s.Keys)
	gauge("unknown", "Unknown tokens remembered.", s.Unknown)
	gauge("feed_age_seconds", "Time since the change feed was last read; negative before the first time.", s.FeedAge.Seconds())
	gauge("redis_ready", "1 while Redis is in use.", number(s.RedisReady))
	return c.Blob(http.StatusOK, "text/plain; version=0.0.4; charset=utf-8", []byte(b.String()))
}

func number(yes bool) int {
	if yes {
		return 1
	}
	return 0
}
