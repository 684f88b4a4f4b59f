package main

import (
	"context"
	"flag"
	"fmt"
)

// showing is what commands share that show so many things of a kind.
type showing struct {
	*access
	output *output
	limit  int
}

func (p *program) showing(flags *flag.FlagSet, limit int) *showing {
	s := &showing{access: p.reading(flags), output: p.output(flags)}
	flags.IntVar(&s.limit, "limit", limit, "at most `N`; 0 for all")
	return s
}

// begin checks what was given and opens the keys. Whoever begins must close.
func (s *showing) begin(ctx context.Context, args []string) (*session, context.Context, error) {
	if err := none(args); err != nil {
		return nil, nil, err
	}
	if s.limit < 0 {
		return nil, nil, usagef("-limit is negative")
	}
	return s.open(ctx, false)
}

// show writes the result, and says behind what it goes on; next is nil at the end.
func (s *showing) show(v any, rows func() [][]string, next any) error {
	err := s.output.write(v, rows)
	if err == nil && next != nil {
		fmt.Fprintf(s.stderr, "There are more: -after %v\n", next)
	}
	return err
}
