package security_test

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/labstack/echo/v4"
	echomiddleware "github.com/labstack/echo/v4/middleware"
	"github.com/redis/go-redis/v9"

	"github.com/latchkey-go/latchkey/admin"
	"github.com/latchkey-go/latchkey/cache"
	keyauth "github.com/latchkey-go/latchkey/middleware"
	echoauth "github.com/latchkey-go/latchkey/middleware/echov4"
	"github.com/latchkey-go/latchkey/store"
	"github.com/latchkey-go/latchkey/store/dburl"
	"github.com/latchkey-go/latchkey/store/storetest/servers"
)

const pepper = "kV0Yw3mQy8cT1pZr5sXa7bNd9fHj2lGe"

// database is one that tests look into behind the store's back.
type database struct {
	name string
	open func(t *testing.T) (url string, contents func() []byte)
}

func databases() []database {
	return []database{
		{"SQLite", func(t *testing.T) (string, func() []byte) {
			dir := t.TempDir()
			return "sqlite:" + filepath.Join(dir, "keys.db"), func() []byte { return everythingIn(t, dir) }
		}},
		{"PostgreSQL", func(t *testing.T) (string, func() []byte) {
			// Its log has every statement with its arguments.
			server := servers.NewPostgres(t, "log_statement=all", "log_parameter_max_length=-1", "wal_level=logical")
			return server.Database(t), func() []byte { return everythingIn(t, filepath.Dir(server.Dir())) }
		}},
	}
}

// world is a program with everything: admin routes, guarded routes, cache, Redis, database, a log
// of every level.
type world struct {
	t      *testing.T
	url    string
	db     *sql.DB
	rows   dburl.Store
	rdb    *redis.Client
	redis  *servers.RedisServer
	cache  *cache.Cache
	sealer *store.Sealer
	keys   *store.Keys
	admin  string // token of an unrestricted key
	base   string
	gone   bool // the database, on purpose
	log    lockedBuffer
	ahead  atomic.Int64 // by how much the clock of keys is
}

func newWorld(t *testing.T, url string) *world {
	t.Helper()
	w := &world{t: t, url: url, redis: servers.NewRedis(t)}
	logger := slog.New(slog.NewTextHandler(&w.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	parsed, err := dburl.Parse(url)
	w.must(err)
	w.db, err = parsed.Connect()
	w.must(err)
	t.Cleanup(func() { _ = w.db.Close() })
	w.rows, err = parsed.Open(w.db, logger)
	w.must(err)
	w.must(w.rows.Ready(t.Context()))
	o := &redis.UniversalOptions{Addrs: []string{w.redis.Addr()}}
	cache.RecommendedRedisOptions(o)
	w.rdb = redis.NewClient(o.Simple())
	t.Cleanup(func() { _ = w.rdb.Close() })
	w.sealer, err = store.NewSealer([]string{pepper})
	w.must(err)
	w.cache, err = cache.Options{Sealer: w.sealer, Logger: logger, Lease: 200 * time.Millisecond}.New(w.rows, w.rdb)
	w.must(err)
	now := func() time.Time { return time.Now().Add(time.Duration(w.ahead.Load())) }
	w.keys, err = store.Options{Sealer: w.sealer, Logger: logger, Now: now, FlushInterval: 10 * time.Millisecond}.New(w.cache)
	w.must(err)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		if err := w.keys.Close(ctx); err != nil && !w.gone {
			t.Error(err)
		}
	})
	made, err := w.keys.Create(t.Context(), store.NewKey{Type: store.Secret, Title: "first"})
	w.must(err)
	w.admin = made.Token.Reveal()

	e := echo.New()
	e.Logger.SetOutput(&w.log)
	e.Use(echomiddleware.RequestLoggerWithConfig(echomiddleware.RequestLoggerConfig{
		LogURI: false, LogStatus: true, LogError: true, LogMethod: true, LogRoutePath: true, LogRemoteIP: true,
		LogValuesFunc: func(_ echo.Context, v echomiddleware.RequestLoggerValues) error {
			logger.Info("request", "route", v.RoutePath, "method", v.Method, "status", v.Status, "error", v.Error, "client", v.RemoteIP)
			return nil
		},
	}), echomiddleware.Recover())
	guard := func(types ...store.Type) echo.MiddlewareFunc {
		return echoauth.WithConfig(keyauth.Config{Keys: w.keys, Types: types, Logger: logger})
	}
	whoAmI := func(c echo.Context) error { return c.JSON(http.StatusOK, echoauth.Key(c)) }
	e.GET("/api", whoAmI, guard(store.Secret))
	e.GET("/shop", whoAmI, guard(store.Publishable))
	e.GET("/scoped", whoAmI, guard(store.Secret, store.Publishable), echoauth.Require("orders:write"))
	e.GET("/panic", func(c echo.Context) error {
		panic(fmt.Sprintf("%+v %#v %v", echoauth.Key(c), *echoauth.Key(c), c.Request().Context()))
	}, guard(store.Secret))
	echoauth.Mount(e.Group("/admin"), admin.New(w.keys, admin.Options{Logger: logger}))
	server := httptest.NewUnstartedServer(e)
	server.Config.ErrorLog = slog.NewLogLogger(logger.Handler(), slog.LevelError)
	server.Start()
	t.Cleanup(server.Close)
	w.base = server.URL
	w.eventually("the cache is in use", func() bool { s := w.cache.Stats(); return s.Fresh && s.RedisReady && s.Listening })
	return w
}

// newReader returns verbs over a cache of their own, which knows nothing yet and reads Redis.
func newReader(t *testing.T, w *world) (*store.Keys, *cache.Cache) {
	t.Helper()
	c, err := cache.Options{Sealer: w.sealer, Logger: slog.New(slog.DiscardHandler), Lease: 200 * time.Millisecond}.New(shielded{w.rows}, w.rdb)
	w.must(err)
	t.Cleanup(func() { _ = c.Close(context.Background()) })
	w.eventually("the reader's cache is in use", func() bool { s := c.Stats(); return s.Fresh && s.RedisReady })
	keys, err := store.Options{Sealer: w.sealer, FlushInterval: -1, Logger: slog.New(slog.DiscardHandler)}.New(c)
	w.must(err)
	return keys, c
}

// shielded keeps the store below open when one of its caches closes.
type shielded struct{ store.Store }

func (shielded) Close(context.Context) error { return nil }

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) eventually(what string, ok func() bool) {
	w.t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			w.t.Fatalf("still not: %s", what)
		}
	}
}

// reply is an answer, whole.
type reply struct {
	status int
	header http.Header
	body   string
}

// ask sends a request with header lines, name and value in turn.
func (w *world) ask(method, path, body string, lines ...string) reply {
	w.t.Helper()
	r, err := http.NewRequestWithContext(w.t.Context(), method, w.base+path, strings.NewReader(body))
	w.must(err)
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i+1 < len(lines); i += 2 {
		r.Header.Add(lines[i], lines[i+1])
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	answer, err := client.Do(r)
	w.must(err)
	defer answer.Body.Close()
	read, err := io.ReadAll(answer.Body)
	w.must(err)
	return reply{answer.StatusCode, answer.Header, string(read)}
}

// manage is ask as the unrestricted key.
func (w *world) manage(method, path, body string) reply {
	w.t.Helper()
	return w.ask(method, path, body, "X-Api-Key", w.admin)
}

// made reads the key in the answer of a create or a roll.
func (w *world) made(a reply) (id, token string) {
	w.t.Helper()
	var told struct {
		Key struct{ ID, Token string } `json:"api_key"`
	}
	if err := json.Unmarshal([]byte(a.body), &told); err != nil || told.Key.Token == "" {
		w.t.Fatalf("%d %s: %v", a.status, a.body, err)
	}
	return told.Key.ID, told.Key.Token
}

// lockedBuffer may be written by many.
type lockedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}
