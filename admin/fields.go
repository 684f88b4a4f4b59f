package admin

import (
	"slices"
	"strings"

	"github.com/latchkey-go/latchkey/admin/internal/medusa"
)

// selection is what an answer shows of a key: attributes first, relations last, as Medusa orders them.
type selection struct {
	attributes []*attribute
	relations  []relation
}

// relation is a list of other records that an answer shows.
type relation struct {
	name    string
	members []string
}

// The two relations of a key.
const (
	salesChannels     = "sales_channels"
	salesChannelsLink = "sales_channels_link"
)

// relationMembers returns the members that a relation can show, in the order in which * shows them, and nil for what is no relation.
// Links have an id and times in Medusa; here they are not records of their own and have the two ids alone.
func relationMembers(name string) []string {
	switch name {
	case salesChannels:
		return []string{"id", "name", "description", "is_disabled", "metadata", "created_at", "updated_at", "deleted_at"}
	case salesChannelsLink:
		return []string{"publishable_key_id", "sales_channel_id"}
	}
	return nil
}

// defaultFields is what Medusa shows of a key when it is not asked for anything else.
func defaultFields() []string {
	return []string{
		"id", "title", "token", "redacted", "type", "last_used_at", "updated_at", "created_at", "created_by", "revoked_at", "revoked_by",
		"sales_channels.id", "sales_channels.name",
	}
}

// createdFields is what Medusa shows of a new key, in the order of its columns.
func createdFields() []string {
	return []string{
		"id", "token", "redacted", "title", "type", "last_used_at", "created_by", "revoked_by", "revoked_at", "created_at", "updated_at", "deleted_at",
	}
}

// fields is the query parameter of that name; absent is not the same as empty.
type fields struct {
	text  string
	given bool
}

func readFields(r *medusa.FieldsReader) fields {
	text, given := r.Text("fields")
	if strings.Count(text, ",") >= medusa.MaxElements {
		r.TooMany("fields")
		return fields{}
	}
	return fields{text, given}
}

// over applies the parameter to the defaults. A list in which any name stands without a sign replaces them; one of signed names alone
// changes them. Names that nothing has are ignored, and the id is always shown.
func (f fields) over(defaults []string) selection {
	if !f.given {
		return selectionOf(defaults)
	}
	var asked []string
	for name := range strings.SplitSeq(f.text, ",") {
		if name != "" {
			asked = append(asked, name)
		}
	}
	var chosen choice
	if len(asked) == 0 || slices.ContainsFunc(asked, isUnsigned) {
		for _, name := range asked {
			if strings.ContainsRune("+ -", rune(name[0])) {
				name = name[1:]
			}
			chosen.add(name)
		}
	} else {
		for _, name := range defaults {
			chosen.add(name)
		}
		for _, name := range asked {
			switch rest := name[1:]; name[0] {
			case '+', ' ':
				chosen.add(strings.TrimPrefix(strings.TrimSpace(name), "+"))
			case '-':
				chosen.remove(rest)
			default:
				chosen.add(name)
			}
		}
	}
	chosen.add("id")
	return selectionOf(chosen.names)
}

// choice is a list of names to show, each once. What nothing has is left out: so the list is never
// longer than all there is to show, however many names are asked for, and taking one out of it
// costs the same each time.
type choice struct{ names []string }

func (c *choice) add(name string) {
	if isShown(name) && !slices.Contains(c.names, name) {
		c.names = append(c.names, name)
	}
}

// remove takes out a name, and with a relation all of its members.
func (c *choice) remove(name string) {
	c.names = slices.DeleteFunc(c.names, func(had string) bool {
		had = strings.TrimPrefix(had, "*")
		return had == name || strings.HasPrefix(had, name) && had[len(name)] == '.'
	})
}

// isShown reports whether selectionOf makes anything of the name.
func isShown(name string) bool {
	s := selectionOf([]string{name})
	return len(s.attributes)+len(s.relations) > 0
}

// ownOf returns only those of our own attributes that the parameter asks for, for answers that Medusa does not let choose.
func (f fields) ownOf() []*attribute {
	return slices.DeleteFunc(f.over(nil).attributes, func(a *attribute) bool { return !a.own })
}

// isUnsigned reports whether a name asks for a replacement of the defaults.
func isUnsigned(name string) bool {
	return !strings.ContainsRune("-+ *", rune(name[0])) && !strings.HasSuffix(name, ".*")
}

// selectionOf sorts names into attributes and relations, each once.
func selectionOf(names []string) selection {
	var s selection
	for _, name := range names {
		rel, member, dotted := strings.Cut(name, ".")
		if starred, ok := strings.CutPrefix(name, "*"); ok {
			rel, member, dotted = starred, "*", true
		}
		if dotted {
			s.add(rel, member)
		} else if a := attributeNamed(name); a != nil && !slices.Contains(s.attributes, a) {
			s.attributes = append(s.attributes, a)
		}
	}
	s.identify()
	return s
}

// identify adds to each relation the ids by which Medusa joins it, last where they were not asked
// for: the id of a channel and the key's id of a link, and where channels are shown too, the
// channel's id of the link through which they are found.
func (s *selection) identify() {
	_, channels := s.relation(salesChannels)
	if channels {
		s.add(salesChannels, "id")
	}
	if _, ok := s.relation(salesChannelsLink); ok {
		s.add(salesChannelsLink, "publishable_key_id")
		if channels {
			s.add(salesChannelsLink, "sales_channel_id")
		}
	}
}

func (s *selection) relation(name string) (*relation, bool) {
	at := slices.IndexFunc(s.relations, func(r relation) bool { return r.name == name })
	if at < 0 {
		return nil, false
	}
	return &s.relations[at], true
}

func (s *selection) add(rel, member string) {
	all := relationMembers(rel)
	wanted := []string{member}
	if member == "*" {
		wanted = all
	} else if !slices.Contains(all, member) {
		return
	}
	if len(wanted) == 0 {
		return
	}
	known, ok := s.relation(rel)
	if !ok {
		s.relations = append(s.relations, relation{name: rel, members: wanted})
		return
	}
	if member == "*" {
		known.members = all
		return
	}
	if !slices.Contains(known.members, member) {
		known.members = append(slices.Clip(known.members), member)
	}
}
