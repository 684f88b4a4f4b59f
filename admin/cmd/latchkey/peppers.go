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
		name: "peppers", args: "[rotate]", short: "show how many keys hang on which pepper, and move them to the current one",
		long: `Shows how many keys are sealed with which pepper. Peppers go by an id that tells nothing about them; those of LATCHKEY_PEPPERS are
listed even when no key is left on them. REFUSED are keys whose proof does not verify: somebody has altered them, or their pepper is not configured.

"peppers rotate" gives every key a proof under the current pepper, the first of LATCHKEY_PEPPERS. It needs no token, works in small changes, and can be
stopped and run again. To replace a pepper: give every instance "old,new", then every instance "new,old"; then run it with "new,old"; when
no key is left on the old one, give every instance "new" alone (docs/operations.md).

  latchkey peppers
  latchkey peppers rotate`,
		flags: func(p *program, flags *flag.FlagSet) func(context.Context, []string) error {
			r := &pepperRun{access: p.changing(flags), output: p.output(flags)}
			flags.BoolVar(&r.adopt, "adopt", false, "with rotate: also give a proof to keys that have none, for the day on which peppers are introduced, and only if you know that all of them are yours")
			return r.run
		},
	}
}

// pepperRun is one run of peppers.
type pepperRun struct {
	*access
	output *output
	adopt  bool
}

// peppersView is what peppers prints as JSON.
type peppersView struct {
	Resealed *int         `json:"resealed,omitempty"` // by rotate
	Peppers  []pepperView `json:"peppers"`
}

type pepperView struct {
	PepperID   string `json:"pepper_id"` // "": no proof
	Current    bool   `json:"current"`
	Configured bool   `json:"configured"`
	Keys       int    `json:"keys"`
	Refused    int    `json:"refused"`
}

func (r *pepperRun) run(ctx context.Context, args []string) error {
	rotate := len(args) == 1 && args[0] == "rotate"
	switch {
	case len(args) > 0 && !rotate:
		return usagef("%q: want rotate, or nothing to show the counts", args)
	case r.adopt && !rotate:
		return usagef("-adopt goes with rotate")
	}
	s, ctx, err := r.open(ctx, false) // counting shows what does not fit, and rotating refuses it key by key
	if err != nil {
		return err
	}
	defer s.close()
	if rotate && s.sealer == nil {
		return usagef("there is no pepper to rotate to: set LATCHKEY_PEPPERS, the new one first")
	}
	v := peppersView{Peppers: []pepperView{}}
	refused := 0
	if rotate {
		var resealed int
		if resealed, refused, err = r.rotate(ctx, s.keys); err != nil {
			return explain(err, "run the command again, that does no harm")
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
	fmt.Fprintf(r.stderr, "%d keys have been moved to the current pepper\n", *v.Resealed)
	if refused > 0 {
		return fmt.Errorf("%d keys have no proof that verifies and stay as they are: their pepper is missing in LATCHKEY_PEPPERS, somebody has altered them, or they are from before "+
			"there were peppers (-adopt)", refused)
	}
	return nil
}

func (r *pepperRun) rotate(ctx context.Context, keys *store.Keys) (resealed, refused int, err error) {
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
			note = "configured, and no longer needed"
		}
		rows = append(rows, []string{id, strconv.Itoa(c.Keys), strconv.Itoa(c.Refused), note})
	}
	return rows
}
