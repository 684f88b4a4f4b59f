// Timing asks whether the time of a refusal tells an unknown key from a revoked or an expired one
// (requirement 7 of the security requirements). It sends bad tokens of each kind in random order
// through a guard, measures each answer, and compares the kinds by Welch's t-test as dudect does,
// uncropped and with the slowest answers left out in growing parts; |t| of 4.5 or more is a
// difference.
//
//	go run ./internal/timing              # over a local connection, warm and cold, SQLite
//	go run ./internal/timing -at handler  # without any network, so that it is finer
//	go run ./internal/timing -database postgres://… -redis redis://…
//
// Warm is when this process remembers the answers, cold when each token is new to it. Malformed
// tokens are there for information: they are refused before anything is looked up, and everybody
// can see that a token is malformed. The kind "unknown again" is a second sample of unknown tokens:
// where it differs from the first, the machine is too restless to measure on. The exit status is 1
// when a kind can be told from another.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"time"
)

// options are what the flags say.
type options struct {
	samples         int
	at, state       string
	database, redis string
	connections     int
	refusalTime     time.Duration
	progress        io.Writer
}

func main() {
	o := options{progress: os.Stderr}
	flag.IntVar(&o.samples, "samples", 100_000, "answers to measure of each kind and state")
	flag.StringVar(&o.at, "at", "wire", "where to measure: wire (HTTP over a loopback connection) or handler (a call of the guard)")
	flag.StringVar(&o.state, "state", "both", "warm, cold or both")
	flag.IntVar(&o.connections, "connections", 8, "how many ask at once; most of the time each waits")
	flag.DurationVar(&o.refusalTime, "refusal-time", 0, "keyauth.Config.RefusalTime; -1ns: none, for a look at what it hides (with -connections 1)")
	flag.StringVar(&o.database, "database", "", "a DATABASE_URL; keys are made there (default: a SQLite file that is removed afterwards)")
	flag.StringVar(&o.redis, "redis", "", "a REDIS_URL (default: no Redis)")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	apart, err := run(ctx, o, os.Stdout)
	switch {
	case err != nil:
		fmt.Fprintln(os.Stderr, "timing:", err)
		os.Exit(2)
	case apart:
		os.Exit(1)
	}
}

// run measures and prints, and reports whether unknown, revoked and expired keys can be told apart.
func run(ctx context.Context, o options, out io.Writer) (apart bool, err error) {
	if o.samples < 100 {
		return false, fmt.Errorf("%d samples of each kind say nothing; take 100 at least", o.samples)
	}
	if o.connections < 1 {
		return false, errors.New("nobody asks: -connections must be 1 at least")
	}
	states := []string{"warm", "cold"}
	switch o.state {
	case "both":
	case "warm", "cold":
		states = []string{o.state}
	default:
		return false, fmt.Errorf("-state is %q, want warm, cold or both", o.state)
	}
	if o.at != "wire" && o.at != "handler" {
		return false, fmt.Errorf("-at is %q, want wire or handler", o.at)
	}
	if o.database == "" {
		dir, err := os.MkdirTemp("", "latchkey-timing-")
		if err != nil {
			return false, err
		}
		defer os.RemoveAll(dir)
		o.database = "sqlite:" + filepath.Join(dir, "keys.db")
	}
	r, err := newRig(ctx, o)
	if err != nil {
		return false, err
	}
	defer r.close()
	for _, state := range states {
		samples, err := r.measure(ctx, state)
		if err != nil {
			return apart, err
		}
		name, _, _ := strings.Cut(o.database, ":")
		fmt.Fprintf(out, "\n%s, %s, %s over %s\n\n", state, o.at, r.cached.Info().Name, name)
		apart = report(out, samples) || apart
	}
	return apart, nil
}

// report prints two tables and reports whether a pair that requirement 7 names can be told apart.
func report(out io.Writer, samples [kinds][]float64) (apart bool) {
	fmt.Fprintf(out, "%-15s %10s %10s %10s %10s\n", "", "samples", "mean µs", "median µs", "sd µs")
	for k, s := range samples {
		m := momentsOf(s)
		fmt.Fprintf(out, "%-15s %10d %10.3f %10.3f %10.3f\n", kind(k), len(s), m.mean/1e3, median(s)/1e3, m.deviation()/1e3)
	}
	fmt.Fprintf(out, "\n%-32s %12s %12s %10s %12s\n", "", "difference", "t, all", "max |t|", "at crop")
	for _, p := range pairs {
		v := compare(samples[p.a], samples[p.b])
		verdict := ""
		switch {
		case v.max < threshold:
		case p.binding:
			verdict, apart = "  told apart", true
		case p.a == unknown && p.b == unknownAgain:
			verdict = "  the machine is too restless"
		default:
			verdict = "  told apart, as everybody may"
		}
		fmt.Fprintf(out, "%-32s %9.3f µs %12.2f %10.2f %11.1f%%%s\n", p.a.String()+" / "+p.b.String(), v.difference/1e3, v.all, v.max, 100*v.crop, verdict)
	}
	return apart
}
