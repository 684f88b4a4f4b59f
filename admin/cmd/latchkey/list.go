package main

import (
	"context"
	"flag"
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
			l := &listing{showing: p.showing(flags, 50), filter: selecting(flags)}
			l.status.allowed = []string{active, revoked, expired}
			flags.Var(&l.status, "status", "only keys in this `STATUS`: active, revoked or expired")
			flags.StringVar(&l.after, "after", "", "continue behind the key with this `ID`")
			return l.run
		},
	}
}

// listing is one run of list.
type listing struct {
	*showing
	filter *filter
	status oneOf
	after  string
}

func (l *listing) run(ctx context.Context, args []string) error {
	s, ctx, err := l.begin(ctx, args)
	if err != nil {
		return err
	}
	defer s.close()
	now := time.Now()
	keys, more, err := l.collect(ctx, s.keys, now)
	if err != nil {
		return invalid(err)
	}
	var next any
	if more {
		next = keys[len(keys)-1].ID
	}
	return l.show(views(keys, now), func() [][]string { return keyRows(keys, now) }, next)
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
