package main

import (
	"context"
	"flag"
	"fmt"
)

// listFlags are the flags of commands that print a list.
type listFlags struct {
	*dbFlags
	output *output
	limit  int
}

func (p *program) listFlags(flags *flag.FlagSet, limit int) *listFlags {
	s := &listFlags{dbFlags: p.readFlags(flags), output: p.output(flags)}
	flags.IntVar(&s.limit, "limit", limit, "at most `N`; 0 means all")
	return s
}

// begin checks the flags and opens the database. The caller must close the session.
func (s *listFlags) begin(ctx context.Context, args []string) (*session, context.Context, error) {
	if err := noArguments(args); err != nil {
		return nil, nil, err
	}
	if s.limit < 0 {
		return nil, nil, usagef("-limit is negative")
	}
	return s.open(ctx, false)
}

// show prints the result and how to continue after it. At the end of the list, next is nil.
func (s *listFlags) show(v any, rows func() [][]string, next any) error {
	err := s.output.write(v, rows)
	if err == nil && next != nil {
		fmt.Fprintf(s.stderr, "There are more: use -after %v\n", next)
	}
	return err
}
