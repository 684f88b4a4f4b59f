package store_test

import (
	"reflect"
	"testing"

	"github.com/latchkey-go/latchkey/internal/meter"
	"github.com/latchkey-go/latchkey/store"
	"github.com/latchkey-go/latchkey/store/storetest"
)

// Whoever adds a field of a type that package meter does not know is told.
func TestEveryTextCountsForTheLengthOfAnAnswer(t *testing.T) {
	fits := func(v any, limit int) bool { return (&meter.Meter{Max: limit}).AddStruct(v) }
	for _, empty := range []any{&store.Key{}, &store.Event{}} {
		limit := 0
		for limit++; !fits(empty, limit); limit++ {
		}
		of := reflect.TypeOf(empty).Elem()
		full := reflect.New(of)
		storetest.Fill(t, full.Interface())
		for i := range of.NumField() {
			field := of.Field(i)
			switch k := field.Type.Kind(); {
			case k == reflect.Slice, k == reflect.Map, field.Type == reflect.TypeFor[string]():
			default:
				continue
			}
			only := reflect.New(of)
			only.Elem().Field(i).Set(full.Elem().Field(i))
			if fits(only.Interface(), limit) {
				t.Errorf("%s.%s counts for nothing (internal/meter)", of.Name(), field.Name)
			}
		}
	}
}
