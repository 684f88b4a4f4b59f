package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/latchkey-go/latchkey/store"
)

// errNoTerminal is the error for a change that needs confirmation when there is no terminal.
var errNoTerminal = usagef("this revokes all keys that the filter selects, and there is no terminal to confirm it: " +
	"check them with -dry-run, then add -yes")

// shownInQuestion is how many keys a question shows.
const shownInQuestion = 5

// onTerminal reports whether standard input is a terminal. The null device is a character device
// too.
func (p *program) onTerminal() bool {
	f, ok := p.stdin.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	if err != nil || info.Mode()&os.ModeCharDevice == 0 {
		return false
	}
	null, err := os.Stat(os.DevNull)
	return err != nil || !os.SameFile(info, null)
}

// confirm asks whether to revoke the chosen keys, if there are any. It returns an error unless the
// answer is yes.
func (r *revokeRun) confirm(ctx context.Context, keys *store.Keys, chosen store.Filter, when time.Time) error {
	some, count, err := keys.Revocable(ctx, chosen, when)
	if err != nil {
		return invalid(err)
	}
	if count == 0 {
		return nil
	}
	first := some[:min(len(some), shownInQuestion)]
	fmt.Fprint(r.stderr, table(keyRows(first, time.Now())))
	if more := count - len(first); more > 0 {
		fmt.Fprintf(r.stderr, "… and %d more\n", more)
	}
	what := fmt.Sprintf("%d keys", count)
	if count == 1 {
		what = "1 key"
	}
	fmt.Fprintf(r.stderr, "Revoke %s %s? [y/N] ", what, whenText(when))
	answer, err := r.line(ctx)
	switch {
	case ctx.Err() != nil:
		fmt.Fprintln(r.stderr)
		return fmt.Errorf("nothing was revoked: %w", ctx.Err())
	case errors.Is(err, io.EOF) && answer == "":
		fmt.Fprintln(r.stderr)
		return errNoTerminal
	case err != nil && !errors.Is(err, io.EOF):
		return fmt.Errorf("reading the answer: %w", err)
	}
	switch strings.ToLower(strings.TrimSpace(answer)) {
	case "y", "yes":
		return nil
	}
	return errors.New("nothing was revoked")
}

func whenText(when time.Time) string {
	if when.IsZero() {
		return "now"
	}
	return "at " + timeOr(when, "")
}

// line reads a line of standard input. It returns when ctx ends, so that a signal can stop the
// program.
func (p *program) line(ctx context.Context) (string, error) {
	type answer struct {
		text string
		err  error
	}
	answers := make(chan answer, 1)
	go func() {
		text, err := bufio.NewReader(io.LimitReader(p.stdin, 4096)).ReadString('\n')
		answers <- answer{text, err}
	}()
	select {
	case a := <-answers:
		return a.text, a.err
	case <-ctx.Done():
		return "", ctx.Err()
	}
}
