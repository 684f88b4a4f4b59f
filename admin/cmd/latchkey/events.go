package main

import (
	"cmp"
	"context"
	"flag"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/latchkey-go/latchkey/admin/internal/medusa"
	"github.com/latchkey-go/latchkey/store"
)

func eventsCommand() command {
	return command{
		name: "events", short: "show the audit log",
		long: `Shows the audit log, oldest first: who changed which key, when and how. With -o json it prints
an array.

  latchkey events -key apk_01M82NJBTYECRRGD8R7R7012W4
  latchkey events -kind revoked -since 7d`,
		flags: func(p *program, flags *flag.FlagSet) func(context.Context, []string) error {
			l := &eventsRun{listFlags: p.listFlags(flags, 100), kind: choiceFlag{allowed: kinds()}}
			flags.Var(&l.key, "key", "only events of the key with this `ID`")
			flags.Var(&l.kind, "kind", "only events of this `KIND`: "+strings.Join(kinds(), ", "))
			flags.Var(&l.since, "since", "only events of the last `TIME`: 24h, 7d")
			flags.Int64Var(&l.after, "after", 0, "continue after the event with this `NUMBER`")
			return l.run
		},
	}
}

// eventsRun is one run of events.
type eventsRun struct {
	*listFlags
	key   nonBlankFlag
	kind  choiceFlag
	since durationFlag
	after int64
}

func kinds() (names []string) {
	for _, k := range []store.Kind{
		store.Created, store.Updated, store.Revoked, store.Rolled, store.Deleted, store.Linked, store.Imported,
		store.Upgraded, store.Resealed,
	} {
		names = append(names, string(k))
	}
	return names
}

// eventView is an event in JSON.
type eventView struct {
	ID        int64             `json:"id"`
	At        any               `json:"at"`
	Kind      string            `json:"kind"`
	KeyID     string            `json:"key_id"`
	Version   int64             `json:"version"`
	Actor     string            `json:"actor"`
	RequestID string            `json:"request_id"`
	Details   map[string]string `json:"details"`
}

func (l *eventsRun) run(ctx context.Context, args []string) error {
	if l.after < 0 {
		return usagef("-after is negative")
	}
	s, ctx, err := l.begin(ctx, args)
	if err != nil {
		return err
	}
	defer s.close()
	events, more, err := l.collect(ctx, s.keys)
	if err != nil {
		return err
	}
	shown := make([]eventView, len(events))
	for i, e := range events {
		shown[i] = eventView{
			e.ID, medusa.TimeOrNull(e.At), string(e.Kind), e.KeyID, e.Version, e.Actor, e.RequestID, e.Details,
		}
	}
	var next any
	if more {
		next = events[len(events)-1].ID
	}
	return l.show(shown, func() [][]string { return eventRows(events) }, next)
}

// collect reads pages until there are enough events. It also returns whether there are more.
func (l *eventsRun) collect(ctx context.Context, keys *store.Keys) (found []store.Event, more bool, err error) {
	var from time.Time
	if l.since.given {
		from = time.Now().Add(-l.since.length)
	}
	q := store.EventQuery{KeyID: l.key.value, Kind: store.Kind(l.kind.value), After: l.after}
	err = eachEvent(ctx, keys, q, func(e store.Event) bool {
		if e.At.Before(from) {
			return true
		}
		if l.limit > 0 && len(found) == l.limit {
			more = true
			return false
		}
		found = append(found, e)
		return true
	})
	return found, more, err
}

// eachEvent calls fn with the events that q selects, oldest first, until fn returns false. It reads
// them in pages.
func eachEvent(ctx context.Context, keys *store.Keys, q store.EventQuery, fn func(store.Event) bool) error {
	for q.Limit = 1000; ; {
		page, err := keys.Events(ctx, q)
		if err != nil {
			return err
		}
		for _, e := range page {
			q.After = e.ID
			if !fn(e) {
				return nil
			}
		}
		if len(page) < q.Limit {
			return nil
		}
	}
}

func eventRows(events []store.Event) [][]string {
	rows := [][]string{{"NUMBER", "TIME", "KIND", "KEY", "ACTOR", "DETAILS"}}
	for _, e := range events {
		var details []string
		for _, name := range slices.Sorted(maps.Keys(e.Details)) {
			details = append(details, name+"="+e.Details[name])
		}
		rows = append(rows, []string{
			strconv.FormatInt(e.ID, 10), timeOr(e.At, "-"), string(e.Kind), cmp.Or(e.KeyID, "-"), cmp.Or(e.Actor, "-"),
			shortened(strings.Join(details, " "), 80),
		})
	}
	return rows
}
