package sqldb

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/latchkey-go/latchkey/store"
)

// selectKeys returns the statement for a query. Errors match store.ErrInvalid.
func (d *Dialect) selectKeys(q store.Query) (string, []any, error) {
	where, args, err := d.where(q.Filter, q.AfterID)
	if err != nil {
		return "", nil, err
	}
	order, err := orderBy(q.Order)
	if err != nil {
		return "", nil, err
	}
	statement := `SELECT ` + columns("", false) + ` FROM latchkey_key` + where + order
	if limit, offset := q.Limit, max(q.Offset, 0); limit > 0 || offset > 0 {
		if limit == 0 {
			limit = math.MaxInt32 // an offset needs a limit in SQLite
		}
		statement += ` LIMIT ? OFFSET ?`
		args = append(args, int64(limit), int64(offset))
	}
	return d.bind(statement), args, nil
}

// orderBy returns the ORDER BY clause. It specifies the place of NULL only for columns that can be
// NULL.
func orderBy(o store.Order) (string, error) {
	expr, nullable := string(o.By), false
	switch o.By {
	case "", store.ByID:
		expr = "id"
	case store.ByToken:
		expr = "coalesce(token, '')"
	case store.ByTitle, store.ByType, store.ByRedacted, store.ByCreatedBy:
	case store.ByCreatedAt, store.ByUpdatedAt, store.ByRevokedAt, store.ByLastUsedAt:
		nullable = true
	default:
		return "", store.Errorf(store.ErrInvalid, "store: keys cannot be ordered by %q", string(o.By))
	}
	direction, nulls := "", " NULLS LAST"
	if o.Desc {
		direction, nulls = " DESC", " NULLS FIRST"
	}
	clause := " ORDER BY " + expr + direction
	if nullable {
		clause += nulls
	}
	if expr != "id" {
		clause += ", id"
	}
	return clause, nil
}

// where returns the WHERE clause for a filter and a position, "" for all keys.
func (d *Dialect) where(f store.Filter, afterID string) (string, []any, error) {
	c := conditions{d: d}
	if err := c.filter(f); err != nil {
		return "", nil, err
	}
	if !storable(afterID) {
		return "", nil, store.Errorf(store.ErrInvalid, "store: AfterID is not valid UTF-8 or contains a NUL character")
	}
	if afterID != "" {
		c.add("id > ?", afterID)
	}
	if len(c.all) == 0 {
		return "", nil, nil
	}
	return " WHERE " + strings.Join(c.all, " AND "), c.args, nil
}

// conditions are SQL conditions that must all hold.
type conditions struct {
	d    *Dialect
	all  []string
	args []any
}

func (c *conditions) add(condition string, args ...any) {
	c.all = append(c.all, condition)
	c.args = append(c.args, args...)
}

func (c *conditions) filter(f store.Filter) error {
	for _, word := range strings.Fields(strings.ToLower(f.Search)) {
		if !storable(word) {
			c.add("FALSE")
			continue
		}
		c.add(fmt.Sprintf(c.d.Contains, "search"), word)
	}
	for i := range keyColumns {
		switch column := &keyColumns[i]; {
		case column.filterValues == nil:
		case column.nullable:
			c.inOrNull(column.name, column.filterValues(&f))
		default:
			c.in(column.name, column.filterValues(&f))
		}
	}
	for _, column := range []struct {
		name string
		when []store.TimeCondition
	}{
		{"created_at", f.CreatedAt}, {"updated_at", f.UpdatedAt}, {"revoked_at", f.RevokedAt}, {"", f.DeletedAt},
		{"expires_at", f.ExpiresAt}, {"last_used_at", f.LastUsedAt},
	} {
		for _, when := range column.when {
			if err := c.time(column.name, when); err != nil {
				return err
			}
		}
	}
	for _, sub := range f.And {
		if err := c.filter(sub); err != nil {
			return err
		}
	}
	if f.Or == nil {
		return nil
	}
	either := []string{"FALSE"}
	for _, sub := range f.Or {
		nested := conditions{d: c.d}
		if err := nested.filter(sub); err != nil {
			return err
		}
		either = append(either, strings.Join(append(nested.all, "TRUE"), " AND "))
		c.args = append(c.args, nested.args...)
	}
	c.add("(" + strings.Join(either, " OR ") + ")")
	return nil
}

// in adds the condition that the column is in list. A nil list adds none. The whole list is one
// argument, so its length neither reaches a limit of the database nor changes the statement.
func (c *conditions) in(column string, list []string) {
	if list == nil {
		return
	}
	possible := make([]string, 0, len(list))
	for _, s := range list {
		if storable(s) {
			possible = append(possible, s)
		}
	}
	if len(possible) == 0 {
		c.add("FALSE")
		return
	}
	c.add(fmt.Sprintf(c.d.InList, column), mustJSON(possible))
}

// texts converts list to strings; nil stays nil.
func texts[T ~string](list []T) []string {
	if list == nil {
		return nil
	}
	texts := make([]string, len(list))
	for i, s := range list {
		texts[i] = string(s)
	}
	return texts
}

// withoutEmpty removes empty texts. It is for a column in which they are NULL and must not match.
func withoutEmpty(list []string) []string {
	return slices.DeleteFunc(slices.Clone(list), func(s string) bool { return s == "" })
}

// inOrNull is in for a column in which an empty text is NULL.
func (c *conditions) inOrNull(column string, list []string) {
	if list == nil {
		return
	}
	either := conditions{d: c.d}
	either.in(column, list)
	if slices.Contains(list, "") {
		either.add(column + " IS NULL")
	}
	c.add("("+strings.Join(either.all, " OR ")+")", either.args...)
}

// time adds a condition on a time column. The name "" stands for a column that is always NULL.
// Columns hold whole milliseconds. So a comparison with a time between two milliseconds uses one of
// the two, and equality uses the earlier one, as in Medusa.
func (c *conditions) time(column string, when store.TimeCondition) error {
	if err := when.Check(); err != nil {
		return err
	}
	if column == "" {
		if when.Op != store.IsNull {
			c.add("FALSE")
		}
		return nil
	}
	args := make([]any, len(when.Times))
	for i, t := range when.Times {
		if when.Op == store.Gte || when.Op == store.Lt {
			args[i] = c.d.Time(ceilMillis(t))
		} else {
			args[i] = c.d.Time(t.UTC().Truncate(time.Millisecond))
		}
	}
	switch when.Op {
	case store.IsNull:
		c.add(column + " IS NULL")
	case store.NotNull:
		c.add(column + " IS NOT NULL")
	case store.In, store.NotIn:
		c.timeIn(column, when.Op == store.NotIn, args)
	default:
		c.add(column+" "+operators[when.Op]+" ?", args...)
	}
	return nil
}

var operators = map[store.Op]string{
	store.Eq: "=", store.Ne: "<>", store.Gt: ">", store.Gte: ">=", store.Lt: "<", store.Lte: "<=",
}

// timeIn adds the condition that the column is one of some times, or, with not, that it is set and
// is none of them.
func (c *conditions) timeIn(column string, not bool, times []any) {
	switch {
	case len(times) == 0 && not:
		c.add(column + " IS NOT NULL")
	case len(times) == 0:
		c.add("FALSE")
	default:
		in := " IN ("
		if not {
			in = " NOT IN ("
		}
		c.add(column+in+strings.Repeat("?, ", len(times)-1)+"?)", times...)
	}
}

// ceilMillis rounds t up to a whole millisecond.
func ceilMillis(t time.Time) time.Time {
	whole := t.UTC().Truncate(time.Millisecond)
	if whole.Before(t) {
		whole = whole.Add(time.Millisecond)
	}
	return whole
}
