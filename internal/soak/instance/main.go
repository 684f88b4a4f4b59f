// Instance is one of the five processes of the soak test: guarded routes and the admin routes over
// a cache, PostgreSQL and Redis, as in any program that uses Latchkey, and in routes.go what the
// test needs to look inside. It is no example of how to deploy anything: the routes under /soak are
// open to everybody.
//
// DATABASE_URL and REDIS_URL say where the servers are; without the second there is no Redis. Flags
// set the cache. The first line of its standard output is its address.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/latchkey-go/latchkey/cache"
	"github.com/latchkey-go/latchkey/store"
	"github.com/latchkey-go/latchkey/store/dburl"
)

// pepper is no secret: nothing that this program keeps lives longer than the test.
const pepper = "soak-test-9fQ2xLr7Tz4mVb1KcY8wNd3H"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "instance:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	var o cache.Options
	flag.DurationVar(&o.Lease, "lease", 0, "cache.Options.Lease")
	flag.DurationVar(&o.MaxStale, "max-stale", 0, "cache.Options.MaxStale")
	flag.DurationVar(&o.L1TTL, "l1-ttl", 0, "cache.Options.L1TTL")
	strict := flag.Bool("strict", false, "MaxStale is cache.Strict")
	plain := flag.Bool("plain", false, "no peppers")
	broken := flag.String("broken", "", "break the guarantee on purpose: "+brokenHelp)
	flag.Parse()
	if *strict {
		o.MaxStale = cache.Strict
	}

	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	slog.SetDefault(log)
	var sealer *store.Sealer
	if !*plain {
		var err error
		if sealer, err = store.NewSealer([]string{pepper}); err != nil {
			return err
		}
	}
	o.Sealer, o.Logger = sealer, log

	database, err := dburl.Parse(os.Getenv("DATABASE_URL"))
	if err != nil {
		return fmt.Errorf("DATABASE_URL %w", err)
	}
	db, err := database.Connect()
	if err != nil {
		return err
	}
	defer db.Close()
	rows, err := database.Open(db, log)
	if err != nil {
		return err
	}
	var rdb redis.UniversalClient
	if url := os.Getenv("REDIS_URL"); url != "" {
		address, err := cache.ParseRedisURL(url)
		if err != nil {
			return fmt.Errorf("REDIS_URL %w", err)
		}
		redis.SetLogger(silence{})
		rdb = redis.NewUniversalClient(address)
		defer rdb.Close()
	}

	cached, err := o.New(rows, rdb)
	if err != nil {
		return err
	}
	below, err := breakIt(*broken, cached)
	if err != nil {
		return err
	}
	keys, err := store.Options{Sealer: sealer, Logger: log}.New(below)
	if err != nil {
		return err
	}
	return serve(ctx, routes(keys, cached, *broken), keys)
}

func serve(ctx context.Context, routes http.Handler, keys *store.Keys) error {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	server := &http.Server{Handler: routes, ReadHeaderTimeout: 5 * time.Second, IdleTimeout: time.Minute}
	fmt.Println("http://" + listener.Addr().String())
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	select {
	case err = <-failed:
	case <-ctx.Done():
	}
	end, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	return errors.Join(err, server.Shutdown(end), keys.Close(end))
}

// silence is where go-redis tells of lost connections; losing them is what the test is about.
type silence struct{}

func (silence) Printf(context.Context, string, ...any) {}
