package main

import (
	"flag"
	"slices"
	"time"

	"github.com/latchkey-go/latchkey/store"
)

// filter are the flags that select keys. A key must match all of them.
type filter struct {
	search                      nonBlankFlag
	texts                       store.Filter // by attributes
	typ                         *choiceFlag
	createdBefore, createdAfter timeFlag
}

func filterFlags(flags *flag.FlagSet) *filter {
	f := &filter{typ: typeFlag()}
	flags.Var(&f.search, "q", "`WORDS` that are all in the title or the redacted token, in any case")
	for _, a := range attributes() {
		if a.texts != nil {
			flags.Func(a.name, "exactly this "+a.label+", a `TEXT`; \"\" for keys without one", func(s string) error {
				*a.texts(&f.texts) = []string{s}
				return nil
			})
		}
	}
	flags.Var(f.typ, "type", "only keys of this `TYPE`: secret or publishable")
	flags.Var(&f.createdBefore, "created-before", "only keys created before this `MOMENT`: 2027-01-31")
	flags.Var(&f.createdAfter, "created-after", "only keys created at this `MOMENT` or later: 2027-01-31T12:00:00Z")
	return f
}

// any reports whether one of the flags was set.
func (f *filter) any() bool {
	given := func(a attribute) bool { return a.texts != nil && *a.texts(&f.texts) != nil }
	return f.search.value != "" || slices.ContainsFunc(attributes(), given) || f.typ.value != "" ||
		f.createdBefore.given || f.createdAfter.given
}

func (f *filter) filter() store.Filter {
	out := f.texts
	out.Search = f.search.value
	if f.typ.value != "" {
		out.Types = []store.Type{store.Type(f.typ.value)}
	}
	if f.createdBefore.given {
		out.CreatedAt = append(out.CreatedAt, at(store.Lt, f.createdBefore.at))
	}
	if f.createdAfter.given {
		out.CreatedAt = append(out.CreatedAt, at(store.Gte, f.createdAfter.at))
	}
	return out
}

func at(op store.Op, t time.Time) store.TimeCondition {
	return store.TimeCondition{Op: op, Times: []time.Time{t}}
}
