package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // your driver: the store brings none
	"github.com/labstack/echo/v4"
	"github.com/redis/go-redis/v9"

	"github.com/latchkey-go/latchkey/admin"
	"github.com/latchkey-go/latchkey/cache"
	// On Echo v5: echoauth "github.com/latchkey-go/latchkey/middleware/echov5"
	// On net/http, chi, gin: keyauth "github.com/latchkey-go/latchkey/middleware"
	echoauth "github.com/latchkey-go/latchkey/middleware/echov4"
	"github.com/latchkey-go/latchkey/store"
	"github.com/latchkey-go/latchkey/store/postgres"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the program at once
	if err := run(ctx); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context) (err error) {
	db, err := sql.Open("pgx", os.Getenv("DATABASE_URL"))
	if err != nil {
		return err
	}
	defer db.Close()
	rows, err := postgres.Open(db) // or sqlite.Open(db); migrates
	if err != nil {
		return err
	}
	options := &redis.UniversalOptions{Addrs: []string{os.Getenv("REDIS_ADDR")}}
	cache.RecommendedRedisOptions(options)
	rdb := redis.NewUniversalClient(options)
	defer rdb.Close()

	keys := store.New(cache.New(rows, rdb)) // Redis in front; leave cache out and it still works
	defer func() { err = errors.Join(err, keys.Close(context.WithoutCancel(ctx))) }()

	// Your first key. It is imported once; if you delete it, it does not come back.
	// ADMIN_KEY=sk_$(openssl rand -hex 32)
	if _, _, err := keys.ImportToken(ctx, os.Getenv("ADMIN_KEY"), store.NewKey{Type: store.Secret, Title: "first"}); err != nil {
		return fmt.Errorf("ADMIN_KEY: %w", err)
	}

	e := echo.New()
	e.Server.ReadTimeout = 10 * time.Second // headers and body
	e.Server.WriteTimeout = 30 * time.Second
	e.Server.IdleTimeout = time.Minute
	shop := e.Group("/store", echoauth.Publishable(keys))
	shop.GET("/products", products)
	api := e.Group("/api", echoauth.Secret(keys))
	api.POST("/orders", orders, echoauth.Require("orders:write"))
	echoauth.Mount(e.Group("/admin"), admin.New(keys, admin.Options{}))

	done := make(chan error, 1) // the requests have ended
	context.AfterFunc(ctx, func() { done <- e.Shutdown(context.WithoutCancel(ctx)) })
	if err := e.Start(os.Getenv("ADDR")); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return <-done
}

func products(c echo.Context) error {
	return c.JSON(http.StatusOK, echoauth.Key(c).SalesChannelIDs)
}

func orders(c echo.Context) error {
	return c.JSON(http.StatusCreated, "ordered by "+echoauth.Key(c).ID)
}
