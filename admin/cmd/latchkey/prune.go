package main

import (
	"context"
	"flag"
	"fmt"
	"time"

	"github.com/latchkey-go/latchkey/admin/internal/medusa"
	"github.com/latchkey-go/latchkey/store"
)

// minAge is the least age of removed events. Running instances follow the newest events and drop
// their whole cache when they miss some.
const minAge = time.Hour

func pruneCommand() command {
	return command{
		name: "prune", short: "remove old events of the audit log",
		long: `Removes events of the audit log that are older than -older-than. The newest event always stays, and
so do all deletions of keys: without them an import would restore deleted keys.

  latchkey prune -older-than 365d -dry-run`,
		flags: func(p *program, flags *flag.FlagSet) func(context.Context, []string) error {
			r := &pruneRun{dbFlags: p.readFlags(flags), output: p.output(flags)}
			flags.Var(&r.age, "older-than", "remove events older than this `TIME`: 90d; at least 1h; required")
			flags.BoolVar(&r.dryRun, "dry-run", false, "count the events, but remove nothing")
			return r.run
		},
	}
}

// pruneRun is one run of prune. It does not change keys, so that no cache needs to be invalidated.
type pruneRun struct {
	*dbFlags
	output *output
	age    durationFlag
	dryRun bool
}

// pruneView is what prune prints as JSON.
type pruneView struct {
	DryRun        bool `json:"dry_run"`
	Before        any  `json:"before"`
	Removed       int  `json:"removed"`
	Remaining     int  `json:"remaining"`
	DeletionsKept int  `json:"deletions_kept"` // of the remaining ones, those that are old enough
}

func (r *pruneRun) run(ctx context.Context, args []string) error {
	if err := noArguments(args); err != nil {
		return err
	}
	switch {
	case !r.age.given:
		return usagef("-older-than is required: 90d, 365d")
	case r.age.length < minAge:
		return usagef("-older-than %s: running instances need the events of the last hour; use at least 1h", r.age.length)
	}
	s, ctx, err := r.open(ctx, false)
	if err != nil {
		return err
	}
	defer s.close()
	before := time.Now().Add(-r.age.length)
	v := pruneView{DryRun: r.dryRun, Before: medusa.TimeOrNull(before)}
	if !r.dryRun {
		if v.Removed, err = s.keys.PruneEvents(ctx, before); err != nil {
			return fmt.Errorf("%w (%d events were removed; run the command again)", err, v.Removed)
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
		return [][]string{{fmt.Sprintf(
			"%d events from before %s %s, %d remain, among them %d older deletions, which always stay",
			v.Removed, timeOr(before, ""), verb, v.Remaining, v.DeletionsKept,
		)}}
	})
}
