package admin

import (
	"strconv"
	"strings"
	"time"

	"github.com/latchkey-go/latchkey/admin/internal/medusa"
	"github.com/latchkey-go/latchkey/store"
)

// language is the filter language: Medusa's, with the moment that now means in it.
type language struct {
	now time.Time
	// ours adds the filters that the list does not have: created_by, last_used_at. And it refuses a q without a word, which is no filter in
	// Medusa: here it is a variable that somebody forgot to fill, and all keys of the rest of the filter would be revoked.
	ours bool
}

// top reads a whole filter, with q, $and and $or.
func (l language) top(r *medusa.FieldsReader) store.Filter {
	search, there := r.Text("q")
	if l.ours && there && strings.TrimSpace(search) == "" {
		r.Fault("Field 'q' holds no word")
	}
	f := l.filter(r)
	f.Search = search
	f.And = l.filters(r, "$and")
	f.Or = l.filters(r, "$or")
	return f
}

// filter reads what is the same at the top and in $and and $or.
func (l language) filter(r *medusa.FieldsReader) (f store.Filter) {
	f.IDs, _ = r.TextOrTexts("id")
	f.Titles, _ = r.TextOrTexts("title")
	f.Tokens, _ = r.TextOrTexts("token")
	if typ, ok := r.Choice("type", string(store.Publishable), string(store.Secret)); ok {
		f.Types = []store.Type{store.Type(typ)}
	}
	f.CreatedAt = readTimes(r, "created_at", l.now)
	f.UpdatedAt = readTimes(r, "updated_at", l.now)
	f.DeletedAt = readTimes(r, "deleted_at", l.now)
	f.RevokedAt = readTimes(r, "revoked_at", l.now)
	f.ExpiresAt = readTimes(r, "expires_at", l.now) // Medusa's list does not have it, but what is active cannot be told without it
	for _, a := range attributes {
		if a.texts != nil {
			*a.texts(&f), _ = r.TextOrTexts(a.name)
		}
	}
	if l.ours {
		f.CreatedBy, _ = r.TextOrTexts("created_by")
		f.LastUsedAt = readTimes(r, "last_used_at", l.now)
	}
	return f
}

// filters reads $and or $or. What Medusa drops in there without a word (other fields, a list within a list) is a fault here: a filter
// that is not understood must not select more.
func (l language) filters(r *medusa.FieldsReader, name string) []store.Filter {
	v, there := r.Any(name)
	items, ok := v.([]any)
	switch {
	case !there:
		return nil
	case !ok:
		r.Mistyped(name, "array", v)
		return nil
	}
	if len(items) > store.MaxConditions { // as store would say, but before they are read
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
		filters = append(filters, l.filter(inside))
		inside.Finish()
	}
	return filters
}

// readTimes reads the conditions on a time: a value, an array of values, or an object of operators. JSON's null is the text null.
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
		one, many store.Op // "": not with one value, not with an array
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

// nullAsText puts the text null, which is all that a query can say, in the place of null, also within an array.
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

// timeCondition makes a condition of one value, or of an array of them. The text null is SQL's null: = and <> ask for it, as Medusa's
// query builder does, and no other comparison is true of it.
func timeCondition(r *medusa.FieldsReader, name string, one, many store.Op, v any, now time.Time) []store.TimeCondition {
	nothing := []store.TimeCondition{{Op: store.In}}
	switch s, isText := v.(string); {
	case isText && one != "":
		if s == "null" {
			switch one {
			case store.Eq:
				return []store.TimeCondition{{Op: store.IsNull}}
			case store.Ne:
				return []store.TimeCondition{{Op: store.NotNull}}
			}
			return nothing
		}
		at, ok := medusa.ParseTimestamp(s, now)
		if !ok {
			r.Mistyped(name, "date", v)
		}
		return []store.TimeCondition{{Op: one, Times: []time.Time{at}}}
	case isText:
		r.Mistyped(name, "array", v)
		return nil
	}
	items, isList := v.([]any)
	switch {
	case one == "" && !isList:
		r.Mistyped(name, "array", v)
		return nil
	case many == "":
		r.Mistyped(name, "string", v)
		return nil
	case !isList:
		r.Mistyped(name, "string, array", v)
		return nil
	}
	texts, ok := r.Elements(name, items)
	if !ok {
		return nil
	}
	condition := store.TimeCondition{Op: many, Times: []time.Time{}}
	for i, s := range texts {
		if r.Full() { // what is no time costs most
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
