package main

import (
	"context"
	"flag"
	"fmt"
	"time"

	"github.com/latchkey-go/latchkey/store"
)

func listCommand() command {
	return command{
		name: "list", short: "list keys",
		long: `Lists keys, oldest first. Tokens of secret keys are nowhere; the column TOKEN has the first and last characters. ENDS is when a key
expires or is revoked, or was. With -o json it prints an array.

  latchkey list -type secret -status active
  latchkey list -o json -limit 0 | jq -r '.[] | select(.last_used_at == null) | .id'`,
		flags: func(p *program, flags *flag.FlagSet) func(context.Context, []string) error {
			l := &listing{access: p.reading(flags), output: p.output(flags), filter: selecting(flags)}
			l.status.allowed = []string{active, revoked, expired}
			flags.Var(&l.status, "status", "only keys in this `STATUS`: active, revoked or expired")
			flags.IntVar(&l.limit, "limit", 50, "at most `N`; 0 for all")
			flags.StringVar(&l.after, "after", "", "continue behind the key with this `ID`")
			return l.run
		},
	}
}

// listing is one run of list.
type listing struct {
	*access
	output *output
	filter *filter
	status oneOf
	limit  int
	after  string
}

func (l *listing) run(ctx context.Context, args []string) error {
	if err := none(args); err != nil {
		return err
	}
	if l.limit < 0 {
		return usagef("-limit is negative")
	}
	s, ctx, err := l.open(ctx, false)
	if err != nil {
		return err
	}
	defer s.close()
	now := time.Now()
	keys, more, err := l.collect(ctx, s.keys, now)
	if err != nil {
		return err
	}
	if err := l.output.write(views(keys, now), func() [][]string { return keyRows(keys, now) }); err != nil {
		return err
	}
	if more {
		fmt.Fprintf(l.stderr, "There are more: -after %s\n", keys[len(keys)-1].ID)
	}
	return nil
}

// collect reads page by page until there are enough keys, and says whether there are more. The status is asked here: expiry is none of the store's
// filters.
func (l *listing) collect(ctx context.Context, keys *store.Keys, now time.Time) (found []*store.Key, more bool, err error) {
	const batch = 500
	q := store.Query{Filter: l.filter.filter(), AfterID: l.after, Limit: batch}
	for {
		page, err := keys.List(ctx, q)
		if err != nil {
			return nil, false, err
		}
		for _, k := range page {
			q.AfterID = k.ID
			if l.status.value != "" && status(k, now) != l.status.value {
				continue
			}
			if l.limit > 0 && len(found) == l.limit {
				return found, true, nil
			}
			found = append(found, k)
		}
		if len(page) < batch {
			return found, false, nil
		}
	}
}
