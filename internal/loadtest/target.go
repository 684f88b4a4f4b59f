package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/latchkey-go/latchkey/cache"
	keyauth "github.com/latchkey-go/latchkey/middleware"
	echoauth "github.com/latchkey-go/latchkey/middleware/echov4"
	"github.com/latchkey-go/latchkey/store"
	"github.com/latchkey-go/latchkey/store/dburl"
)

// target is where the requests go.
type target struct {
	url    string
	tokens *tokens
	inside func(io.Writer) // tells what the server's cache did; nil when the server is not our own
	close  func()
}

// target returns the server that -url names, or starts one. Progress goes to w.
func (c config) target(ctx context.Context, w io.Writer) (*target, error) {
	if c.url == "" {
		return startServer(ctx, w)
	}
	t, typ, err := readTokens(c.tokens, c.mix)
	if err != nil {
		return nil, err
	}
	if err := t.addStrangers(ctx, typ); err != nil {
		return nil, err
	}
	return &target{url: c.url, tokens: t, close: func() {}}, nil
}

// The program's own server keeps few keys in memory and knows many, so that cold ones stay cold.
const (
	keysInMemory = 500
	coldKeys     = 5000
)

// startServer starts a small shop on a free loopback port: a route of products behind secret keys,
// which are in an SQLite file behind a cache without Redis. What it has on disk is removed when it
// is closed.
func startServer(ctx context.Context, w io.Writer) (_ *target, err error) {
	var closers []func()
	closeAll := func() {
		for i := len(closers) - 1; i >= 0; i-- {
			closers[i]()
		}
	}
	defer func() {
		if err != nil {
			closeAll()
		}
	}()
	folder, err := os.MkdirTemp("", "loadtest")
	if err != nil {
		return nil, err
	}
	closers = append(closers, func() { _ = os.RemoveAll(folder) })
	database, err := dburl.Parse("sqlite:" + filepath.Join(folder, "keys.db"))
	if err != nil {
		return nil, err
	}
	db, err := database.Connect()
	if err != nil {
		return nil, err
	}
	closers = append(closers, func() { _ = db.Close() })
	log := slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{Level: slog.LevelWarn}))
	rows, err := database.Open(db, log)
	if err != nil {
		return nil, err
	}
	t := &tokens{}
	// Before there is a cache: nobody has to hear of these keys.
	fmt.Fprintf(w, "making %d keys\n", 1+coldKeys)
	valid, err := createMany(ctx, store.New(rows), 1+coldKeys, store.NewKey{Type: store.Secret, Title: "load test"})
	if err != nil {
		return nil, errors.Join(err, rows.Close(context.WithoutCancel(ctx)))
	}
	t.lists[warm], t.lists[cold] = valid[:1], valid[1:]
	cached, err := cache.Options{MaxKeys: keysInMemory, Logger: log}.New(rows, nil)
	if err != nil {
		return nil, errors.Join(err, rows.Close(context.WithoutCancel(ctx)))
	}
	keys := store.New(cached)
	closers = append(closers, func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
		defer cancel()
		_ = keys.Close(ctx)
	})
	if err := t.addStrangers(ctx, store.Secret); err != nil {
		return nil, err
	}

	e := echo.New()
	quiet := keyauth.Config{Keys: keys, Types: []store.Type{store.Secret}, Logger: slog.New(slog.DiscardHandler)}
	e.GET("/store/products", products, echoauth.WithConfig(quiet))
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	server := &http.Server{Handler: e, ReadHeaderTimeout: 5 * time.Second, ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug)}
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = server.Serve(listener) // ends with Close
	}()
	closers = append(closers, func() { _ = server.Close(); <-served })
	return &target{
		url:    "http://" + listener.Addr().String() + "/store/products",
		tokens: t,
		inside: func(w io.Writer) {
			s := cached.Stats()
			fmt.Fprintf(w, "\nthe server's cache: %d keys and %d unknown tokens answered from memory, %d statements\n", s.Hits, s.UnknownHits, s.StoreLookups)
		},
		close: closeAll,
	}, nil
}

func products(c echo.Context) error {
	return c.JSON(http.StatusOK, map[string]any{"products": []string{"mug", "apron", "teapot"}, "asked_by": echoauth.Key(c).ID})
}
