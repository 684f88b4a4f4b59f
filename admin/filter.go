package admin

import (
	"strconv"
	"strings"
	"time"

	"github.com/latchkey-go/latchkey/admin/internal/medusa"
	"github.com/latchkey-go/latchkey/store"
)

// filterParser reads filters in Medusa's language.
type filterParser struct {
	now time.Time // for the words now, today, …
	// strict is for revoking: it adds the filters created_by and last_used_at, which Medusa's list
	// does not have, and refuses a blank q. In Medusa a blank q matches everything; in a script it
	// may be an unset variable, and too many keys would be revoked.
	strict bool
}

// parse reads a whole filter, with q, $and and $or.
func (p filterParser) parse(r *medusa.FieldsReader) store.Filter {
	search, there := r.Text("q")
	if p.strict && there && strings.TrimSpace(search) == "" {
		r.Fault("Field 'q' holds no word")
	}
	f := p.filter(r)
	f.Search = search
	f.And = p.filters(r, "$and")
	f.Or = p.filters(r, "$or")
	return f
}

// filter reads the fields that $and and $or may hold too.
func (p filterParser) filter(r *medusa.FieldsReader) (f store.Filter) {
	f.IDs, _ = r.TextOrTexts("id")
	f.Titles, _ = r.TextOrTexts("title")
	f.Tokens, _ = r.TextOrTexts("token")
	if typ, ok := r.Choice("type", string(store.Publishable), string(store.Secret)); ok {
		f.Types = []store.Type{store.Type(typ)}
	}
	f.CreatedAt = readTimes(r, "created_at", p.now)
	f.UpdatedAt = readTimes(r, "updated_at", p.now)
	f.DeletedAt = readTimes(r, "deleted_at", p.now)
	f.RevokedAt = readTimes(r, "revoked_at", p.now)
	f.ExpiresAt = readTimes(r, "expires_at", p.now) // not in Medusa; it finds active keys
	for _, a := range attributes {
		if a.texts != nil {
			*a.texts(&f), _ = r.TextOrTexts(a.name)
		}
	}
	if p.strict {
		f.CreatedBy, _ = r.TextOrTexts("created_by")
		f.LastUsedAt = readTimes(r, "last_used_at", p.now)
	}
	return f
}

// filters reads $and or $or. Medusa ignores unknown fields and nested lists in there. Here they are
// faults: ignoring a part of a filter selects more keys.
func (p filterParser) filters(r *medusa.FieldsReader, name string) []store.Filter {
	items, ok := r.List(name)
	if !ok {
		return nil
	}
	if len(items) > store.MaxConditions { // store checks this too, but after all have been read
		r.Fault("The filter holds more than " + strconv.Itoa(store.MaxConditions) + " conditions")
		return nil
	}
	filters := make([]store.Filter, 0, len(items))
	list := r.Array(name)
	for i, item := range items {
		o, ok := item.(*medusa.Object)
		if !ok {
			list.Missing(strconv.Itoa(i))
			continue
		}
		inside := list.Within(strconv.Itoa(i), o)
		filters = append(filters, p.filter(inside))
		inside.Finish()
	}
	return filters
}

// readTimes reads the conditions on a time: a value, an array of values, or an object of operators.
// JSON's null is the same as the text null.
func readTimes(r *medusa.FieldsReader, name string, now time.Time) []store.TimeCondition {
	v, there := r.Any(name)
	if !there {
		return nil
	}
	switch v := nullAsText(v).(type) {
	case string, []any:
		return timeCondition(r, name, store.Eq, store.In, v, now)
	case *medusa.Object:
		inside := r.Within(name, v)
		conditions := readOperators(inside, now)
		inside.Finish()
		return conditions
	}
	r.Mistyped(name, "string, array", v)
	return nil
}

// readOperators reads $eq, $ne, … in the order of Medusa's schema.
func readOperators(r *medusa.FieldsReader, now time.Time) (conditions []store.TimeCondition) {
	for _, o := range []struct {
		name      string
		one, many store.Op // for one value, for an array; "" if it takes none
	}{
		{"$eq", store.Eq, store.In}, {"$ne", store.Ne, store.NotIn}, {"$in", "", store.In}, {"$nin", "", store.NotIn},
		{"$gt", store.Gt, ""}, {"$gte", store.Gte, ""}, {"$lt", store.Lt, ""}, {"$lte", store.Lte, ""},
	} {
		if v, there := r.Any(o.name); there {
			conditions = append(conditions, timeCondition(r, o.name, o.one, o.many, nullAsText(v), now)...)
		}
	}
	return conditions
}

// nullAsText replaces null with the text null, as in a query, also within an array.
func nullAsText(v any) any {
	switch v := v.(type) {
	case nil:
		return "null"
	case []any:
		list := make([]any, len(v))
		for i, element := range v {
			if list[i] = element; element == nil {
				list[i] = "null"
			}
		}
		return list
	}
	return v
}

// timeCondition returns a condition for one value or an array of values. The text null is SQL's
// NULL. As in Medusa's query builder, = and <> become IS NULL and IS NOT NULL; no other comparison
// with it is true.
func timeCondition(
	r *medusa.FieldsReader, name string, one, many store.Op, v any, now time.Time,
) []store.TimeCondition {
	nothing := []store.TimeCondition{{Op: store.In}}
	text, isText := v.(string)
	items, isList := v.([]any)
	switch {
	case isText && one == store.Eq && text == "null":
		return []store.TimeCondition{{Op: store.IsNull}}
	case isText && one == store.Ne && text == "null":
		return []store.TimeCondition{{Op: store.NotNull}}
	case isText && one != "" && text == "null":
		return nothing
	case isText && one != "":
		at, ok := medusa.ParseTimestamp(text, now)
		if !ok {
			r.Mistyped(name, "date", v)
		}
		return []store.TimeCondition{{Op: one, Times: []time.Time{at}}}
	case isList && many != "":
	case one == "":
		r.Mistyped(name, "array", v)
		return nil
	case many == "":
		r.Mistyped(name, "string", v)
		return nil
	default:
		r.Mistyped(name, "string, array", v)
		return nil
	}
	texts, ok := r.Elements(name, items)
	if !ok {
		return nil
	}
	condition := store.TimeCondition{Op: many, Times: []time.Time{}}
	for i, s := range texts {
		if r.Full() { // strings that are not times take longest
			return nil
		}
		at, ok := medusa.ParseTimestamp(s, now)
		switch {
		case s == "null" && many == store.NotIn:
			return nothing // x NOT IN (…, NULL) is never true
		case s == "null":
			continue
		case !ok:
			r.Within(name, nil).Mistyped(strconv.Itoa(i), "date", s)
		}
		condition.Times = append(condition.Times, at)
	}
	return []store.TimeCondition{condition}
}
