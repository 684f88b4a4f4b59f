package storetest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/latchkey-go/latchkey/store"
)

// queries runs each query on the store and on the memory store, which contain the same records.
func queries(t *testing.T, s store.Store) {
	ctx := within(t)
	reference := store.NewMemory()
	var records []*store.Record
	for n := 1; n <= 12; n++ {
		r := plain(n)
		r.Key.Title = []string{"alpha", "50% off", "50 x off", "snake_case", `back\slash`, "Ärger Über"}[n%6] + fmt.Sprint(" ", n%4)
		r.Key.CreatedAt = store.TimeOf(base.Add(time.Duration(n%5) * time.Hour))
		r.Key.UpdatedAt = store.TimeOf(base.Add(time.Duration(n) * time.Minute))
		r.Key.CreatedBy = fmt.Sprint("user_", n%3)
		if n%2 == 0 {
			r.Key.Type, r.Key.Token = store.Publishable, fmt.Sprint("pk_token", n)
			r.Key.Redacted = fmt.Sprintf("pk_%03d***end", n)
		}
		if n%3 == 0 {
			r.Key.RevokedAt = store.TimeOf(base.Add(time.Duration(n) * time.Hour))
		}
		if n%4 == 1 {
			r.Key.ExpiresAt = store.TimeOf(base.Add(time.Duration(n) * time.Hour))
		}
		records = append(records, r)
	}
	insert(t, s, records...)
	insert(t, reference, records...)
	uses := []store.Use{{KeyID: records[3].Key.ID, At: base}, {KeyID: records[7].Key.ID, At: base.Add(time.Hour)}}
	for _, into := range []store.Store{s, reference} {
		if err := into.Touch(ctx, uses); err != nil {
			t.Fatal(err)
		}
	}

	at := func(op store.Op, times ...time.Time) []store.TimeCondition {
		return []store.TimeCondition{{Op: op, Times: times}}
	}
	third := base.Add(3 * time.Hour)
	filters := map[string]store.Filter{
		"nothing":                 {},
		"a word":                  {Search: "alpha"},
		"two words":               {Search: " off  50 "},
		"a percent sign":          {Search: "50%"},
		"an underscore":           {Search: "snake_"},
		"a lone underscore":       {Search: "_"},
		"a backslash":             {Search: `back\s`},
		"capitals":                {Search: "ALPHA"},
		"capitals beyond ASCII":   {Search: "ärger ÜBER"},
		"the redacted form":       {Search: "pk_004"},
		"part of an id":           {Search: "apk_0000"},
		"a quote":                 {Search: `'; drop table --`},
		"ids":                     {IDs: []string{records[1].Key.ID, records[4].Key.ID, "apk_none"}},
		"no ids":                  {IDs: []string{}},
		"titles":                  {Titles: []string{records[2].Key.Title}},
		"titles in other case":    {Titles: []string{strings.ToUpper(records[2].Key.Title)}},
		"tokens":                  {Tokens: []string{"pk_token4", ""}},
		"types":                   {Types: []store.Type{store.Secret}},
		"both types":              {Types: []store.Type{store.Secret, store.Publishable}},
		"created at":              {CreatedAt: at(store.Eq, third)},
		"created not at":          {CreatedAt: at(store.Ne, third)},
		"created in":              {CreatedAt: at(store.In, base, third)},
		"created in none":         {CreatedAt: at(store.In)},
		"created not in":          {CreatedAt: at(store.NotIn, base, third)},
		"created not in none":     {CreatedAt: at(store.NotIn)},
		"created after":           {CreatedAt: at(store.Gt, third)},
		"created from":            {CreatedAt: at(store.Gte, third)},
		"created before":          {CreatedAt: at(store.Lt, third)},
		"created until":           {CreatedAt: at(store.Lte, third)},
		"updated in a span":       {UpdatedAt: append(at(store.Gt, base.Add(2*time.Minute)), at(store.Lt, base.Add(9*time.Minute))...)},
		"never revoked":           {RevokedAt: at(store.IsNull)},
		"revoked":                 {RevokedAt: at(store.NotNull)},
		"revoked not at":          {RevokedAt: at(store.Ne, base)},
		"revoked not in none":     {RevokedAt: at(store.NotIn)},
		"revoked before":          {RevokedAt: at(store.Lt, base.Add(7*time.Hour))},
		"creators":                {CreatedBy: []string{"user_1", "user_2", "nobody"}},
		"no creators":             {CreatedBy: []string{}},
		"expiring until":          {ExpiresAt: at(store.Lte, base.Add(5*time.Hour))},
		"never expiring":          {ExpiresAt: at(store.IsNull)},
		"used before":             {LastUsedAt: at(store.Lt, base.Add(time.Hour))},
		"used":                    {LastUsedAt: at(store.NotNull)},
		"never used":              {LastUsedAt: at(store.IsNull)},
		"deleted":                 {DeletedAt: at(store.NotNull)},
		"not deleted":             {DeletedAt: at(store.IsNull)},
		"and":                     {And: []store.Filter{{Types: []store.Type{store.Secret}}, {Search: "50"}}},
		"or":                      {Or: []store.Filter{{Titles: []string{records[0].Key.Title}}, {RevokedAt: at(store.NotNull)}}},
		"or of nothing":           {Or: []store.Filter{}},
		"or inside and, with ids": {IDs: []string{records[0].Key.ID, records[2].Key.ID, records[5].Key.ID}, And: []store.Filter{{Or: []store.Filter{{Search: "50"}, {Types: []store.Type{store.Publishable}}}}}},
	}
	for name, f := range filters {
		want := must[[]*store.Record](t)(reference.List(ctx, store.Query{Filter: f}))
		got, err := s.List(ctx, store.Query{Filter: f})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if ids(got) != ids(want) {
			t.Errorf("%s: got keys %q, want %q", name, ids(got), ids(want))
		}
		if n, err := s.Count(ctx, f); err != nil || n != len(want) {
			t.Errorf("%s: counted %d (%v), want %d", name, n, err, len(want))
		}
	}
	for _, by := range []store.Column{"", store.ByID, store.ByType, store.ByToken, store.ByRedacted, store.ByCreatedAt, store.ByCreatedBy, store.ByUpdatedAt, store.ByRevokedAt, store.ByLastUsedAt} {
		for _, desc := range []bool{false, true} {
			q := store.Query{Order: store.Order{By: by, Desc: desc}}
			if by == store.ByToken { // secrets all count as "", so their order is undefined
				q.Filter.Types = []store.Type{store.Publishable}
			}
			want := must[[]*store.Record](t)(reference.List(ctx, q))
			if got := must[[]*store.Record](t)(s.List(ctx, q)); ids(got) != ids(want) {
				t.Errorf("ordered by %q, desc %v: got %q, want %q", by, desc, ids(got), ids(want))
			}
		}
	}
	for _, q := range []store.Query{
		{Limit: 5}, {Limit: 5, Offset: 5}, {Limit: 5, Offset: 10}, {Limit: 5, Offset: 50}, {Offset: 9}, {Limit: -1},
		{Limit: 3, AfterID: records[4].Key.ID}, {AfterID: records[11].Key.ID}, {AfterID: "apk_"},
		{Limit: 4, Order: store.Order{By: store.ByUpdatedAt, Desc: true}, Filter: store.Filter{Types: []store.Type{store.Secret}}},
	} {
		want := must[[]*store.Record](t)(reference.List(ctx, q))
		if got := must[[]*store.Record](t)(s.List(ctx, q)); ids(got) != ids(want) {
			t.Errorf("%+v: got %q, want %q", q, ids(got), ids(want))
		}
	}
}

func badQueries(t *testing.T, s store.Store) {
	ctx := within(t)
	insert(t, s, plain(1))
	for name, q := range map[string]store.Query{
		"an unknown column":     {Order: store.Order{By: "salt; drop table"}},
		"no operator":           {Filter: store.Filter{CreatedAt: []store.TimeCondition{{Times: []time.Time{base}}}}},
		"an unknown operator":   {Filter: store.Filter{CreatedAt: []store.TimeCondition{{Op: "like", Times: []time.Time{base}}}}},
		"an operator, no time":  {Filter: store.Filter{RevokedAt: []store.TimeCondition{{Op: store.Gt}}}},
		"an operator inside or": {Filter: store.Filter{Or: []store.Filter{{UpdatedAt: []store.TimeCondition{{Op: "x"}}}}}},
	} {
		if _, err := s.List(ctx, q); !errors.Is(err, store.ErrInvalid) {
			t.Errorf("%s: %v, want ErrInvalid", name, err)
		}
	}
}

// boundedReads reads keys and events with a limit in bytes.
func boundedReads(t *testing.T, s store.Store) {
	ctx := within(t)
	var records []*store.Record
	for n := range 10 {
		r := plain(n + 1)
		r.Key.Metadata = map[string]string{"a": strings.Repeat("x", 10_000)}
		records = append(records, r)
	}
	insert(t, s, records...)
	change(t, s, func(ctx context.Context, tx store.Tx) error {
		for range 10 {
			e := event(store.Updated)
			e.Details = map[string]string{"a": strings.Repeat("x", 10_000)}
			if err := tx.Append(ctx, records[0], e); err != nil {
				return err
			}
		}
		return nil
	})
	keyBytes := records[0].Key.Bytes()
	find := func(q store.Query) (n int, err error) {
		_, err = s.Change(ctx, store.Actor{}, func(tx store.Tx) error {
			found, err := tx.Find(ctx, q)
			n = len(found)
			return err
		})
		return n, err
	}
	for name, read := range map[string]func(limit, most int) (int, error){
		"List": func(limit, most int) (int, error) {
			list, err := s.List(ctx, store.Query{Limit: limit, MaxBytes: most})
			return len(list), err
		},
		"Find": func(limit, most int) (int, error) { return find(store.Query{Limit: limit, MaxBytes: most}) },
		"Events": func(limit, most int) (int, error) {
			list, err := s.Events(ctx, store.EventQuery{Kind: store.Updated, Limit: limit, MaxBytes: most})
			return len(list), err
		},
	} {
		for _, tt := range []struct {
			limit, most, want int
			fits              bool
		}{
			{0, 0, 10, true}, {0, 10*keyBytes + 1000, 10, true}, {5, 5*keyBytes + 1000, 5, true}, {0, 5 * keyBytes, 0, false}, {6, 5 * keyBytes, 0, false},
			{1, 100, 0, false},
		} {
			n, err := read(tt.limit, tt.most)
			if n != tt.want || (err == nil) != tt.fits || err != nil && (!errors.Is(err, store.ErrInvalid) || errors.Is(err, store.ErrUnavailable)) {
				t.Errorf("%s with limit %d and %d bytes: %d, %v", name, tt.limit, tt.most, n, err)
			}
		}
	}
	if n, err := find(store.Query{}); n != 10 || err != nil {
		t.Errorf("afterwards: %d keys, %v", n, err)
	}
}
