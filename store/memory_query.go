package store

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/latchkey-go/latchkey/internal/meter"
)

// selectRecords applies a Query to records in memory, as a database would.
func selectRecords(records []*Record, q Query) ([]*Record, error) {
	order, err := q.Order.compare()
	if err != nil {
		return nil, err
	}
	selected := records[:0]
	for _, r := range records {
		ok, err := q.Filter.matches(&r.Key)
		if err != nil {
			return nil, err
		}
		if ok && (q.AfterID == "" || r.Key.ID > q.AfterID) {
			selected = append(selected, r)
		}
	}
	slices.SortFunc(selected, order)
	selected = selected[min(max(q.Offset, 0), len(selected)):]
	switch {
	case q.Limit < 0:
		return nil, nil
	case q.Limit > 0 && q.Limit < len(selected):
		selected = selected[:q.Limit]
	}
	read := meter.Meter{Max: q.MaxBytes}
	for _, r := range selected {
		if !read.AddStruct(&r.Key) {
			return nil, Errorf(ErrInvalid, meter.TooLong, q.MaxBytes)
		}
	}
	return selected, nil
}

func (f *Filter) matches(k *Key) (bool, error) {
	if f.Search != "" { // titles may be long
		hay := strings.ToLower(k.Title + "\n" + k.Redacted)
		for word := range strings.FieldsSeq(strings.ToLower(f.Search)) {
			if !strings.Contains(hay, word) {
				return false, nil
			}
		}
	}
	if !among(f.Types, k.Type) {
		return false, nil
	}
	for i := range filterTexts {
		list, text := *filterTexts[i].list(f), filterTexts[i].of(k)
		if list != nil && (filterTexts[i].needed && text == "" || !slices.Contains(list, text)) {
			return false, nil
		}
	}
	for _, column := range []struct {
		conditions []TimeCondition
		value      Time
	}{
		{f.CreatedAt, k.CreatedAt}, {f.UpdatedAt, k.UpdatedAt}, {f.RevokedAt, k.RevokedAt}, {f.DeletedAt, Time{}},
		{f.ExpiresAt, k.ExpiresAt}, {f.LastUsedAt, k.LastUsedAt},
	} {
		for _, c := range column.conditions {
			if ok, err := c.matches(column.value.Time()); !ok || err != nil {
				return false, err
			}
		}
	}
	for i := range f.And {
		if ok, err := f.And[i].matches(k); !ok || err != nil {
			return false, err
		}
	}
	if f.Or == nil {
		return true, nil
	}
	for i := range f.Or {
		if ok, err := f.Or[i].matches(k); ok || err != nil {
			return ok, err
		}
	}
	return false, nil
}

// among reports whether value is in list. A nil list matches everything.
func among[T comparable](list []T, value T) bool {
	return list == nil || slices.Contains(list, value)
}

func (c TimeCondition) matches(at time.Time) (bool, error) {
	if err := c.Check(); err != nil {
		return false, err
	}
	switch null := at.IsZero(); {
	case c.Op == IsNull:
		return null, nil
	case null:
		return false, nil
	}
	equal := slices.ContainsFunc(c.Times, func(t time.Time) bool { return toMillis(t).Equal(at) })
	switch c.Op {
	case NotNull:
		return true, nil
	case Eq, In:
		return equal, nil
	case Ne, NotIn:
		return !equal, nil
	case Gt:
		return at.After(c.Times[0]), nil
	case Gte:
		return !at.Before(c.Times[0]), nil
	case Lt:
		return at.Before(c.Times[0]), nil
	default: // Lte
		return !at.After(c.Times[0]), nil
	}
}

// Check returns nil if the operator is known and has the right number of times, else an error that
// matches ErrInvalid.
func (c TimeCondition) Check() error {
	want := 1
	switch c.Op {
	case Eq, Ne, Gt, Gte, Lt, Lte:
	case In, NotIn:
		want = len(c.Times)
	case IsNull, NotNull:
		want = 0
	default:
		return Errorf(ErrInvalid, "store: unknown operator %q", string(c.Op))
	}
	if len(c.Times) != want {
		return Errorf(ErrInvalid, "store: operator %q takes %d times, got %d", string(c.Op), want, len(c.Times))
	}
	return nil
}

// compare returns the order as a function that compares records.
func (o Order) compare() (func(a, b *Record) int, error) {
	var by func(a, b *Key) int
	switch o.By {
	case "", ByID:
		by = func(a, b *Key) int { return strings.Compare(a.ID, b.ID) }
	case ByTitle:
		by = func(a, b *Key) int { return strings.Compare(a.Title, b.Title) }
	case ByType:
		by = func(a, b *Key) int { return cmp.Compare(a.Type, b.Type) }
	case ByToken:
		by = func(a, b *Key) int { return strings.Compare(a.Token, b.Token) }
	case ByRedacted:
		by = func(a, b *Key) int { return strings.Compare(a.Redacted, b.Redacted) }
	case ByCreatedBy:
		by = func(a, b *Key) int { return strings.Compare(a.CreatedBy, b.CreatedBy) }
	case ByCreatedAt:
		by = func(a, b *Key) int { return a.CreatedAt.compare(b.CreatedAt) }
	case ByUpdatedAt:
		by = func(a, b *Key) int { return a.UpdatedAt.compare(b.UpdatedAt) }
	case ByRevokedAt:
		by = func(a, b *Key) int { return nullsLast(a.RevokedAt, b.RevokedAt) }
	case ByLastUsedAt:
		by = func(a, b *Key) int { return nullsLast(a.LastUsedAt, b.LastUsedAt) }
	default:
		return nil, Errorf(ErrInvalid, "store: keys cannot be ordered by %q", string(o.By))
	}
	return func(a, b *Record) int {
		c := by(&a.Key, &b.Key)
		if o.Desc {
			c = -c
		}
		return cmp.Or(c, strings.Compare(a.Key.ID, b.Key.ID))
	}, nil
}

func nullsLast(a, b Time) int {
	switch {
	case a.IsZero() && b.IsZero():
		return 0
	case a.IsZero():
		return 1
	case b.IsZero():
		return -1
	}
	return a.compare(b)
}
