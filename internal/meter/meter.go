// Package meter bounds how much is read for one answer.
package meter

import (
	"net/netip"
	"reflect"
)

// TooLong is the message, with the bound, when there is more.
const TooLong = "Invalid request: The answer would be longer than %d bytes: narrow the limit, the filter or the fields"

// What a struct takes beside its texts, about, and each entry of a list.
const (
	fixedBytes = 200
	entryBytes = 16
)

// Meter counts the bytes of what is read against a bound.
type Meter struct {
	Max  int // 0 and less: no bound
	read int
}

// Add counts n bytes more, and reports whether there are no more than Max.
func (m *Meter) Add(n int) bool {
	m.read += n
	return m.Max <= 0 || m.read <= m.Max
}

// AddStruct is Add of about how much memory a struct takes.
func (m *Meter) AddStruct(pointer any) bool {
	return m.Max <= 0 || m.Add(size(pointer))
}

func size(pointer any) int {
	n, v := fixedBytes, reflect.ValueOf(pointer).Elem()
	for i := range v.NumField() {
		field := v.Field(i)
		switch field.Kind() {
		case reflect.String:
			n += field.Len()
		case reflect.Slice, reflect.Map:
			n += listSize(field.Addr().Interface()) // a pointer is not copied to the heap
		}
	}
	return n
}

func listSize(pointer any) (n int) {
	switch list := pointer.(type) {
	case *[]string:
		for _, s := range *list {
			n += entryBytes + len(s)
		}
	case *map[string]string:
		for name, value := range *list {
			n += 2*entryBytes + len(name) + len(value)
		}
	case *[]netip.Prefix:
		n = 2 * entryBytes * len(*list)
	}
	return n
}
