package sqlite_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/latchkey-go/latchkey/store"
	"github.com/latchkey-go/latchkey/store/internal/sqldb/sqldbtest"
)

// plan makes a filter out of bytes, each of which is a decision.
type plan struct {
	bytes []byte
	words []string
}

func (p *plan) next() int {
	if len(p.bytes) == 0 {
		return 0
	}
	b := p.bytes[0]
	p.bytes = p.bytes[1:]
	return int(b)
}

func (p *plan) word() string { return p.words[p.next()%len(p.words)] }

func (p *plan) list() []string {
	n := p.next() % 4
	if n == 3 {
		return nil
	}
	list := make([]string, n)
	for i := range list {
		list[i] = p.word()
	}
	return list
}

func (p *plan) times() (list []store.TimeCondition) {
	ops := []store.Op{"", store.Eq, store.Ne, store.In, store.NotIn, store.Gt, store.Gte, store.Lt, store.Lte, store.IsNull, store.NotNull, "like"}
	for range p.next() % 3 {
		c := store.TimeCondition{Op: ops[p.next()%len(ops)]}
		for range p.next() % 3 {
			c.Times = append(c.Times, sqldbtest.At.Add(time.Duration(p.next()%8-4)*time.Hour+time.Duration(p.next()%3)*time.Microsecond))
		}
		list = append(list, c)
	}
	return list
}

func (p *plan) filter(depth int) (f store.Filter) {
	for range p.next() % 4 {
		switch p.next() % 14 {
		case 0:
			f.Search = p.word() + " " + p.word()
		case 1:
			f.IDs = p.list()
		case 2:
			f.Titles = p.list()
		case 3:
			f.Tokens = p.list()
		case 4:
			f.CreatedBy = p.list()
		case 5:
			f.Types = [][]store.Type{{store.Secret}, {store.Publishable}, {}, {"x", store.Secret}}[p.next()%4]
		case 6:
			f.CreatedAt = p.times()
		case 7:
			f.UpdatedAt = p.times()
		case 8:
			f.RevokedAt = p.times()
		case 9:
			f.DeletedAt = p.times()
		case 10:
			f.ExpiresAt = p.times()
		case 11:
			f.LastUsedAt = p.times()
		case 12, 13:
			if depth < 3 {
				subs := make([]store.Filter, p.next()%3)
				for i := range subs {
					subs[i] = p.filter(depth + 1)
				}
				if p.next()%2 == 0 {
					f.And = subs
				} else {
					f.Or = subs
				}
			}
		}
	}
	return f
}

// FuzzFilter: every filter selects from SQLite what it selects from the memory store, or is refused
// by both.
func FuzzFilter(f *testing.F) {
	f.Add([]byte{}, "a")
	f.Add([]byte{3, 0, 1, 2, 12, 2, 1, 5, 0, 1, 6, 1, 3, 2, 1, 0, 1}, "50%")
	f.Add([]byte{1, 13, 2, 1, 8, 1, 9, 0, 1, 8, 2, 5, 1, 3, 3, 1}, `back\s' OR 1=1 --`)
	f.Add([]byte{2, 10, 2, 4, 2, 1, 1, 2, 2, 7, 0}, "ÄRGER\x00\xff")
	s, reference := open(f, pool(f, dsn(f))), store.NewMemory()
	var records []*store.Record
	for n := range 12 {
		r := sqldbtest.Record(n)
		r.Key.Title = []string{"alpha", "50% off", "50 x off", "snake_case", `back\slash`, "Ärger Über"}[n%6]
		r.Key.CreatedAt, r.Key.UpdatedAt = store.TimeOf(sqldbtest.At.Add(time.Duration(n%5)*time.Hour)), store.TimeOf(sqldbtest.At.Add(time.Duration(n)*time.Minute))
		r.Key.CreatedBy = fmt.Sprint("user_", n%3)
		if n%2 == 0 {
			r.Key.Type, r.Key.Token = store.Publishable, fmt.Sprint("pk_token", n)
		}
		if n%3 == 0 {
			r.Key.RevokedAt, r.Key.ExpiresAt = store.TimeOf(sqldbtest.At.Add(time.Duration(n)*time.Hour)), store.Time{}
		}
		records = append(records, r)
	}
	for _, into := range []store.Store{s, reference} {
		if _, err := into.Change(f.Context(), store.Actor{}, func(tx store.Tx) error {
			for _, r := range records {
				if err := tx.Insert(f.Context(), r.Clone(), sqldbtest.Event(store.Created)); err != nil {
					return err
				}
			}
			return nil
		}); err != nil {
			f.Fatal(err)
		}
		if err := into.Touch(f.Context(), []store.Use{{KeyID: records[3].Key.ID, At: sqldbtest.At}}); err != nil {
			f.Fatal(err)
		}
	}
	f.Fuzz(func(t *testing.T, bytes []byte, word string) {
		p := &plan{bytes, []string{word, "", records[1].Key.ID, "alpha", "50%", "pk_token4", "user_1", "Ärger Über", "sk_0", strings.ToUpper(word)}}
		filter := p.filter(0)
		want, wantErr := reference.List(t.Context(), store.Query{Filter: filter})
		got, err := s.List(t.Context(), store.Query{Filter: filter})
		n, countErr := s.Count(t.Context(), filter)
		if errors.Is(wantErr, store.ErrInvalid) || errors.Is(err, store.ErrInvalid) {
			// The memory store asks what it needs to know: a key that already does not match is not
			// asked whether the rest makes sense.
			if err == nil {
				t.Errorf("%+v is refused by one and not by the other: %v", filter, wantErr)
			}
			return
		}
		if err != nil || wantErr != nil || countErr != nil {
			t.Fatalf("%+v: %v, %v, %v", filter, err, wantErr, countErr)
		}
		if names(got) != names(want) || n != len(want) {
			t.Errorf("%+v selects %s (counted %d), want %s", filter, names(got), n, names(want))
		}
	})
}

func names(records []*store.Record) string {
	var list []string
	for _, r := range records {
		list = append(list, r.Key.ID)
	}
	return strings.Join(list, " ")
}
