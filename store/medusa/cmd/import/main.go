// Import takes over the API keys of a live Medusa database. Look first, then do it:
//
//	go run ./store/medusa/cmd/import -from postgres://…/medusa -to postgres://…/shop -dry-run
//	go run ./store/medusa/cmd/import -from postgres://…/medusa -to postgres://…/shop
//
// It may be run again at any time: keys that are there already, or were deleted there since, are left alone. Connection strings may come from the
// environment instead, where they do not show in the list of processes: MEDUSA_DATABASE_URL, DATABASE_URL, REDIS_URL,
// LATCHKEY_PEPPERS.
package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/latchkey-go/latchkey/cache"
	"github.com/latchkey-go/latchkey/store"
	"github.com/latchkey-go/latchkey/store/dburl"
	"github.com/latchkey-go/latchkey/store/medusa"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Getenv, os.Stdout, os.Stderr); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return
		}
		fmt.Fprintln(os.Stderr, "import:", strings.ReplaceAll(err.Error(), "\n", "; "))
		os.Exit(1)
	}
}

// settings are what flags and environment say.
type settings struct {
	from, to dburl.Database
	redis    *redis.UniversalOptions // nil: none
	sealer   *store.Sealer
	options  medusa.Options
}

func run(ctx context.Context, args []string, getenv func(string) string, stdout, stderr io.Writer) error {
	s, err := parse(args, getenv, stderr)
	if err != nil {
		return err
	}
	from, err := s.from.Connect()
	if err != nil {
		return fmt.Errorf("-from: %w", err)
	}
	defer from.Close()
	keys, closeKeys, err := s.openKeys(ctx, slog.New(slog.NewTextHandler(stderr, nil)))
	if err != nil {
		return fmt.Errorf("-to: %w", err)
	}
	defer closeKeys()

	s.options.Progress = func(p medusa.Progress) {
		fmt.Fprintf(stderr, "%d of %d keys, up to %s\n", p.Done, p.Total, p.LastID)
	}
	summary, err := medusa.Import(ctx, from, keys, s.options)
	report(stdout, summary, s.options.DryRun)
	if err != nil && summary.Read > 0 {
		return fmt.Errorf("broken off: %w (go on with -after %s, or start again: both are safe)", err, summary.LastID)
	}
	return err
}

func parse(args []string, getenv func(string) string, stderr io.Writer) (settings, error) {
	var s settings
	flags := flag.NewFlagSet("import", flag.ContinueOnError)
	flags.SetOutput(stderr)
	from := flags.String("from", "", "Medusa's `database`, postgres://… (default $MEDUSA_DATABASE_URL)")
	to := flags.String("to", "", "`database` of the keys, sqlite:PATH or postgres://… (default $DATABASE_URL)")
	rdb := flags.String("redis", "", "`URL` of the Redis that the instances use, if they do (default $REDIS_URL)")
	flags.StringVar(&s.options.Schema, "schema", "", "`schema` of Medusa's tables (default: the search_path's)")
	flags.BoolVar(&s.options.DryRun, "dry-run", false, "read and check everything, write nothing")
	flags.IntVar(&s.options.BatchSize, "batch", 500, "keys per change, 1 to 1000")
	flags.StringVar(&s.options.After, "after", "", "continue behind the key with this `id`")
	if err := flags.Parse(args); err != nil {
		return s, err
	}
	if flags.NArg() > 0 {
		return s, fmt.Errorf("%q: there are no arguments beside the flags", flags.Arg(0))
	}
	var err error
	if s.from, err = dburl.Parse(cmp.Or(*from, getenv("MEDUSA_DATABASE_URL"))); err != nil {
		return s, fmt.Errorf("-from: %w", err)
	}
	if !s.from.IsPostgres() {
		return s, errors.New("-from: Medusa's database is a PostgreSQL one: postgres://…")
	}
	if s.to, err = dburl.Parse(cmp.Or(*to, getenv("DATABASE_URL"))); err != nil {
		return s, fmt.Errorf("-to: %w", err)
	}
	if address := cmp.Or(*rdb, getenv("REDIS_URL")); address != "" {
		if s.redis, err = cache.ParseRedisURL(address); err != nil {
			return s, fmt.Errorf("-redis: %w", err)
		}
	}
	var peppers []string
	for p := range strings.SplitSeq(getenv("LATCHKEY_PEPPERS"), ",") {
		if p = strings.TrimSpace(p); p != "" {
			peppers = append(peppers, p)
		}
	}
	if s.sealer, err = store.NewSealer(peppers); err != nil {
		return s, fmt.Errorf("LATCHKEY_PEPPERS: %w", err)
	}
	return s, nil
}

// openKeys opens the target behind a cache: whoever changes keys goes through it, so that instances that serve hear of the change.
func (s settings) openKeys(ctx context.Context, log *slog.Logger) (*store.Keys, func(), error) {
	db, err := s.to.Connect()
	if err != nil {
		return nil, nil, err
	}
	rows, err := s.to.Open(db, log)
	if err != nil {
		return nil, nil, errors.Join(err, db.Close())
	}
	ready, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	if err := rows.Ready(ready); err != nil {
		return nil, nil, errors.Join(err, rows.Close(ctx), db.Close())
	}
	if err := fits(ctx, rows, s.sealer); err != nil {
		return nil, nil, errors.Join(err, rows.Close(ctx), db.Close())
	}
	var rdb redis.UniversalClient
	if s.redis != nil {
		rdb = redis.NewUniversalClient(s.redis)
	}
	closeAll := func(closeKeys func(context.Context) error) func() {
		return func() {
			end, cancel := context.WithTimeout(context.Background(), 10*time.Second)
			defer cancel()
			if err := closeKeys(end); err != nil {
				log.Warn("closing", "error", err)
			}
			if rdb != nil {
				_ = rdb.Close()
			}
			_ = db.Close()
		}
	}
	cached, err := cache.Options{Sealer: s.sealer, Logger: log}.New(rows, rdb)
	if err != nil {
		closeAll(rows.Close)()
		return nil, nil, err
	}
	keys, err := store.Options{Sealer: s.sealer, Logger: log}.New(cached)
	if err != nil {
		closeAll(cached.Close)()
		return nil, nil, err
	}
	return keys, closeAll(keys.Close), nil
}

// fits refuses to write keys without the peppers that those already there are proved with: no instance would accept them.
func fits(ctx context.Context, rows store.Store, sealer *store.Sealer) error {
	there, err := rows.List(ctx, store.Query{Limit: 20})
	if err != nil {
		return err
	}
	for _, r := range there {
		if r.PepperID != "" && (sealer == nil || sealer.Verify(r) != nil) {
			return errors.New("the keys there are sealed with a pepper that LATCHKEY_PEPPERS does not hold: give the same as the instances have")
		}
	}
	return nil
}

func report(w io.Writer, s medusa.Summary, dry bool) {
	verb := "imported"
	if dry {
		verb = "would be imported"
	}
	fmt.Fprintf(w, "%d keys read: %d %s, %d are there already, %d were deleted there, %d cannot be taken\n", s.Read, s.Imported, verb, s.Known, s.Gone, len(s.Refused))
	for _, r := range s.Refused {
		fmt.Fprintf(w, "  %s: %s\n", r.ID, r.Reason)
	}
}
