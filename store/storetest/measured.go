package storetest

import (
	"iter"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/latchkey-go/latchkey/store"
)

// Measures proves that the metrics of a struct of numbers tell all of them: it sets each field, one after the other, and looks for a
// metric that moves. Fields of the names in apart need not be told.
func Measures[S interface{ Metrics() iter.Seq[store.Metric] }](t *testing.T, base S, apart ...string) {
	t.Helper()
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
				t.Errorf("%s: %d metrics tell it, want 1", name, moved)
			}
		}
	}
}

func values(m interface{ Metrics() iter.Seq[store.Metric] }) map[[3]string]float64 {
	all := map[[3]string]float64{}
	for metric := range m.Metrics() {
		all[[3]string{metric.Name, metric.Label, metric.Is}] = metric.Value
	}
	return all
}

// settings returns what makes a number of that type another one; of an array, each of its elements.
func settings(t reflect.Type) []func(reflect.Value) {
	switch {
	case t.Kind() == reflect.Array:
		var all []func(reflect.Value)
		for i := range t.Len() {
			for _, set := range settings(t.Elem()) {
				all = append(all, func(v reflect.Value) { set(v.Index(i)) })
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
