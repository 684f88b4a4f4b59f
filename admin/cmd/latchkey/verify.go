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
		name: "verify", args: "[FILE]", short: "tell whose a token is, and whether it may be used",
		long: `Reads a token from the first line of a file, or of standard input, and says whose it is, if it may be used now; else why not, with
exit status 1. It does not count as a use of the key. Empty lines before the token do no harm, nor do
white space, quotes, Bearer or a byte order mark around it.

The token is no argument on purpose: everybody on the machine can read arguments in the list of processes, and shells keep them.

  latchkey verify < token.txt
  pbpaste | latchkey verify -o json`,
		flags: func(p *program, flags *flag.FlagSet) func(context.Context, []string) error {
			// The first use of an imported key gives it its lookup id, which is a change.
			access, output := p.changing(flags), p.output(flags)
			return func(ctx context.Context, args []string) error {
				if len(args) > 1 {
					return usagef("want one file, or none to read standard input; got %d arguments", len(args))
				}
				token, err := p.readToken(args)
				if err != nil {
					return err
				}
				s, ctx, err := access.open(ctx, true)
				if err != nil {
					return err
				}
				defer s.close()
				key, err := s.keys.Verify(ctx, token)
				if err == nil { // a lookup does not have all of it
					key, err = s.keys.Get(ctx, key.ID)
				}
				if errors.Is(err, store.ErrNotFound) { // deleted just now
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

// readToken reads the first line of the file that is named, or of standard input.
func (p *program) readToken(args []string) (string, error) {
	in := p.stdin
	if len(args) == 1 && args[0] != "-" {
		file, err := os.Open(args[0])
		if err != nil {
			return "", usageError{err}
		}
		defer file.Close()
		in = file
	} else if p.asks() {
		fmt.Fprint(p.stderr, "token (it will show here): ")
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
			return "", usagef("there is no token on the first line of what was read")
		}
	}
}

// verification is what verify prints as JSON.
type verification struct {
	IsAuthenticated bool   `json:"is_authenticated"`
	Reason          string `json:"reason,omitempty"` // why not
	Key             *view  `json:"api_key,omitempty"`
}

// verdict writes whose the token is, or, with an error, that it is not accepted. The reason is told: who can read the database may know.
func (o *output) verdict(key *store.Key, refused error, token string) error {
	if refused != nil {
		reason := reasonFor(refused)
		if err := o.write(verification{Reason: reason}, func() [][]string { return [][]string{{"refused", reason}} }); err != nil {
			return err
		}
		if errors.Is(refused, store.ErrMalformed) {
			reason += ": " + whyMalformed(token)
		}
		return fmt.Errorf("the token is not accepted: %s", reason)
	}
	now := time.Now()
	v := viewOf(key, now)
	return o.write(verification{IsAuthenticated: true, Key: &v}, view{Key: key, now: now}.rows)
}

func reasonFor(err error) string {
	for _, reason := range []error{store.ErrMalformed, store.ErrUnknownToken, store.ErrRevoked, store.ErrExpired, store.ErrForged} {
		if errors.Is(err, reason) {
			return reason.Error()
		}
	}
	return store.ErrUnauthenticated.Error()
}
