package main

import (
	"log/slog"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/labstack/echo/v4/middleware"

	"github.com/latchkey-go/latchkey/admin"
	keyauth "github.com/latchkey-go/latchkey/middleware"
	echoauth "github.com/latchkey-go/latchkey/middleware/echov4"
	"github.com/latchkey-go/latchkey/store"
)

// routes returns everything that the program serves.
func (a *app) routes() *echo.Echo {
	e := echo.New()
	e.HTTPErrorHandler = tellError(a.log)
	e.IPExtractor = echo.ExtractIPDirect() // behind a proxy, take one of Echo's others
	e.Pre(middleware.RemoveTrailingSlash())
	e.Use(middleware.RequestID(), a.logRequests(), middleware.Recover(), middleware.ContextTimeout(10*time.Second))

	e.GET(healthPath, a.healthz)
	e.GET(readyPath, a.readyz())
	e.GET(metricsPath, echo.WrapHandler(a.metrics.handler))

	exists := routesOf(e)

	// The storefront: publishable keys, sent by browsers. What a key may see is in its sales
	// channels.
	shop := e.Group("/store")
	a.allowPages(shop, exists, a.config.storeOrigins)
	shop.Use(a.guard(store.Publishable, exists))
	shop.Match(reading, "/products", a.shop.products)
	shop.Match(reading, "/regions", a.shop.regions)
	shop.POST("/carts", a.shop.createCart)

	// The API for servers: secret keys. What a key may do is in its scopes.
	secret := a.guard(store.Secret, exists)
	api := e.Group("/api", secret)
	api.Match(reading, "/orders", a.shop.orders, echoauth.Require("orders:read"))
	api.POST("/orders", a.shop.createOrder, echoauth.Require("orders:write"))

	// Managing keys, and the shop's own sales channels beside them. Everything under /admin that is
	// not the shop's is the API's, which guards itself, and has our guard in front of its own.
	staff := e.Group("/admin")
	a.allowPages(staff, exists, a.config.adminOrigins)
	staff.Match(reading, "/sales-channels", a.shop.listChannels, secret, echoauth.Require("sales-channels:read"))
	staff.POST("/sales-channels", a.shop.createChannel, secret, echoauth.Require("sales-channels:write"))
	echoauth.Mount(staff, admin.New(a.keys, admin.Options{Guard: inEcho(secret), SalesChannels: a.shop, Logger: a.log}))
	return e
}

// inEcho makes an Echo middleware one for a handler that echoauth.Mount serves.
func inEcho(m echo.MiddlewareFunc) func(next http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			c, _ := echoauth.Context(r)
			err := m(func(c echo.Context) error {
				behind := c.Request().WithContext(c.Request().Context())
				behind.URL = r.URL // without the group's prefix
				next.ServeHTTP(c.Response(), behind)
				return nil
			})(c)
			if err != nil {
				c.Error(err)
			}
		})
	}
}

// Where machines ask, and not people.
const (
	healthPath  = "/healthz"
	readyPath   = "/readyz"
	metricsPath = "/metrics"
)

func isProbe(path string) bool { return path == healthPath || path == readyPath || path == metricsPath }

// guard lets in keys of one type. Behind it follows what is the same for all routes.
func (a *app) guard(accepted store.Type, exists routeTest) echo.MiddlewareFunc {
	config := keyauth.Config{Keys: a.keys, Types: []store.Type{accepted}, Limiter: a.limits, MaxFailures: a.config.maxFailures, Logger: a.log}
	if a.config.medusa {
		config.Errors = keyauth.MedusaErrors
		config.Extractors = medusaHeader(accepted)
	}
	guard, methods := echoauth.WithConfig(config), otherMethods(exists)
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		next = methods(next)
		if a.config.medusa {
			next = bodyFirst(next)
		}
		return guard(next)
	}
}

// medusaHeader is the one place where Medusa looks for a key. The guards' defaults read x-api-key
// too.
func medusaHeader(accepted store.Type) []keyauth.Extractor {
	if accepted == store.Publishable {
		return []keyauth.Extractor{keyauth.Header("x-publishable-api-key")}
	}
	return []keyauth.Extractor{keyauth.Basic}
}

// allowPages puts CORS in front of a group, where it is configured: before the guard, so that pages
// can read refusals too.
func (a *app) allowPages(g *echo.Group, exists routeTest, origins []string) {
	if len(origins) > 0 || a.config.medusa {
		g.Use(cors(exists, origins))
	}
}

// logRequests writes a line for each request: never its headers or its query, which may hold what
// should not be in a log. What people put where an id belongs is in the path, and the request's id
// is the client's if it sends one.
func (a *app) logRequests() echo.MiddlewareFunc {
	return middleware.RequestLoggerWithConfig(middleware.RequestLoggerConfig{
		HandleError: true, // so that the status is known
		LogMethod:   true, LogURIPath: true, LogStatus: true, LogLatency: true, LogRequestID: true, LogError: true,
		LogValuesFunc: func(c echo.Context, v middleware.RequestLoggerValues) error {
			attrs := []slog.Attr{
				slog.String("method", v.Method), slog.String("path", store.RedactTokens(v.URIPath)), slog.Int("status", v.Status),
				slog.Duration("took", v.Latency), slog.String("request_id", store.RedactTokens(v.RequestID)),
			}
			if key, ok := keyauth.KeyFrom(c.Request().Context()); ok {
				attrs = append(attrs, slog.String("key_id", key.ID))
			}
			level := slog.LevelInfo
			switch {
			case isProbe(v.URIPath): // several a second, and what they find is in metrics
				level = slog.LevelDebug
			case v.Status >= http.StatusInternalServerError:
				level = slog.LevelError
				attrs = append(attrs, slog.Any("error", v.Error))
			}
			a.log.LogAttrs(c.Request().Context(), level, "request", attrs...)
			return nil
		},
	})
}
