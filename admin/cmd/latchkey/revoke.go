package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"slices"
	"time"

	"github.com/latchkey-go/latchkey/admin/internal/medusa"
	"github.com/latchkey-go/latchkey/store"
)

func revokeCommand() command {
	return command{
		name: "revoke", args: "[ID…]", short: "revoke keys, now or later, by id or by filter",
		long: `Revokes the keys with these ids or, without ids, all keys that match the filter flags (-all: every
key), now or, with -in or -at, later. After it has returned, no running instance accepts a key that
was revoked now.

It never extends the life of a key: a key that has ended, or will end earlier, does not change, and
that is not an error. You can repeat the command. -dry-run shows the keys it would revoke.

Before it revokes keys by a filter, it shows how many there are and asks for confirmation on the
terminal. -yes skips the question and is required without a terminal. Keys that are created meanwhile
and match the filter are revoked too.

  latchkey revoke apk_01M82NJBTYECRRGD8R7R7012W4
  latchkey revoke -in 24h apk_01M82NJBTYECRRGD8R7R7012W4
  latchkey revoke -type secret -created-before 2027-01-01 -dry-run
  latchkey revoke -all -yes`,
		flags: func(p *program, flags *flag.FlagSet) func(context.Context, []string) error {
			r := &revokeRun{dbFlags: p.writeFlags(flags), output: p.output(flags), filter: filterFlags(flags)}
			flags.BoolVar(&r.all, "all", false, "every key")
			flags.Var(&r.in, "in", "in this `TIME`: 24h, 7d (default: now)")
			flags.Var(&r.at, "at", "at this `MOMENT`: 2027-01-31, 2027-01-31T12:00:00Z")
			flags.BoolVar(&r.yes, "yes", false, "revoke by filter without a question")
			flags.BoolVar(&r.dryRun, "dry-run", false, "show the keys, but change nothing")
			return r.run
		},
	}
}

// revokeRun is one run of revoke.
type revokeRun struct {
	*dbFlags
	output *output
	filter *filter
	all    bool
	in     durationFlag
	at     timeFlag
	dryRun bool
	yes    bool
}

// revokeView is what revoke prints as JSON.
type revokeView struct {
	DryRun    bool     `json:"dry_run"`
	RevokedAt any      `json:"revoked_at"` // null means now
	Revoked   []view   `json:"revoked"`
	Unchanged []view   `json:"unchanged"` // the given keys that have ended or will end earlier
	NotFound  []string `json:"not_found"`
}

func (r *revokeRun) run(ctx context.Context, ids []string) error {
	switch {
	case len(ids) > store.MaxRevoke:
		return usagef("want at most %d ids, got %d", store.MaxRevoke, len(ids))
	case slices.Contains(ids, ""):
		return usagef("an id is empty")
	case len(ids) > 0 && (r.all || r.filter.any()):
		return usagef("use ids or a filter, not both")
	case len(ids) == 0 && !r.all && !r.filter.any():
		return usagef("which keys? Use their ids or filter flags (-all: every key)")
	}
	when, err := endTime(r.in, r.at, "in", "at")
	if err != nil {
		return err
	}
	if !when.After(time.Now()) {
		if r.at.given {
			return usagef("-at is in the past: omit it to revoke now")
		}
		when = time.Time{} // now
	}
	ask := len(ids) == 0 && !r.dryRun && !r.yes
	if ask && !r.onTerminal() {
		return errNoTerminal
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
		return explain(err, "run the command again")
	}
	unchanged, missing, err := r.findUnchanged(ctx, s.keys, ids, ended)
	if err != nil {
		return err
	}
	return r.report(when, ended, count, unchanged, missing)
}

// end revokes the chosen keys, store.MaxRevoke in one change, and returns them. A dry run returns
// the first keys that it would revoke, and the count of all. The last change is made even if it
// finds nothing to do: its success means that earlier changes have reached all instances too.
func (r *revokeRun) end(
	ctx context.Context, keys *store.Keys, chosen store.Filter, when time.Time,
) (ended []*store.Key, count int, err error) {
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

// findUnchanged returns the keys that were not revoked because they end earlier, and the ids of
// those that do not exist.
func (r *revokeRun) findUnchanged(
	ctx context.Context, keys *store.Keys, ids []string, ended []*store.Key,
) (unchanged []*store.Key, missing []string, err error) {
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

func (r *revokeRun) report(
	when time.Time, ended []*store.Key, count int, unchanged []*store.Key, missing []string,
) error {
	now := time.Now()
	v := revokeView{
		DryRun: r.dryRun, RevokedAt: medusa.TimeOrNull(when), Revoked: views(ended, now), Unchanged: views(unchanged, now),
		NotFound: append([]string{}, missing...),
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
		fmt.Fprintf(r.stderr, ", %d end earlier and were not changed", len(unchanged))
	}
	fmt.Fprintln(r.stderr)
	if len(missing) > 0 {
		return fmt.Errorf("there are no keys with these ids: %q", missing)
	}
	return nil
}
