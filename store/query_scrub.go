package store

import (
	"slices"
	"strings"
)

// maxEscaped is how many times a text is percent-decoded in the search for tokens. The encoding of
// the URL itself has already been removed. Each level costs one pass.
const maxEscaped = 2

// HoldsSecret reports whether s contains a secret token, at any place, plain or percent-encoded.
// Users sometimes paste a token where an id, a title or a search belongs, and databases and proxies
// log such input. The checksum decides, so an ordinary text with "sk_" does not match. (Tokens in
// Medusa's form have no checksum: sk_ and 64 hexadecimal digits always match.) The cost is linear
// in the length of s.
func HoldsSecret(s string) bool {
	for range maxEscaped {
		if findSecret(s) {
			return true
		}
		plain, escaped := unescape(s)
		if !escaped {
			return false
		}
		s = plain
	}
	return findSecret(s)
}

// findSecret is HoldsSecret for plain text. After each "sk_" it tries the three possible lengths of
// a token.
func findSecret(s string) bool {
	prefix := prefixOf(Secret)
	for {
		at := strings.Index(s, prefix)
		if at < 0 {
			return false
		}
		rest := s[at+len(prefix):]
		lengths := [...]int{tailChars, medusaHex, 0}
		if ns := strings.IndexByte(rest[:min(len(rest), maxNamespace+1)], '_'); ns > 0 {
			lengths[2] = ns + 1 + tailChars
		}
		for _, n := range lengths {
			if n == 0 || n > len(rest) {
				continue
			}
			if _, err := ParseToken(s[at : at+len(prefix)+n]); err == nil {
				return true
			}
		}
		s = rest
	}
}

// unescape decodes the percent-encoded bytes of s and reports whether there are any. An invalid
// escape is left as it is, because it must not hide a token after it.
func unescape(s string) (string, bool) {
	at := strings.IndexByte(s, '%')
	if at < 0 {
		return s, false
	}
	b := []byte(s[:at])
	for i := at; i < len(s); i++ {
		if s[i] == '%' && i+2 < len(s) {
			if high, ok := unhex(s[i+1]); ok {
				if low, ok := unhex(s[i+2]); ok {
					b = append(b, high<<4|low)
					i += 2
					continue
				}
			}
		}
		b = append(b, s[i])
	}
	return string(b), len(b) < len(s)
}

func unhex(c byte) (byte, bool) {
	switch {
	case c >= '0' && c <= '9':
		return c - '0', true
	case c >= 'a' && c <= 'f':
		return c - 'a' + 10, true
	case c >= 'A' && c <= 'F':
		return c - 'A' + 10, true
	}
	return 0, false
}

// searchHoldsSecret is HoldsSecret for a search. A search is converted to lower case before it
// reaches a database, which can turn capitals into a token of Medusa's form.
func searchHoldsSecret(s string) bool {
	return HoldsSecret(s) || HoldsSecret(strings.ToLower(s))
}

// scrubSecrets returns a query that selects the same keys and contains no secret token. If AfterID
// contains one, the error matches ErrInvalid, because no id of a key does.
func (q Query) scrubSecrets() (Query, error) {
	if HoldsSecret(q.AfterID) {
		return q, holdsSecretError("after")
	}
	q.Filter = q.Filter.scrubSecrets()
	return q, nil
}

// scrubSecrets returns a filter that selects the same keys and contains no secret token. No stored
// value can match such a token, so the database, which may log statements, does not get it.
func (f Filter) scrubSecrets() Filter {
	if searchHoldsSecret(f.Search) {
		return Filter{IDs: []string{}} // matches nothing
	}
	for i := range filterTexts {
		list := filterTexts[i].list(&f)
		*list = scrubTokens(*list)
	}
	for _, within := range []*[]Filter{&f.And, &f.Or} {
		if *within == nil {
			continue
		}
		clean := make([]Filter, len(*within))
		for i, sub := range *within {
			clean[i] = sub.scrubSecrets()
		}
		*within = clean
	}
	return f
}

// scrubSecrets returns a query that selects the same events and contains no secret token. If ok is
// false, the query selects no event.
func (q EventQuery) scrubSecrets() (_ EventQuery, ok bool) {
	q.KeyIDs = scrubTokens(q.KeyIDs)
	return q, !HoldsSecret(q.KeyID) && !HoldsSecret(string(q.Kind))
}

// scrubTokens returns list, or a copy without the texts that contain a secret token.
func scrubTokens(list []string) []string {
	if !slices.ContainsFunc(list, HoldsSecret) {
		return list
	}
	return slices.DeleteFunc(slices.Clone(list), HoldsSecret)
}

// holdsSecretError refuses a field without repeating its value.
func holdsSecretError(field string) error {
	return Errorf(ErrInvalid, "Field '%s' holds a secret token. Remove it; a token must not be stored or searched for.", field)
}
