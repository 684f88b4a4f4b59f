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
		long: `Lists keys, oldest first. The column TOKEN shows the first and last characters; the tokens of secret
keys are not stored. ENDS is when a key expires or is revoked. With -o json it prints an array.

  latchkey list -type secret -status active
  latchkey list -o json -limit 0 | jq -r '.[] | select(.last_used_at == null) | .id'`,
		flags: func(p *program, flags *flag.FlagSet) func(context.Context, []string) error {
			l := &listRun{listFlags: p.listFlags(flags, 50), filter: filterFlags(flags)}
			l.status.allowed = []string{active, revoked, expired}
			flags.Var(&l.status, "status", "only keys in this `STATUS`: active, revoked or expired")
			flags.StringVar(&l.after, "after", "", "continue after the key with this `ID`")
			return l.run
		},
	}
}

// listRun is one run of list.
type listRun struct {
	*listFlags
	filter *filter
	status choiceFlag
	after  string
}

func (l *listRun) run(ctx context.Context, args []string) error {
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

// collect reads pages until there are enough keys. It also returns whether there are more.
func (l *listRun) collect(
	ctx context.Context, keys *store.Keys, now time.Time,
) (found []*store.Key, more bool, err error) {
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
