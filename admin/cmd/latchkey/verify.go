package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/latchkey-go/latchkey/store"
)

func verifyCommand() command {
	return command{
		name: "verify", args: "[FILE]", short: "show the key of a token, and whether it is valid",
		long: `Reads a token from the first line of a file or of standard input, and shows its key. If the token is
not valid now, it says why, and the exit status is 1. It does not count as a use of the key. Empty
lines before the token are ignored, and so are white space, quotes, Bearer and a byte order mark
around it.

The token is deliberately not an argument: the process list shows arguments to all users, and shells
store them.

  latchkey verify < token.txt
  pbpaste | latchkey verify -o json`,
		flags: func(p *program, flags *flag.FlagSet) func(context.Context, []string) error {
			// The first use of an imported key changes it: it gets its lookup id.
			db, output := p.writeFlags(flags), p.output(flags)
			return func(ctx context.Context, args []string) error {
				if len(args) > 1 {
					return usagef("want one file, or none to read standard input; got %d arguments", len(args))
				}
				token, err := p.readToken(args)
				if err != nil {
					return err
				}
				s, ctx, err := db.open(ctx, true)
				if err != nil {
					return err
				}
				defer s.close()
				key, err := s.keys.Verify(ctx, token)
				if err == nil { // lookups leave some attributes out
					key, err = s.keys.Get(ctx, key.ID)
				}
				if errors.Is(err, store.ErrNotFound) { // deleted meanwhile
					err = store.ErrUnknownToken
				}
				if err != nil && !errors.Is(err, store.ErrUnauthenticated) {
					return err
				}
				return output.verdict(key, err, token)
			}
		},
	}
}

// readToken reads the first line of the file, or of standard input.
func (p *program) readToken(args []string) (string, error) {
	in := p.stdin
	if len(args) == 1 && args[0] != "-" {
		file, err := os.Open(args[0])
		if err != nil {
			return "", usageError{err}
		}
		defer file.Close()
		in = file
	} else if p.onTerminal() {
		fmt.Fprint(p.stderr, "token (it will be visible): ")
	}
	lines := bufio.NewReader(io.LimitReader(in, 4096))
	for {
		line, err := lines.ReadString('\n')
		if err != nil && !errors.Is(err, io.EOF) {
			return "", fmt.Errorf("reading the token: %w", err)
		}
		if token := pasted(line); token != "" {
			return token, nil
		}
		if err != nil {
			return "", usagef("the input does not begin with a token")
		}
	}
}

// verifyView is what verify prints as JSON.
type verifyView struct {
	IsAuthenticated bool   `json:"is_authenticated"`
	Reason          string `json:"reason,omitempty"` // if it is not
	Key             *view  `json:"api_key,omitempty"`
}

// verdict prints the key of the token, or the reason why it is refused. Users of the database may
// know the reason.
func (o *output) verdict(key *store.Key, refused error, token string) error {
	if refused != nil {
		reason := reasonFor(refused)
		rows := func() [][]string { return [][]string{{"refused", reason}} }
		if err := o.write(verifyView{Reason: reason}, rows); err != nil {
			return err
		}
		if errors.Is(refused, store.ErrMalformed) {
			reason += ": " + whyMalformed(token)
		}
		return fmt.Errorf("the token is not accepted: %s", reason)
	}
	now := time.Now()
	v := viewOf(key, now)
	return o.write(verifyView{IsAuthenticated: true, Key: &v}, view{Key: key, now: now}.rows)
}

func reasonFor(err error) string {
	for _, reason := range []error{
		store.ErrMalformed, store.ErrUnknownToken, store.ErrRevoked, store.ErrExpired, store.ErrForged,
	} {
		if errors.Is(err, reason) {
			return reason.Error()
		}
	}
	return store.ErrUnauthenticated.Error()
}
