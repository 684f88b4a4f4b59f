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

// orderBy returns the ORDER BY clause. Only columns that can be NULL say where NULL goes.
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

// conditions collects what must all hold.
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
		case column.among == nil:
		case column.nullable:
			c.amongOrNull(column.name, column.among(&f))
		default:
			c.among(column.name, column.among(&f))
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

// among adds that the column is one of list; nil does not care. One argument holds the whole list, so that its length is
// neither bounded by the database nor part of the statement.
func (c *conditions) among(column string, list []string) {
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
	c.add(fmt.Sprintf(c.d.Among, column), mustJSON(possible))
}

// texts returns list as texts; nil stays nil.
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

// withoutEmpty is for a column in which no key with an empty text is meant.
func withoutEmpty(list []string) []string {
	return slices.DeleteFunc(slices.Clone(list), func(s string) bool { return s == "" })
}

// amongOrNull is among for a column in which an empty text is NULL.
func (c *conditions) amongOrNull(column string, list []string) {
	if list == nil {
		return
	}
	either := conditions{d: c.d}
	either.among(column, list)
	if slices.Contains(list, "") {
		either.add(column + " IS NULL")
	}
	c.add("("+strings.Join(either.all, " OR ")+")", either.args...)
}

// time adds a condition over a time column; "" is one that is never set. As columns hold whole milliseconds, comparing with a time
// between two of them is comparing with one of the two, and equality with the earlier, as in Medusa.
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
			args[i] = c.d.Time(notBefore(t))
		} else {
			args[i] = c.d.Time(t.UTC().Truncate(time.Millisecond))
		}
	}
	switch when.Op {
	case store.IsNull:
		c.add(column + " IS NULL")
	case store.NotNull:
		c.add(column + " IS NOT NULL")
	case store.Eq:
		c.add(column+" = ?", args...)
	case store.Ne:
		c.add(column+" <> ?", args...)
	case store.Gt:
		c.add(column+" > ?", args...)
	case store.Gte:
		c.add(column+" >= ?", args...)
	case store.Lt:
		c.add(column+" < ?", args...)
	case store.Lte:
		c.add(column+" <= ?", args...)
	case store.In, store.NotIn:
		c.oneOf(column, when.Op == store.NotIn, args)
	}
	return nil
}

// oneOf adds that the column is, or is set and is not, one of some times.
func (c *conditions) oneOf(column string, not bool, times []any) {
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

// notBefore returns the first whole millisecond that is not before t.
func notBefore(t time.Time) time.Time {
	whole := t.UTC().Truncate(time.Millisecond)
	if whole.Before(t) {
		whole = whole.Add(time.Millisecond)
	}
	return whole
}
