package main

import (
	"context"
	"flag"
	"fmt"
	"time"

	"github.com/latchkey-go/latchkey/store"
)

// leastAge is the youngest that events may be when they are removed: running instances follow the newest of them, and drop all that they have
// cached when they miss some.
const leastAge = time.Hour

func pruneCommand() command {
	return command{
		name: "prune", short: "remove old lines of the audit log",
		long: `Removes events of the audit log that are older than -older-than. The newest event always stays, and so do deletions of keys, for ever: they keep
deleted keys from coming back with an import.

  latchkey prune -older-than 365d -dry-run`,
		flags: func(p *program, flags *flag.FlagSet) func(context.Context, []string) error {
			r := &pruning{access: p.reading(flags), output: p.output(flags)}
			flags.Var(&r.age, "older-than", "remove events older than this `TIME`: 90d; at least 1h; required")
			flags.BoolVar(&r.dryRun, "dry-run", false, "count, and remove nothing")
			return r.run
		},
	}
}

// pruning is one run of prune. It changes no key, so that no cache has to hear of it.
type pruning struct {
	*access
	output *output
	age    span
	dryRun bool
}

// pruneView is what prune prints as JSON.
type pruneView struct {
	DryRun        bool    `json:"dry_run"`
	Before        *string `json:"before"`
	Removed       int     `json:"removed"`
	Remaining     int     `json:"remaining"`
	DeletionsKept int     `json:"deletions_kept"` // of the remaining: old enough, and kept
}

func (r *pruning) run(ctx context.Context, args []string) error {
	if err := none(args); err != nil {
		return err
	}
	switch {
	case !r.age.given:
		return usagef("-older-than is required: 90d, 365d")
	case r.age.length < leastAge:
		return usagef("-older-than %s: events of the last hour stay, running instances follow them", r.age.length)
	}
	s, ctx, err := r.open(ctx, false)
	if err != nil {
		return err
	}
	defer s.close()
	before := time.Now().Add(-r.age.length)
	v := pruneView{DryRun: r.dryRun, Before: timeOrNull(before)}
	if !r.dryRun {
		if v.Removed, err = s.keys.PruneEvents(ctx, before); err != nil {
			return fmt.Errorf("%w (%d events have been removed; run the command again)", err, v.Removed)
		}
	}
	old := func(e store.Event) bool { return e.At.Before(before) }
	removable := 0
	var newest store.Event
	err = eachEvent(ctx, s.keys, store.EventQuery{}, func(e store.Event) bool {
		v.Remaining++
		switch {
		case !old(e):
		case e.Kind == store.Deleted:
			v.DeletionsKept++
		default:
			removable++
		}
		newest = e
		return true
	})
	if err != nil {
		return err
	}
	if r.dryRun {
		if old(newest) && newest.Kind != store.Deleted {
			removable-- // it stays
		}
		v.Removed, v.Remaining = max(removable, 0), v.Remaining-max(removable, 0)
	}
	return r.output.write(v, func() [][]string {
		verb := "removed"
		if r.dryRun {
			verb = "would be removed"
		}
		return [][]string{{fmt.Sprintf("%d events from before %s %s, %d remain; of these, %d deletions are as old and stay for ever", v.Removed, timeOr(before, ""), verb, v.Remaining, v.DeletionsKept)}}
	})
}
