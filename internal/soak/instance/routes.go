package main

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime"
	"strconv"

	"github.com/labstack/echo/v4"
	"github.com/labstack/echo/v4/middleware"

	"github.com/latchkey-go/latchkey/admin"
	"github.com/latchkey-go/latchkey/cache"
	echoauth "github.com/latchkey-go/latchkey/middleware/echov4"
	"github.com/latchkey-go/latchkey/store"
)

// shown is what the guarded route answers: enough to tell which state of the key let the request
// in.
type shown struct {
	ID      string `json:"id"`
	Version int64  `json:"version"`
	Power   string `json:"power"`
}

// power is what the key may do, with nil told from empty.
func power(k *store.Key) string {
	return fmt.Sprintf("%s scopes %#v channels %#v networks %v limit %v expires %v revoked %v %t",
		k.Type, k.Scopes, k.SalesChannelIDs, k.AllowedCIDRs, k.RateLimit, k.ExpiresAt, k.RevokedAt, k.Revoked)
}

func routes(keys *store.Keys, cached *cache.Cache, broken string) *echo.Echo {
	e := echo.New()
	e.Use(middleware.Recover(), reportState(cached))
	if broken == breakRetryAfter {
		e.Use(withoutRetryAfter)
	}
	e.GET("/key", func(c echo.Context) error {
		key := echoauth.Key(c)
		return c.JSON(http.StatusOK, shown{ID: key.ID, Version: key.Version, Power: power(key)})
	}, echoauth.Any(keys))
	echoauth.Mount(e.Group("/admin"), admin.New(keys, admin.Options{}))

	h := &harness{keys: keys, cached: cached}
	e.POST("/soak/create", h.create)
	e.POST("/soak/import", h.importToken)
	e.GET("/soak/stats", h.stats)
	return e
}

// stateHeader tells with every answer what the cache went through meanwhile: "fresh fresh errors
// errors", each before and after.
const stateHeader = "Soak-State"

func reportState(cached *cache.Cache) echo.MiddlewareFunc {
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			before := cached.Stats()
			c.Response().Before(func() {
				after := cached.Stats()
				c.Response().Header().Set(stateHeader, fmt.Sprintf("%t %t %d %d", before.Fresh, after.Fresh, before.RedisErrors, after.RedisErrors))
			})
			return next(c)
		}
	}
}

// harness is what the test does beside what clients do.
type harness struct {
	keys   *store.Keys
	cached *cache.Cache
}

// made is a new key with its token.
type made struct {
	ID    string `json:"id"`
	Token string `json:"token"`
}

// create makes ?n= secret keys in one change.
func (h *harness) create(c echo.Context) error {
	n, err := strconv.Atoi(c.QueryParam("n"))
	if err != nil {
		return echo.ErrBadRequest
	}
	wanted := make([]store.NewKey, n)
	for i := range wanted {
		wanted[i] = store.NewKey{Type: store.Secret, Title: "soak"}
	}
	created, err := h.keys.CreateMany(c.Request().Context(), wanted)
	if err != nil {
		return undecided(c, err)
	}
	answer := make([]made, n)
	for i, m := range created {
		answer[i] = made{ID: m.Key.ID, Token: m.Token.Reveal()}
	}
	return c.JSON(http.StatusOK, answer)
}

// importToken gives the token in the body to a new key, or tells whose it is.
func (h *harness) importToken(c echo.Context) error {
	var in made
	if err := c.Bind(&in); err != nil {
		return err
	}
	key, _, err := h.keys.ImportToken(c.Request().Context(), in.Token, store.NewKey{Title: "soak"})
	if err != nil {
		return undecided(c, err)
	}
	return c.JSON(http.StatusOK, made{ID: key.ID, Token: in.Token})
}

// stats shows the process from inside.
func (h *harness) stats(c echo.Context) error {
	return c.JSON(http.StatusOK, struct {
		Cache      cache.Stats `json:"cache"`
		Goroutines int         `json:"goroutines"`
	}{h.cached.Stats(), runtime.NumGoroutine()})
}

// undecided answers as the admin routes do.
func undecided(c echo.Context, err error) error {
	if errors.Is(err, store.ErrUnavailable) {
		c.Response().Header().Set("Retry-After", "1")
		return c.NoContent(http.StatusServiceUnavailable)
	}
	slog.Error("soak", "error", err)
	return err
}
