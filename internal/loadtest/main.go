// Command loadtest sends requests with API keys to a guarded route and tells how long the answers
// took:
//
//	go run ./internal/loadtest
//
// By itself it starts a server of its own, keys in an SQLite file behind Latchkey's cache, and
// sends it a mix of keys: warm ones, which the cache has in memory, cold ones, which it has to look
// up, unknown ones, and bad ones, whose checksum is wrong. With -url it sends to a server of yours,
// with the keys of the file that -tokens names. -h lists the flags.
//
// Each connection waits for its answer before it sends the next request, so the percentiles are
// what that many callers see, not what a server sees that falls behind.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the program at once
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	switch {
	case err == nil, errors.Is(err, flag.ErrHelp):
	case errors.Is(err, errUsage):
		fmt.Fprintln(os.Stderr, "loadtest:", err)
		os.Exit(2)
	default:
		fmt.Fprintln(os.Stderr, "loadtest:", err)
		os.Exit(1)
	}
}

// run does what the program does: the result goes to stdout, progress to stderr. When ctx ends, the
// result is that of the requests so far.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	c, err := parseFlags(args, stderr)
	if err != nil {
		return err
	}
	t, err := c.target(ctx, stderr)
	switch {
	case err != nil && ctx.Err() != nil:
		return errors.New("interrupted before the first request")
	case err != nil:
		return err
	}
	defer t.close()
	fmt.Fprintf(stderr, "%s, %d connections, %v: %s\n", t.url, c.connections, c.duration, c.mix)
	l := newLoad(t, c.mix)
	took := l.run(ctx, c.connections, c.duration, progress(stderr, l))
	if ctx.Err() != nil {
		fmt.Fprintf(stderr, "interrupted after %v; the result so far:\n", took.Round(100*time.Millisecond))
	}
	l.report(stdout, took)
	if t.inside != nil {
		t.inside(stdout)
	}
	if l.answered() == 0 {
		return fmt.Errorf("no request was answered: %w", l.lastError())
	}
	return nil
}
