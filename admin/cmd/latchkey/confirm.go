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

// errNotAsked is for a change that needs an answer where nobody can give one.
var errNotAsked = usagef("this ends all keys that the filter selects, and there is no terminal to ask on: " +
	"look at them with -dry-run, then add -yes")

// shownInQuestion is how many keys a question names.
const shownInQuestion = 5

// asks reports whether standard input is a terminal. The null device is a character device as well.
func (p *program) asks() bool {
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

// confirm asks whether the chosen keys should be ended. Without a yes the answer is an error. Where
// there is nothing to end there is nothing to ask.
func (r *revocation) confirm(ctx context.Context, keys *store.Keys, chosen store.Filter, when time.Time) error {
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
	fmt.Fprintf(r.stderr, "End %s %s? [y/N] ", plural(count, "key"), whenText(when))
	answer, err := r.line(ctx)
	switch {
	case ctx.Err() != nil:
		fmt.Fprintln(r.stderr)
		return fmt.Errorf("nothing was revoked: %w", ctx.Err())
	case errors.Is(err, io.EOF) && answer == "":
		fmt.Fprintln(r.stderr)
		return errNotAsked
	case err != nil && !errors.Is(err, io.EOF):
		return fmt.Errorf("reading the answer: %w", err)
	}
	switch strings.ToLower(strings.TrimSpace(answer)) {
	case "y", "yes":
		return nil
	}
	return errors.New("nothing was revoked")
}

func plural(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}

func whenText(when time.Time) string {
	if when.IsZero() {
		return "now"
	}
	return "at " + timeOr(when, "")
}

// line reads a line of standard input. It does not wait any longer when ctx ends: a signal must be
// able to stop the program.
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
