package main

import (
	"net/http"

	"github.com/labstack/echo/v4"

	"github.com/latchkey-go/latchkey/cache"
)

// healthz says that the process runs and answers: restart it when it does not. Whatever else is
// broken, a restart would not mend it.
func (a *app) healthz(c echo.Context) error {
	return answer(c, http.StatusOK, map[string]string{"status": "ok"})
}

// readyz says whether requests should be sent here. A program that is stopping is not ready,
// though it still answers.
func (a *app) readyz() echo.HandlerFunc {
	return echo.WrapHandler(a.cached.ReadyHandler(a.rows.Ready, cache.ReadyOptions{
		Starting: func() bool { return !a.prepared.Load() },
		Draining: a.draining.Load,
		RedisFault: func() string {
			if word := a.limits.Stats().Fault.Word; word != "" && word != "UNREACHABLE" {
				return "refuses to count rate limits (" + word + ")"
			}
			return ""
		},
		Logger: a.log,
	}))
}
