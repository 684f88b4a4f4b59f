package admin

import (
	"slices"
	"strings"

	"github.com/latchkey-go/latchkey/admin/internal/medusa"
)

// selection is what an answer shows of a key. As in Medusa, relations come last.
type selection struct {
	attributes []*attribute
	relations  []relation
}

// relation is a list of linked records in an answer.
type relation struct {
	name    string
	members []string
}

// The two relations of a key.
const (
	salesChannels     = "sales_channels"
	salesChannelsLink = "sales_channels_link"
)

// relationMembers returns the members that a relation can show, in the order of *, or nil for an
// unknown relation. In Medusa a link is a record with an id and times; here it has only two ids.
func relationMembers(name string) []string {
	switch name {
	case salesChannels:
		return []string{"id", "name", "description", "is_disabled", "metadata", "created_at", "updated_at", "deleted_at"}
	case salesChannelsLink:
		return []string{"publishable_key_id", "sales_channel_id"}
	}
	return nil
}

// defaultFields returns what Medusa shows of a key by default.
func defaultFields() []string {
	return []string{
		"id", "title", "token", "redacted", "type", "last_used_at", "updated_at", "created_at", "created_by",
		"revoked_at", "revoked_by", "sales_channels.id", "sales_channels.name",
	}
}

// createdFields returns what Medusa shows of a new key.
func createdFields() []string {
	return []string{
		"id", "token", "redacted", "title", "type", "last_used_at", "created_by", "revoked_by", "revoked_at",
		"created_at", "updated_at", "deleted_at",
	}
}

// fields is the query parameter of that name. A missing one differs from an empty one.
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

// over applies the parameter to the defaults. If a name has no sign, the list replaces the
// defaults; if all have one, it changes them. Unknown names are ignored. The id is always shown.
func (f fields) over(defaults []string) selection {
	if !f.given {
		return selectionOf(defaults)
	}
	asked := strings.FieldsFunc(f.text, func(c rune) bool { return c == ',' })
	replaces := len(asked) == 0 || slices.ContainsFunc(asked, isUnsigned)
	var chosen choice
	if !replaces {
		for _, name := range defaults {
			chosen.add(name)
		}
	}
	for _, name := range asked {
		switch {
		case !strings.ContainsRune("+ -", rune(name[0])):
			chosen.add(name)
		case replaces:
			chosen.add(name[1:])
		case name[0] == '-':
			chosen.remove(name[1:])
		default:
			chosen.add(strings.TrimPrefix(strings.TrimSpace(name), "+"))
		}
	}
	chosen.add("id")
	return selectionOf(chosen.names)
}

// choice is a set of known names, in order. It cannot hold more names than there are, however many
// a request lists, so that the cost of changing it is bounded.
type choice struct{ names []string }

func (c *choice) add(name string) {
	if isShown(name) && !slices.Contains(c.names, name) {
		c.names = append(c.names, name)
	}
}

// remove removes a name, or a relation with its members.
func (c *choice) remove(name string) {
	c.names = slices.DeleteFunc(c.names, func(had string) bool {
		had = strings.TrimPrefix(had, "*")
		return had == name || strings.HasPrefix(had, name) && had[len(name)] == '.'
	})
}

// isShown reports whether the name selects anything.
func isShown(name string) bool {
	s := selectionOf([]string{name})
	return len(s.attributes)+len(s.relations) > 0
}

// own returns the selected attributes that Medusa does not have. The others are fixed in some
// answers.
func (f fields) own() []*attribute {
	return slices.DeleteFunc(f.over(nil).attributes, func(a *attribute) bool { return !a.own })
}

// isUnsigned reports whether a name replaces the defaults.
func isUnsigned(name string) bool {
	return !strings.ContainsRune("-+ *", rune(name[0])) && !strings.HasSuffix(name, ".*")
}

// selectionOf returns the distinct attributes and relations with these names.
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
	s.addIDs()
	return s
}

// addIDs adds the ids by which Medusa joins the relations: a channel's id, a link's key id, and a
// link's channel id if channels are shown too.
func (s *selection) addIDs() {
	channels := s.relation(salesChannels) != nil
	if channels {
		s.add(salesChannels, "id")
	}
	if s.relation(salesChannelsLink) != nil {
		s.add(salesChannelsLink, "publishable_key_id")
		if channels {
			s.add(salesChannelsLink, "sales_channel_id")
		}
	}
}

// relation returns the relation with this name, or nil.
func (s *selection) relation(name string) *relation {
	for i := range s.relations {
		if s.relations[i].name == name {
			return &s.relations[i]
		}
	}
	return nil
}

// add adds a member of a relation, or all members for *.
func (s *selection) add(name, member string) {
	members := relationMembers(name)
	if member != "*" {
		if !slices.Contains(members, member) {
			return
		}
		members = []string{member}
	}
	known := s.relation(name)
	switch {
	case len(members) == 0:
	case known == nil:
		s.relations = append(s.relations, relation{name, members})
	case member == "*":
		known.members = members
	case !slices.Contains(known.members, member):
		known.members = append(slices.Clip(known.members), member)
	}
}
