package storetest

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"reflect"
	"testing"
	"time"

	"github.com/latchkey-go/latchkey/store"
)

// Fill sets every exported field of the struct that v points to, including nested structs, to a
// value other than zero. It fails for a kind of field that it cannot fill. So a round trip finds a
// field that was added to store.Key without a column, or without a place in the encoding of a
// cache.
func Fill(t *testing.T, v any) {
	t.Helper()
	fill(t, reflect.ValueOf(v).Elem(), "", new(int))
}

func fill(t *testing.T, v reflect.Value, path string, n *int) {
	t.Helper()
	*n++
	switch v.Interface().(type) {
	case time.Time:
		v.Set(reflect.ValueOf(base.Add(time.Duration(*n) * time.Hour)))
		return
	case store.Time:
		v.Set(reflect.ValueOf(store.TimeOf(base.Add(time.Duration(*n) * time.Hour))))
		return
	case time.Duration:
		v.SetInt(int64(*n) * int64(time.Minute))
		return
	case store.Type:
		v.SetString(string(store.Publishable))
		return
	case []netip.Prefix:
		v.Set(reflect.ValueOf([]netip.Prefix{netip.MustParsePrefix("10.1.0.0/16"), netip.MustParsePrefix("2001:db8::/32")}))
		return
	case map[string]string:
		v.Set(reflect.ValueOf(map[string]string{"team": "ä\"<b>", "n": fmt.Sprint(*n)}))
		return
	case []string:
		v.Set(reflect.ValueOf([]string{"z:last", "a:first", fmt.Sprint(*n)}))
		return
	}
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(t, v.Elem(), path, n)
	case reflect.Struct:
		for i := range v.NumField() {
			if f := v.Type().Field(i); f.IsExported() {
				fill(t, v.Field(i), path+"."+f.Name, n)
			}
		}
	case reflect.String:
		v.SetString(fmt.Sprintf("%s ü %d", path, *n))
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int64:
		v.SetInt(int64(*n) + 1<<20)
	case reflect.Array, reflect.Slice:
		if v.Kind() == reflect.Slice {
			v.Set(reflect.MakeSlice(v.Type(), 64, 64))
		}
		for i := range v.Len() {
			v.Index(i).SetUint(uint64(i + *n))
		}
	default:
		t.Fatalf("storetest.Fill cannot fill %s, a %s: add that kind, and check that stores and caches store the field", path, v.Type())
	}
}

func everyField(t *testing.T, s store.Store) {
	ctx := within(t)
	want := &store.Record{}
	Fill(t, want)
	want.Evidence.ProofNames = []string{"created_by"} // a cache does not store a record with an unknown name
	used := want.Key.LastUsedAt
	want.Key.LastUsedAt = store.Time{}
	insert(t, s, want)

	compare := func(from string, got *store.Record) {
		t.Helper()
		if got == nil {
			t.Fatalf("%s: no record", from)
		}
		if a, b := fmt.Sprintf("%+v", flat(got)), fmt.Sprintf("%+v", flat(want)); a != b || !reflect.DeepEqual(flat(got), flat(want)) {
			t.Errorf("%s:\n got %s\nwant %s", from, a, b)
		}
	}
	lookup := func(from string) { // without the fields that are not cached
		t.Helper()
		whole := want.Key
		want.Key = *whole.Cached()
		compare(from, must[store.Found](t)(s.Lookup(ctx, want.Key.LookupID, "")).Record)
		want.Key = whole
	}
	lookup("Lookup, cold")
	lookup("Lookup, warm")
	if err := s.Touch(ctx, []store.Use{{KeyID: want.Key.ID, At: used.Time()}}); err != nil {
		t.Fatal(err)
	}
	want.Key.LastUsedAt = used
	compare("Get", must[*store.Record](t)(s.Get(ctx, want.Key.ID)))
	compare("List", must[[]*store.Record](t)(s.List(ctx, store.Query{}))[0])
	change(t, s, func(ctx context.Context, tx store.Tx) error {
		compare("Find", must[[]*store.Record](t)(tx.Find(ctx, store.Query{}))[0])
		return tx.Append(ctx, want, event(store.Updated))
	})

	// The same with an update: every field except the id gets another value.
	id := want.Key.ID
	want = &store.Record{}
	n := 1000
	fill(t, reflect.ValueOf(want).Elem(), "", &n)
	want.Evidence.ProofNames = nil
	want.Key.ID, want.Key.LastUsedAt, want.Key.Revoked = id, used, false
	change(t, s, func(ctx context.Context, tx store.Tx) error { return tx.Update(ctx, want, event(store.Updated)) })
	compare("Get after Update", must[*store.Record](t)(s.Get(ctx, id)))
	lookup("Lookup after Update")
}

// flat returns the exported parts of a record.
func flat(r *store.Record) any {
	return struct {
		Key      store.Key
		Evidence store.Evidence
	}{*r.Key.Clone(), r.Evidence.Value()}
}

func nilAndEmpty(t *testing.T, s store.Store) {
	ctx := within(t)
	none, empty := plain(1), plain(2)
	empty.Key.Scopes, empty.Key.SalesChannelIDs = []string{}, []string{}
	empty.Key.ExpiresAt = store.TimeOf(time.UnixMilli(0))
	insert(t, s, none, empty)
	for range 2 { // cold, warm
		if got := must[store.Found](t)(s.Lookup(ctx, none.Key.LookupID, "")).Record.Key.Scopes; got != nil {
			t.Errorf("nil scopes came back as %#v", got)
		}
		if got := must[store.Found](t)(s.Lookup(ctx, empty.Key.LookupID, "")).Record.Key.Scopes; got == nil || len(got) != 0 {
			t.Errorf("empty scopes, which grant nothing, came back as %#v", got)
		}
	}
	for range 2 {
		if got := must[store.Found](t)(s.Lookup(ctx, none.Key.LookupID, "")).Record.Key.ExpiresAt; !got.IsZero() {
			t.Errorf("no expiry came back as %s", got)
		}
		if got := must[store.Found](t)(s.Lookup(ctx, empty.Key.LookupID, "")).Record.Key.ExpiresAt; got != empty.Key.ExpiresAt {
			t.Errorf("an expiry at the beginning of 1970 came back as %s", got)
		}
	}
	if got := must[*store.Record](t)(s.Get(ctx, empty.Key.ID)).Key.Scopes; got == nil || len(got) != 0 {
		t.Errorf("Get: empty scopes came back as %#v", got)
	}
}

func readYourWrites(t *testing.T, s store.Store) {
	ctx := within(t)
	r := plain(1)
	for range 2 { // a cache may store the unknown token
		if found := must[store.Found](t)(s.Lookup(ctx, r.Key.LookupID, "")); found.Record != nil {
			t.Fatalf("found %v in an empty store", found.Record.Key.ID)
		}
	}
	first := insert(t, s, r)
	found := must[store.Found](t)(s.Lookup(ctx, r.Key.LookupID, ""))
	if found.Record == nil || found.Head < first.Last {
		t.Fatalf("after Insert: %+v", found)
	}
	r.Key.Revoked, r.Key.RevokedAt, r.Key.Version = true, store.TimeOf(base), 2
	second := change(t, s, func(ctx context.Context, tx store.Tx) error { return tx.Update(ctx, r, event(store.Revoked)) })
	for range 2 {
		found = must[store.Found](t)(s.Lookup(ctx, r.Key.LookupID, ""))
		if found.Record == nil || !found.Record.Key.Revoked || found.Head < second.Last || found.FeedID != second.FeedID {
			t.Fatalf("after Update: %+v", found)
		}
	}
	third := change(t, s, func(ctx context.Context, tx store.Tx) error { return tx.Delete(ctx, r, event(store.Deleted)) })
	found = must[store.Found](t)(s.Lookup(ctx, r.Key.LookupID, ""))
	if found.Record != nil || found.Head < third.Last {
		t.Fatalf("after Delete: %+v", found)
	}
}

func unknownToken(t *testing.T, s store.Store) {
	ctx := within(t)
	c := insert(t, s, plain(1))
	for range 2 {
		found := must[store.Found](t)(s.Lookup(ctx, lookupID(2), "sk_002***end"))
		if found.Record != nil || found.Legacy != nil || found.FeedID == "" || found.FeedID != c.FeedID || found.Head < c.Last {
			t.Errorf("got %+v after %+v", found, c)
		}
	}
	if found := must[store.Found](t)(s.Lookup(ctx, store.LookupID{}, "")); found.Record != nil {
		t.Errorf("the zero lookup id found %s", found.Record.Key.ID)
	}
}

func legacyCandidates(t *testing.T, s store.Store) {
	ctx := within(t)
	a, b, other, upgraded := plain(1), plain(2), plain(3), plain(4)
	for _, r := range []*store.Record{a, b, other} {
		r.Key.LookupID, r.Key.Redacted = store.LookupID{}, "sk_aaa***111"
		r.SetEvidence(store.Evidence{LegacySalt: "00ff", LegacyHash: []byte{1, 2, 3}})
	}
	other.Key.Redacted = "sk_bbb***222"
	upgraded.Key.Redacted = "sk_aaa***111"
	insert(t, s, a, b, other, upgraded)
	lookup := func(redacted string) store.Found {
		t.Helper()
		return must[store.Found](t)(s.Lookup(ctx, lookupID(9), redacted))
	}
	for range 2 {
		if found := lookup("sk_aaa***111"); found.Record != nil || len(found.Legacy) != 2 {
			t.Errorf("got %+v, want two candidates", found)
		}
	}
	if found := lookup(""); found.Legacy != nil {
		t.Errorf("unrequested candidates: %+v", found)
	}
	if found := must[store.Found](t)(s.Lookup(ctx, upgraded.Key.LookupID, "sk_aaa***111")); found.Record == nil || found.Legacy != nil {
		t.Errorf("a key with its lookup id: %+v", found)
	}
	a.Key.LookupID, a.Evidence = lookupID(9), nil
	change(t, s, func(ctx context.Context, tx store.Tx) error { return tx.Update(ctx, a, event(store.Upgraded)) })
	if found := lookup("sk_aaa***111"); found.Record == nil || found.Record.Key.ID != a.Key.ID {
		t.Errorf("after the upgrade: %+v", found)
	}
}

func conflicts(t *testing.T, s store.Store) {
	ctx := within(t)
	first := plain(1)
	first.Key.Type, first.Key.Token = store.Publishable, "pk_public"
	insert(t, s, first)
	for name, spoil := range map[string]func(*store.Record){
		"id":        func(r *store.Record) { r.Key.ID = first.Key.ID },
		"lookup id": func(r *store.Record) { r.Key.LookupID = first.Key.LookupID },
	} {
		r := plain(2)
		spoil(r)
		_, err := s.Change(ctx, store.Actor{}, func(tx store.Tx) error { return tx.Insert(ctx, r, event(store.Created)) })
		if !errors.Is(err, store.ErrConflict) {
			t.Errorf("the same %s again: %v, want ErrConflict", name, err)
		}
	}
	if n := must[int](t)(s.Count(ctx, store.Filter{})); n != 1 {
		t.Errorf("%d keys, want 1", n)
	}
	if feed := must[store.Feed](t)(s.Feed(ctx, 0, 10)); feed.Head != 1 {
		t.Errorf("head %d, want 1", feed.Head)
	}
}

func notFound(t *testing.T, s store.Store) {
	ctx := within(t)
	if _, err := s.Get(ctx, "apk_none"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("Get: %v", err)
	}
	for name, do := range map[string]func(store.Tx) error{
		"Update": func(tx store.Tx) error { return tx.Update(ctx, plain(1), event(store.Updated)) },
		"Delete": func(tx store.Tx) error { return tx.Delete(ctx, plain(1), event(store.Deleted)) },
	} {
		if _, err := s.Change(ctx, store.Actor{}, do); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func copies(t *testing.T, s store.Store) {
	ctx := within(t)
	r := plain(1)
	r.Key.Scopes, r.Key.Metadata = []string{"a"}, map[string]string{"a": "b"}
	insert(t, s, r)
	r.Key.Title, r.Key.Scopes[0] = "changed after Insert", "x"
	got := must[*store.Record](t)(s.Get(ctx, r.Key.ID))
	if got.Key.Title != "key 1" || got.Key.Scopes[0] != "a" {
		t.Errorf("the store uses the caller's record: %+v", got.Key)
	}
	got.Key.Scopes[0], got.Key.Metadata["a"] = "y", "y"
	if again := must[*store.Record](t)(s.Get(ctx, r.Key.ID)); again.Key.Scopes[0] != "a" || again.Key.Metadata["a"] != "b" {
		t.Errorf("Get returned its own record: %+v", again.Key)
	}
}
