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

// maxIDs is how many keys can be named in one command.
const maxIDs = 1000

func revokeCommand() command {
	return command{
		name: "revoke", args: "[ID…]", short: "end keys, now or later, by id or by filter",
		long: `Ends the keys with these ids, or, without ids, all that the filter flags select (-all for every key), in one change. Now, or with -in
or -at later, until when they work as before. When it has returned, no running instance accepts a key that was ended now.

A key that has ended already stays as it is, and that is no failure: the command can be repeated. A revocation that was scheduled is replaced where the key is
named by its id; a filter only ever brings the end of a key forward. -dry-run shows which keys it would be.

  latchkey revoke apk_01M82NJBTYECRRGD8R7R7012W4
  latchkey revoke -in 24h apk_01M82NJBTYECRRGD8R7R7012W4
  latchkey revoke -type secret -created-before 2027-01-01 -dry-run`,
		flags: func(p *program, flags *flag.FlagSet) func(context.Context, []string) error {
			r := &revocation{access: p.changing(flags), output: p.output(flags), filter: selecting(flags)}
			flags.BoolVar(&r.all, "all", false, "every key that there is")
			flags.Var(&r.in, "in", "after this `TIME`: 24h, 7d (default: now)")
			flags.Var(&r.at, "at", "at this `MOMENT`: 2027-01-31, 2027-01-31T12:00:00Z")
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
}

// revocationView is what revoke prints as JSON.
type revocationView struct {
	DryRun         bool      `json:"dry_run"`
	RevokedAt      *string   `json:"revoked_at"` // null: now
	Revoked        []keyView `json:"revoked"`
	AlreadyRevoked []keyView `json:"already_revoked"`
	NotFound       []string  `json:"not_found"`
}

func (r *revocation) run(ctx context.Context, ids []string) error {
	switch {
	case len(ids) > maxIDs:
		return usagef("at most %d keys can be named at once, got %d", maxIDs, len(ids))
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
	s, ctx, err := r.open(ctx, true)
	if err != nil {
		return err
	}
	defer s.close()

	chosen := r.filter.filter()
	if len(ids) > 0 {
		chosen = store.Filter{IDs: ids}
	}
	var ended []*store.Key
	if f := r.alive(chosen, ids, when); r.dryRun {
		ended, err = s.keys.List(ctx, store.Query{Filter: f})
	} else {
		ended, err = s.keys.RevokeWhere(ctx, f, when)
	}
	if err != nil {
		return explain(err, "run the command again, that does no harm")
	}
	already, missing, err := r.others(ctx, s.keys, ids, ended)
	if err != nil {
		return err
	}
	return r.report(when, ended, already, missing)
}

// alive narrows what was chosen to the keys whose end it would change.
func (r *revocation) alive(chosen store.Filter, ids []string, when time.Time) store.Filter {
	from := time.Now()
	if len(ids) == 0 && when.After(from) {
		from = when
	}
	chosen.And = []store.Filter{endsAfter(from)}
	return chosen
}

// others returns what became of the named keys that were not ended: ended before, or not there.
func (r *revocation) others(ctx context.Context, keys *store.Keys, ids []string, ended []*store.Key) (already []*store.Key, missing []string, err error) {
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
			already = append(already, k)
		}
	}
	return already, missing, nil
}

func (r *revocation) report(when time.Time, ended, already []*store.Key, missing []string) error {
	now := time.Now()
	v := revocationView{DryRun: r.dryRun, RevokedAt: timeOrNull(when), Revoked: views(ended, now), AlreadyRevoked: views(already, now), NotFound: missing}
	if v.NotFound == nil {
		v.NotFound = []string{}
	}
	err := r.output.write(v, func() [][]string { return keyRows(slices.Concat(ended, already), now) })
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
	fmt.Fprintf(r.stderr, "%d keys %s", len(ended), verb)
	if len(already) > 0 {
		fmt.Fprintf(r.stderr, ", %d had ended before", len(already))
	}
	fmt.Fprintln(r.stderr)
	if len(missing) > 0 {
		return fmt.Errorf("there are no keys with these ids: %q", missing)
	}
	return nil
}
