package main

import (
	"context"
	"flag"
	"fmt"
	"strconv"

	"github.com/latchkey-go/latchkey/store"
)

func peppersCommand() command {
	return command{
		name: "peppers", args: "[rotate]", short: "count the keys of each pepper, or move them to the current one",
		long: `Counts the keys of each pepper. A pepper is shown by an id that reveals nothing about it; those of
LATCHKEY_PEPPERS are shown even without keys. REFUSED counts keys whose proof does not verify:
somebody has altered them, or their pepper is not configured.

"peppers rotate" gives every key a proof under the current pepper, the first of LATCHKEY_PEPPERS. It
needs no tokens, works in small changes, and can be stopped and run again. To replace a pepper: set
"old,new" on every instance, then "new,old" on every instance, then run this with "new,old". When the
old one has no keys left, set "new" on every instance (docs/operations.md).

  latchkey peppers
  latchkey peppers rotate`,
		flags: func(p *program, flags *flag.FlagSet) func(context.Context, []string) error {
			r := &peppersRun{dbFlags: p.writeFlags(flags), output: p.output(flags)}
			flags.BoolVar(&r.adopt, "adopt", false,
				"with rotate: also give a proof to keys without one; use it once, when you introduce peppers, "+
					"and only if all keys are yours")
			return r.run
		},
	}
}

// peppersRun is one run of peppers.
type peppersRun struct {
	*dbFlags
	output *output
	adopt  bool
}

// peppersView is what peppers prints as JSON.
type peppersView struct {
	Resealed *int         `json:"resealed,omitempty"` // by rotate
	Peppers  []pepperView `json:"peppers"`
}

type pepperView struct {
	PepperID   string `json:"pepper_id"` // "" for keys without a proof
	Current    bool   `json:"current"`
	Configured bool   `json:"configured"`
	Keys       int    `json:"keys"`
	Refused    int    `json:"refused"`
}

func (r *peppersRun) run(ctx context.Context, args []string) error {
	rotate := len(args) == 1 && args[0] == "rotate"
	switch {
	case len(args) > 0 && !rotate:
		return usagef("%q: want rotate or nothing", args)
	case r.adopt && !rotate:
		return usagef("-adopt is only for rotate")
	}
	s, ctx, err := r.open(ctx, false) // keys of other peppers are counted
	if err != nil {
		return err
	}
	defer s.close()
	if rotate && s.sealer == nil {
		return usagef("there is no pepper to rotate to: set LATCHKEY_PEPPERS, with the new one first")
	}
	v := peppersView{Peppers: []pepperView{}}
	refused := 0
	if rotate {
		var resealed int
		if resealed, refused, err = r.rotate(ctx, s.keys); err != nil {
			return explain(err, "run the command again")
		}
		v.Resealed = &resealed
	}
	counts, err := s.keys.PepperCounts(ctx)
	if err != nil {
		return err
	}
	for _, c := range counts {
		v.Peppers = append(v.Peppers, pepperView(c))
	}
	if err := r.output.write(v, func() [][]string { return pepperRows(counts) }); err != nil {
		return err
	}
	if !rotate {
		return nil
	}
	fmt.Fprintf(r.stderr, "%d keys were moved to the current pepper\n", *v.Resealed)
	if refused > 0 {
		return fmt.Errorf("%d keys were not moved because their proof does not verify: their pepper is not in "+
			"LATCHKEY_PEPPERS, somebody has altered them, or they are older than your peppers (-adopt)", refused)
	}
	return nil
}

func (r *peppersRun) rotate(ctx context.Context, keys *store.Keys) (resealed, refused int, err error) {
	_, total, err := keys.ListAndCount(ctx, store.Query{Limit: -1})
	if err != nil {
		return 0, 0, err
	}
	return keys.Reseal(ctx, r.adopt, func(done int) {
		fmt.Fprintf(r.stderr, "%d of %d keys\n", done, max(total, done))
	})
}

func pepperRows(counts []store.PepperCount) [][]string {
	rows := [][]string{{"PEPPER", "KEYS", "REFUSED", ""}}
	for _, c := range counts {
		id, note := c.PepperID, "configured"
		switch {
		case id == "":
			id, note = "none", "keys without a proof"
		case c.Current:
			note = "current"
		case !c.Configured:
			note = "not in LATCHKEY_PEPPERS"
		case c.Keys == 0:
			note = "configured, no longer needed"
		}
		rows = append(rows, []string{id, strconv.Itoa(c.Keys), strconv.Itoa(c.Refused), note})
	}
	return rows
}
