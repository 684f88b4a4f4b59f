// Storefront is a small shop that shows Latchkey at work: storefront routes behind publishable
// keys, an API for servers behind secret keys, and the admin routes that manage both. It needs
// nothing but Go:
//
//	go run ./example/storefront
//
// On its first start it makes a key of each type and prints commands to try. docs/configuration.md
// says what the environment can change. Read main.go, then routes.go; setup.go and firstkeys.go
// show how a program comes to its first key, shop.go and the files beside it are the host
// application.
package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/latchkey-go/latchkey/cache"
	"github.com/latchkey-go/latchkey/middleware/ratelimit"
	"github.com/latchkey-go/latchkey/store"
	"github.com/latchkey-go/latchkey/store/dburl"
	"github.com/latchkey-go/latchkey/store/telemetry"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the program at once
	if err := run(ctx, os.Getenv, os.Stdout, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "storefront:", strings.ReplaceAll(err.Error(), "\n", "; "))
		os.Exit(1)
	}
}

// app is what the handlers and the set-up share.
type app struct {
	config config
	log    *slog.Logger
	stdout io.Writer
	base   string // the address that the program answers at, for the commands it prints

	rows    dburl.Store  // keys in the database
	cached  *cache.Cache // the same, with a cache in front
	keys    *store.Keys  // what can be done with them
	limits  *ratelimit.Limiter
	metrics *metrics
	shop    *shop
	redis   redis.UniversalClient // nil: none

	prepared atomic.Bool // set once setUp is done
	draining atomic.Bool // set when the program has been told to stop
	doubtful bool        // see makeFirstKeys
}

// run serves until ctx ends. It fails at once for what will not get better by waiting: bad
// configuration, a database of a newer version, an address in use. A database or a Redis that is
// out of reach is none of that: the program starts, answers 503 to what it cannot decide, and
// recovers by itself.
func run(ctx context.Context, getenv func(string) string, stdout, stderr io.Writer) error {
	config, err := readConfig(getenv)
	if err != nil {
		return err
	}
	a := &app{config: config, stdout: stdout, log: slog.New(slog.NewTextHandler(stderr, nil))}

	db, err := config.database.Connect()
	if err != nil {
		return err
	}
	defer db.Close()
	if a.rows, err = config.database.Open(db, a.log); err != nil {
		return err
	}
	a.shop = &shop{db: db, lock: schemaLock(config.database)}
	if a.metrics, err = newMetrics(a.log); err != nil {
		return err
	}

	if config.redis != nil {
		redis.SetLogger(redisLog{a.log})
		a.redis = redis.NewUniversalClient(config.redis)
		defer a.redis.Close()
	}
	observer := a.metrics.all
	if a.cached, err = (cache.Options{Sealer: config.sealer, Observer: observer, Logger: a.log}).New(telemetry.Observed(a.rows, observer), a.redis); err != nil {
		return err
	}
	if a.keys, err = a.policies().New(a.cached); err != nil {
		return err
	}
	a.shop.keys = a.keys
	if a.limits, err = (ratelimit.Options{Logger: a.log}).New(a.redis); err != nil {
		return err
	}
	if err = observer.Watch(a.keys, a.cached, a.limits); err != nil {
		return err
	}
	return a.serve(ctx)
}

// policies are the rules for keys, the same for everything in this program that makes some.
func (a *app) policies() store.Options {
	return store.Options{Sealer: a.config.sealer, Observer: a.metrics.all, Logger: a.log}
}

func (a *app) serve(ctx context.Context) error {
	listener, err := net.Listen("tcp", a.config.addr)
	if err != nil {
		return err
	}
	a.base = "http://" + reachable(listener.Addr())
	server := &http.Server{
		Handler:           a.routes(),
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       15 * time.Second,
		WriteTimeout:      30 * time.Second,
		IdleTimeout:       60 * time.Second,
		MaxHeaderBytes:    32 << 10,
		ErrorLog:          slog.NewLogLogger(a.log.Handler(), slog.LevelDebug),
	}
	a.log.Info("listening", "address", a.base)

	failed := make(chan error, 2)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() { failed <- server.Serve(listener) }()
	var settingUp sync.WaitGroup
	settingUp.Go(func() {
		if err := a.setUp(ctx); err != nil {
			failed <- err
		}
	})

	select {
	case err = <-failed:
	case <-ctx.Done():
		err = a.drain(server, failed)
		a.log.Info("stopping")
	}
	cancel()
	settingUp.Wait()
	a.stop(server)
	return err
}

// reachable is the address to be printed: a listener on all interfaces is reached on this machine,
// too.
func reachable(listening net.Addr) string {
	if tcp, ok := listening.(*net.TCPAddr); ok && tcp.IP.IsUnspecified() {
		return fmt.Sprintf("localhost:%d", tcp.Port)
	}
	return listening.String()
}
