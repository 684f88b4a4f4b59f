package storetest

import (
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/latchkey-go/latchkey/internal/observe"
)

// Measures tests that each number of a struct is a metric: it changes each field in turn and checks
// that one metric changes. Fields named in apart may be left out.
func Measures[S any](t *testing.T, metrics func(S) []observe.Metric, base S, apart ...string) {
	t.Helper()
	values := func(s S) map[[3]string]float64 {
		all := map[[3]string]float64{}
		for _, m := range metrics(s) {
			all[[3]string{m.Name, m.Label, m.Is}] = m.Value
		}
		return all
	}
	plain := values(base)
	fields := reflect.TypeFor[S]()
	for i := range fields.NumField() {
		name := fields.Field(i).Name
		if slices.Contains(apart, name) {
			continue
		}
		for _, set := range settings(fields.Field(i).Type) {
			s := base
			set(reflect.ValueOf(&s).Elem().Field(i))
			moved := 0
			for metric, value := range values(s) {
				if value != plain[metric] {
					moved++
				}
			}
			if moved != 1 {
				t.Errorf("%s: %d metrics have it, want 1", name, moved)
			}
		}
	}
}

// settings returns functions that change a value of type t; for a struct, one for each field.
func settings(t reflect.Type) []func(reflect.Value) {
	switch {
	case t.Kind() == reflect.Struct:
		var all []func(reflect.Value)
		for i := range t.NumField() {
			for _, set := range settings(t.Field(i).Type) {
				all = append(all, func(v reflect.Value) { set(v.Field(i)) })
			}
		}
		return all
	case t.Kind() == reflect.Bool:
		return []func(reflect.Value){func(v reflect.Value) { v.SetBool(!v.Bool()) }}
	case t.Kind() == reflect.String:
		return []func(reflect.Value){func(v reflect.Value) { v.SetString("open") }}
	case t == reflect.TypeFor[time.Duration]():
		return []func(reflect.Value){func(v reflect.Value) { v.SetInt(int64(5 * time.Second)) }}
	case t.Kind() == reflect.Int || t.Kind() == reflect.Int64:
		return []func(reflect.Value){func(v reflect.Value) { v.SetInt(5) }}
	default:
		return []func(reflect.Value){func(v reflect.Value) { v.SetUint(5) }}
	}
}
