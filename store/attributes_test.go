package store_test

import (
	"reflect"
	"testing"

	"github.com/latchkey-go/latchkey/store"
	"github.com/latchkey-go/latchkey/store/storetest"
)

// notSet are the fields of a key that no caller sets as they are.
var notSet = map[string]bool{
	"ID": true, "Type": true, "Redacted": true, "Token": true, "LookupID": true, "CreatedBy": true, "CreatedAt": true, "UpdatedAt": true,
	"Revoked": true, "RevokedAt": true, "RevokedBy": true, "LastUsedAt": true, "RolledFrom": true, "Version": true,
}

// only returns a key that has nothing but that field.
func only(t *testing.T, field string) *store.Key {
	t.Helper()
	full, k := &store.Key{}, &store.Key{}
	storetest.Fill(t, full)
	reflect.ValueOf(k).Elem().FieldByName(field).Set(reflect.ValueOf(full).Elem().FieldByName(field))
	return k
}

// Whoever adds a field is told which place was forgotten.
func TestEveryAttributeIsInTheTable(t *testing.T) {
	attributeOf := map[string]store.Attribute{} // by field
	for _, field := range reflect.VisibleFields(reflect.TypeFor[store.Key]()) {
		k := only(t, field.Name)
		for _, a := range store.Attributes() {
			if !a.Same(k, &store.Key{}) {
				attributeOf[field.Name] = a
			}
		}
		a, ok := attributeOf[field.Name]
		if ok == notSet[field.Name] {
			t.Errorf("Key.%s is in no line of attributes (store/attributes.go), or it cannot be set and is not in notSet (this test)", field.Name)
		}
		if !ok {
			continue
		}
		c := &store.Key{}
		if a.Copy(c, k); !reflect.DeepEqual(c, k) {
			t.Errorf("%s: copied %+v of %+v", a.Name, c, k)
		}
		if v := reflect.ValueOf(k).Elem().FieldByName(field.Name); (v.Kind() == reflect.Slice || v.Kind() == reflect.Map) &&
			v.UnsafePointer() == reflect.ValueOf(c).Elem().FieldByName(field.Name).UnsafePointer() {
			t.Errorf("%s: the copy is shared", a.Name)
		}
	}
	t.Run("what a key is made from reaches the key", func(t *testing.T) {
		full := &store.NewKey{}
		storetest.Fill(t, full)
		for _, field := range reflect.VisibleFields(reflect.TypeFor[store.NewKey]()) {
			n, k := &store.NewKey{}, &store.Key{}
			reflect.ValueOf(n).Elem().FieldByName(field.Name).Set(reflect.ValueOf(full).Elem().FieldByName(field.Name))
			a, ok := attributeOf[field.Name]
			if !ok || a.Take == nil {
				if field.Name != "Type" {
					t.Errorf("NewKey.%s is in no line of attributes (store/attributes.go)", field.Name)
				}
				continue
			}
			if a.Take(k, n); reflect.ValueOf(k).Elem().FieldByName(field.Name).IsZero() {
				t.Errorf("%s is not taken from NewKey", a.Name)
			}
		}
	})
	t.Run("what a patch names reaches the key", func(t *testing.T) {
		full := &store.Patch{}
		storetest.Fill(t, full)
		for _, field := range reflect.VisibleFields(reflect.TypeFor[store.Patch]()) {
			p, k := &store.Patch{}, &store.Key{}
			a, ok := attributeOf[field.Name]
			if !ok || a.Patch == nil {
				t.Errorf("Patch.%s is in no line of attributes (store/attributes.go)", field.Name)
				continue
			}
			if a.Patch(k, p) {
				t.Errorf("%s: a patch that does not name it names it", a.Name)
			}
			reflect.ValueOf(p).Elem().FieldByName(field.Name).Set(reflect.ValueOf(full).Elem().FieldByName(field.Name))
			if !a.Patch(k, p) || reflect.ValueOf(k).Elem().FieldByName(field.Name).IsZero() {
				t.Errorf("%s is not taken from Patch", a.Name)
			}
		}
	})
	t.Run("what gives power is proved, and nothing else", func(t *testing.T) {
		s := sealer(t, pepper1)
		for field, a := range attributeOf {
			r := &store.Record{}
			s.Seal(r)
			r = r.Clone()
			r.Key = *only(t, field)
			if forged := s.Verify(r) != nil; forged != a.Power {
				t.Errorf("%s: power %v, but proved %v (store/sealer.go, store/extensions.go)", a.Name, a.Power, forged)
			}
		}
	})
	t.Run("every list of texts of a filter is searched for tokens and counted", func(t *testing.T) {
		f := &store.Filter{}
		known := map[*[]string]bool{}
		for _, list := range store.FilterTexts(f) {
			known[list] = true
		}
		for _, field := range reflect.VisibleFields(reflect.TypeFor[store.Filter]()) {
			if list, ok := reflect.ValueOf(f).Elem().FieldByName(field.Name).Addr().Interface().(*[]string); ok && !known[list] {
				t.Errorf("Filter.%s is not in filterTexts (store/query.go)", field.Name)
			}
		}
	})
}
