package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"slices"
	"time"

	"github.com/latchkey-go/latchkey/store"
)

func revokeCommand() command {
	return command{
		name: "revoke", args: "[ID…]", short: "end keys, now or later, by id or by filter",
		long: `Ends the keys with these ids, or, without ids, all that the filter flags select (-all for every key). Now, or with -in
or -at later, until when they work as before. When it has returned, no running instance accepts a key that was ended now.

An end is only ever brought forward: a key that has ended, or whose revocation is scheduled for an earlier time, stays as it is, and that is no failure. So
the command can be repeated. -dry-run shows which keys it would be.

Before it ends keys that a filter selects, it says how many they are and asks on the terminal. -yes
leaves the question out; where there is no terminal, -yes is needed. Keys that are made meanwhile and
that the filter selects are ended as well.

  latchkey revoke apk_01M82NJBTYECRRGD8R7R7012W4
  latchkey revoke -in 24h apk_01M82NJBTYECRRGD8R7R7012W4
  latchkey revoke -type secret -created-before 2027-01-01 -dry-run
  latchkey revoke -all -yes`,
		flags: func(p *program, flags *flag.FlagSet) func(context.Context, []string) error {
			r := &revocation{access: p.changing(flags), output: p.output(flags), filter: selecting(flags)}
			flags.BoolVar(&r.all, "all", false, "every key that there is")
			flags.Var(&r.in, "in", "after this `TIME`: 24h, 7d (default: now)")
			flags.Var(&r.at, "at", "at this `MOMENT`: 2027-01-31, 2027-01-31T12:00:00Z")
			flags.BoolVar(&r.yes, "yes", false, "end what the filter selects without a question")
			flags.BoolVar(&r.dryRun, "dry-run", false, "show the keys and change nothing")
			return r.run
		},
	}
}

// revocation is one run of revoke.
type revocation struct {
	*access
	output *output
	filter *filter
	all    bool
	in     span
	at     moment
	dryRun bool
	yes    bool
}

// revocationResult is what revoke prints as JSON.
type revocationResult struct {
	DryRun    bool     `json:"dry_run"`
	RevokedAt *string  `json:"revoked_at"` // null: now
	Revoked   []view   `json:"revoked"`
	Unchanged []view   `json:"unchanged"` // of the ids given: they have ended, or will before
	NotFound  []string `json:"not_found"`
}

func (r *revocation) run(ctx context.Context, ids []string) error {
	switch {
	case len(ids) > store.MaxRevoke:
		return usagef("at most %d keys can be named at once, got %d", store.MaxRevoke, len(ids))
	case slices.Contains(ids, ""):
		return usagef("an id is empty")
	case len(ids) > 0 && (r.all || r.filter.any()):
		return usagef("ids or a filter: one of them, not both")
	case len(ids) == 0 && !r.all && !r.filter.any():
		return usagef("which keys? Name their ids, or select them by flags (-all: every key that there is)")
	}
	when, err := ending(r.in, r.at, "in", "at")
	if err != nil {
		return err
	}
	if !when.After(time.Now()) {
		if r.at.given {
			return usagef("-at is past: leave it out to revoke now")
		}
		when = time.Time{} // now
	}
	ask := len(ids) == 0 && !r.dryRun && !r.yes
	if ask && !r.asks() {
		return errNotAsked
	}
	s, ctx, err := r.open(ctx, true)
	if err != nil {
		return err
	}
	defer s.close()

	chosen := r.filter.filter()
	if len(ids) > 0 {
		chosen = store.Filter{IDs: ids}
	}
	if ask {
		if err := r.confirm(ctx, s.keys, chosen, when); err != nil {
			return err
		}
	}
	ended, count, err := r.end(ctx, s.keys, chosen, when)
	if err != nil {
		return explain(err, "run the command again, that does no harm")
	}
	unchanged, missing, err := r.others(ctx, s.keys, ids, ended)
	if err != nil {
		return err
	}
	return r.report(when, ended, count, unchanged, missing)
}

// end ends the chosen keys, store.MaxRevoke in a change, and returns them. For a dry run it returns the first of those that it would end, and how many
// there are. The last change is made also when it finds nothing to do: its success is what promises that everybody has heard of an earlier
// one that nobody was told of.
func (r *revocation) end(ctx context.Context, keys *store.Keys, chosen store.Filter, when time.Time) (ended []*store.Key, count int, err error) {
	for {
		next, count, err := keys.Revocable(ctx, chosen, when)
		if err != nil && len(ended) == 0 {
			err = invalid(err)
		}
		if err != nil || r.dryRun {
			return next, count, err
		}
		more := count > len(next)
		f := chosen
		if more {
			f = named(next)
		}
		done, err := keys.RevokeAll(ctx, f, when)
		if err != nil {
			return nil, 0, err
		}
		if ended = append(ended, done...); !more {
			return ended, len(ended), nil
		}
	}
}

func named(keys []*store.Key) store.Filter {
	ids := make([]string, len(keys))
	for i, k := range keys {
		ids[i] = k.ID
	}
	return store.Filter{IDs: ids}
}

// others returns what became of the named keys that were not ended: they end earlier, or are not there.
func (r *revocation) others(ctx context.Context, keys *store.Keys, ids []string, ended []*store.Key) (unchanged []*store.Key, missing []string, err error) {
	done := make(map[string]bool)
	for _, k := range ended {
		done[k.ID] = true
	}
	for _, id := range ids {
		if done[id] {
			continue
		}
		done[id] = true
		k, err := keys.Get(ctx, id)
		switch {
		case errors.Is(err, store.ErrNotFound):
			missing = append(missing, id)
		case err != nil:
			return nil, nil, err
		default:
			unchanged = append(unchanged, k)
		}
	}
	return unchanged, missing, nil
}

func (r *revocation) report(when time.Time, ended []*store.Key, count int, unchanged []*store.Key, missing []string) error {
	now := time.Now()
	v := revocationResult{DryRun: r.dryRun, RevokedAt: timeOrNull(when), Revoked: views(ended, now), Unchanged: views(unchanged, now), NotFound: missing}
	if v.NotFound == nil {
		v.NotFound = []string{}
	}
	err := r.output.write(v, func() [][]string { return keyRows(slices.Concat(ended, unchanged), now) })
	if err != nil {
		return err
	}
	verb := "revoked"
	if r.dryRun {
		verb = "would be revoked"
	}
	if !when.IsZero() {
		verb += " at " + timeOr(when, "")
	}
	if len(ended) < count {
		verb += fmt.Sprintf(" (the first %d are shown)", len(ended))
	}
	fmt.Fprintf(r.stderr, "%d keys %s", count, verb)
	if len(unchanged) > 0 {
		fmt.Fprintf(r.stderr, ", %d end earlier and stay as they are", len(unchanged))
	}
	fmt.Fprintln(r.stderr)
	if len(missing) > 0 {
		return fmt.Errorf("there are no keys with these ids: %q", missing)
	}
	return nil
}
