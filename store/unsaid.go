package store

import (
	"slices"
	"strings"
)

// isSecretToken reports whether s is a whole secret token. People paste those where an id, a title or words to search for belong; then the
// answer is known (nothing has it), and a database that logs its statements need not see it.
func isSecretToken(s string) bool {
	t, err := ParseToken(s)
	return err == nil && t.Type() == Secret
}

// withoutSecrets returns a filter that selects the same keys and holds no secret token.
func (f Filter) withoutSecrets() Filter {
	if slices.ContainsFunc(strings.Fields(f.Search), isSecretToken) {
		return Filter{IDs: []string{}} // matches nothing
	}
	for _, list := range []*[]string{&f.IDs, &f.Titles, &f.Tokens, &f.CreatedBy} {
		if slices.ContainsFunc(*list, isSecretToken) {
			*list = slices.DeleteFunc(slices.Clone(*list), isSecretToken)
		}
	}
	for _, within := range []*[]Filter{&f.And, &f.Or} {
		if *within == nil {
			continue
		}
		clean := make([]Filter, len(*within))
		for i, sub := range *within {
			clean[i] = sub.withoutSecrets()
		}
		*within = clean
	}
	return f
}
