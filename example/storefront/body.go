package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/labstack/echo/v4"

	"github.com/latchkey-go/latchkey/admin"
	"github.com/latchkey-go/latchkey/store"
)

// unreadable is the error of admin.ReadBody for a body that cannot be read. Its JSON is the answer.
type unreadable interface {
	error
	StatusCode() int
}

// body reads the fields of a request's body. Faults are reported in Medusa's words.
type body struct {
	fields map[string]any // those that were not read yet
	faults []string
}

// read reads the body of a request and then authenticates its key again: the key may have been
// revoked while the client sent the body.
func (s *shop) read(c echo.Context) (*body, error) {
	fields, err := admin.ReadBody(c.Request())
	if err != nil {
		return nil, err
	}
	return &body{fields: fields}, s.keys.Reauthenticate(c.Request().Context())
}

// text returns a string, or "" when the field is missing.
func (b *body) text(name string) string {
	s, _ := field[string](b, name, "string")
	if strings.ContainsRune(s, 0) {
		b.fault("Field '%s' contains a NUL character", name)
	} else if !utf8.ValidString(s) {
		b.fault("Field '%s' is not valid UTF-8", name)
	}
	return s
}

// requiredText is text for a required field.
func (b *body) requiredText(name string) string {
	if _, ok := b.fields[name]; !ok {
		b.fault("Field '%s' is required", name)
	}
	return b.text(name)
}

// number returns a number, which may be infinite, and whether the field is there.
func (b *body) number(name string) (float64, bool) { return field[float64](b, name, "number") }

func field[T any](b *body, name, expected string) (value T, ok bool) {
	v, given := b.fields[name]
	delete(b.fields, name)
	if value, ok = v.(T); given && !ok {
		if v == nil {
			v = "null"
		}
		b.fault("Expected type: '%s' for field '%s', got: '%v'", expected, name, v)
	}
	return value, ok
}

func (b *body) fault(format string, args ...any) {
	b.faults = append(b.faults, fmt.Sprintf(format, args...))
}

// err returns the first three faults. Fields that were not read come last.
func (b *body) err() error {
	if len(b.fields) > 0 {
		b.fault("Unrecognized fields: '%s'", strings.Join(slices.Sorted(maps.Keys(b.fields)), ", "))
	}
	if len(b.faults) == 0 {
		return nil
	}
	first := b.faults[:min(3, len(b.faults))]
	return store.Errorf(store.ErrInvalid, "Invalid request: %s", strings.Join(first, "; "))
}
