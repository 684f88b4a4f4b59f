package main

import (
	"flag"
	"slices"
	"time"

	"github.com/latchkey-go/latchkey/store"
)

// filter is the flags that select keys; all that are given must hold.
type filter struct {
	search                      word
	texts                       store.Filter // by attributes
	typ                         *oneOf
	createdBefore, createdAfter moment
}

func selecting(flags *flag.FlagSet) *filter {
	f := &filter{typ: oneType()}
	flags.Var(&f.search, "q", "`WORDS` that all occur in the title or in the redacted token, in any case")
	for _, a := range attributes() {
		if a.texts != nil {
			flags.Func(a.name, "exactly this "+a.label+", a `TEXT`; \"\" for keys without one", func(s string) error {
				*a.texts(&f.texts) = []string{s}
				return nil
			})
		}
	}
	flags.Var(f.typ, "type", "only keys of this `TYPE`: secret or publishable")
	flags.Var(&f.createdBefore, "created-before", "only keys made before this `MOMENT`: 2027-01-31, 2027-01-31T12:00:00Z")
	flags.Var(&f.createdAfter, "created-after", "only keys made at this `MOMENT` or later")
	return f
}

// any reports whether one of the flags was given.
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
