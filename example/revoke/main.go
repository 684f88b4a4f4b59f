//go:build unix

// Revoke shows what a revocation does to requests that are already coming in. Three processes serve
// the same API twice: behind Latchkey, and behind a cache of 60 s, as guards by hand have it. A
// fourth one revokes keys, while the keys are used all the time, and counts the requests that are
// let in after the revocation has returned. Then it does so while an instance stands still, and
// while the database goes away. It needs nothing but Go and a Unix system, and takes ten seconds:
//
//	go run ./example/revoke
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/latchkey-go/latchkey/cache"
	"github.com/latchkey-go/latchkey/store"
	"github.com/latchkey-go/latchkey/store/dburl"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	var err error
	if len(os.Args) == 3 && os.Args[1] == "instance" {
		err = serve(ctx, os.Args[2])
	} else {
		_, err = run(ctx, os.Stdout)
	}
	if err != nil && ctx.Err() == nil {
		fmt.Fprintln(os.Stderr, "revoke:", err)
		os.Exit(1)
	}
}

// open returns the keys in an SQLite file, with a cache in front, once they can be used. Call done
// in the end.
func open(ctx context.Context, file string) (keys *store.Keys, done func(), err error) {
	database, err := dburl.Parse("sqlite:" + file)
	if err != nil {
		return nil, nil, err
	}
	db, err := database.Connect()
	if err != nil {
		return nil, nil, err
	}
	log := slog.New(slog.DiscardHandler) // the faults are on purpose
	rows, err := database.Open(db, log)
	if err == nil {
		err = rows.Ready(ctx)
	}
	var cached *cache.Cache
	if err == nil {
		cached, err = cache.Options{Logger: log}.New(rows, nil)
	}
	if err == nil {
		keys, err = store.Options{Logger: log}.New(cached)
	}
	if err != nil {
		return nil, nil, errors.Join(err, db.Close())
	}
	return keys, func() {
		_ = keys.Close(context.WithoutCancel(ctx))
		_ = db.Close()
	}, nil
}

// result is what one act of the demo has counted.
type result struct {
	name  string
	took  time.Duration // what the revocation took
	ours  count         // behind Latchkey
	other count         // behind the cache of 60 s
}

// run plays the demo, prints what it counts, and returns it.
func run(ctx context.Context, out io.Writer) (results []result, err error) {
	dir, err := os.MkdirTemp("", "latchkey-revoke-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	file := filepath.Join(dir, "keys.db")
	keys, done, err := open(ctx, file)
	if err != nil {
		return nil, err
	}
	defer done()
	fmt.Fprintln(out, "Starting three instances of an API, each of them behind Latchkey and behind a cache of 60 s.")
	var fleet fleet
	defer func() { fleet.stop() }()
	for range 3 {
		if err := fleet.start(ctx, file); err != nil {
			return nil, err
		}
	}
	fmt.Fprintf(out, "\n%-34s %-14s %-24s %s\n", "Requests let in after", "revoke took", "behind Latchkey", "behind a cache of 60 s")
	for _, act := range []struct {
		name   string
		during func(context.Context, func() error) error
	}{
		{"a revocation", func(_ context.Context, revoke func() error) error { return revoke() }},
		{"one while an instance stands still", fleet.frozen},
		{"one before the database goes away", func(_ context.Context, revoke func() error) error {
			if err := revoke(); err != nil {
				return err
			}
			return os.Rename(file, file+".away")
		}},
	} {
		r, err := play(ctx, keys, &fleet, act.during)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", act.name, err)
		}
		r.name = act.name
		results = append(results, r)
		fmt.Fprintf(out, "%-34s %-14v %-24v %v\n", r.name, r.took.Round(time.Millisecond/10), r.ours, r.other)
	}
	fmt.Fprintln(out, "\nThe cache goes on for up to a minute. Without the database Latchkey answers 503 to what it cannot decide.")
	return results, nil
}

// play makes a key, uses it at all instances, revokes it, and counts what is let in for two
// seconds.
func play(ctx context.Context, keys *store.Keys, fleet *fleet, during func(context.Context, func() error) error) (result, error) {
	made, err := keys.Create(ctx, store.NewKey{Type: store.Secret, Title: "demo"})
	if err != nil {
		return result{}, err
	}
	load := fleet.load(ctx, made.Token.Reveal())
	defer load.stop()
	if err := load.warm(ctx); err != nil {
		return result{}, err
	}
	var r result
	err = during(ctx, func() error {
		began := time.Now()
		_, err := keys.Revoke(ctx, made.Key.ID)
		r.took = time.Since(began)
		load.revoked()
		return err
	})
	if err != nil {
		return result{}, err
	}
	select {
	case <-time.After(2 * time.Second):
	case <-ctx.Done():
		return result{}, ctx.Err()
	}
	r.ours, r.other = load.stop()
	return r, nil
}
