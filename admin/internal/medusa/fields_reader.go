package medusa

import (
	"errors"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

const (
	// maxFaults is how many faults Medusa reports at once.
	maxFaults = 3
	// MaxElements is how many strings a list may hold. Medusa is bounded by the size of the request
	// only, but databases limit the parameters of a statement.
	MaxElements = 1000
)

// FieldsReader reads the fields of a body or a query and records faults, in Medusa's words. Faults
// are reported in the order in which the fields are read, which is the order of the schema; fields
// that were not read come last.
//
// Each method that reads a field returns its value and whether the field is there and valid.
type FieldsReader struct {
	from    *Object
	path    []string // the names that lead to from
	inArray bool     // Medusa reports every fault within an array as a missing field
	read    []string
	faults  *[]string
}

// FieldNames returns the names of the fields that the schema reads.
func FieldNames[T any](schema func(*FieldsReader) T) []string {
	if schema == nil {
		return nil
	}
	r := newFieldsReader(NewObject())
	schema(r)
	return r.read
}

// ReadFields reads a body with the schema. A nil schema accepts everything. The error holds the
// first three faults.
func ReadFields[T any](body any, schema func(*FieldsReader) T) (read T, err error) {
	if schema == nil {
		return read, nil
	}
	o, ok := body.(*Object)
	if !ok {
		return read, ErrNotObject
	}
	r := newFieldsReader(o)
	read = schema(r)
	r.Finish()
	if len(*r.faults) > 0 {
		return read, InvalidError("Invalid request: " + strings.Join(*r.faults, "; "))
	}
	return read, nil
}

// InvalidError is the message for a body or query that is not valid.
type InvalidError string

func (e InvalidError) Error() string { return string(e) }

// ErrNotObject is the error for a body that is not an object.
const ErrNotObject InvalidError = "Invalid request: Field '' is required"

// ReadQuery is ReadFields for the query of a URL.
func ReadQuery[T any](raw string, schema func(*FieldsReader) T) (read T, err error) {
	if schema == nil {
		return read, nil
	}
	query, err := parseQuery(raw)
	if err != nil {
		return read, err
	}
	return ReadFields(query, schema)
}

func newFieldsReader(o *Object) *FieldsReader { return &FieldsReader{from: o, faults: new([]string)} }

// Fault records a fault. Only the first three are kept.
func (r *FieldsReader) Fault(text string) {
	if !r.Full() {
		*r.faults = append(*r.faults, text)
	}
}

// Full reports whether so many faults were recorded that no further one will be reported.
func (r *FieldsReader) Full() bool { return len(*r.faults) >= maxFaults }

// at returns the field's path in Medusa's notation.
func (r *FieldsReader) at(name string) string {
	return strings.Join(append(slices.Clone(r.path), name), ", ")
}

// Missing records that a required field is missing.
func (r *FieldsReader) Missing(name string) { r.Fault("Field '" + r.at(name) + "' is required") }

// Mistyped records that a field has the wrong type.
func (r *FieldsReader) Mistyped(name, expected string, got any) {
	if r.inArray {
		r.Missing(name)
		return
	}
	r.Fault("Expected type: '" + expected + "' for field '" + r.at(name) + "', got: '" + toString(got) + "'")
}

// TooSmall records that a number is below its minimum.
func (r *FieldsReader) TooSmall(name string, least int64) {
	r.Fault("Value for field '" + r.at(name) + "' too small, expected at least: '" + strconv.FormatInt(least, 10) + "'")
}

// TooBig records that a number is above its maximum.
func (r *FieldsReader) TooBig(name string, most int64) {
	r.Fault("Value for field '" + r.at(name) + "' too big, expected at most: '" + strconv.FormatInt(most, 10) + "'")
}

// TooMany records that a list holds more than MaxElements values.
func (r *FieldsReader) TooMany(name string) {
	r.Fault("Field '" + r.at(name) + "' holds too many values, at most " + strconv.Itoa(MaxElements) + " are allowed")
}

// Has reports whether the field is there.
func (r *FieldsReader) Has(name string) bool {
	_, ok := r.from.Get(name)
	return ok
}

// Names returns the names of all fields that are there.
func (r *FieldsReader) Names() []string { return r.from.Keys() }

// Any reads a field of any type.
func (r *FieldsReader) Any(name string) (any, bool) {
	r.read = append(r.read, name)
	return r.from.Get(name)
}

// Null reports whether the field is there and null. A null is then read.
func (r *FieldsReader) Null(name string) bool {
	v, there := r.from.Get(name)
	if there && v == nil {
		r.read = append(r.read, name)
	}
	return there && v == nil
}

// Storable reports whether databases can store the text, and records a fault otherwise.
func (r *FieldsReader) Storable(name, s string) bool {
	switch {
	case strings.ContainsRune(s, 0):
		r.Fault("Field '" + r.at(name) + "' contains a NUL character")
	case !utf8.ValidString(s):
		r.Fault("Field '" + r.at(name) + "' is not valid UTF-8")
	default:
		return true
	}
	return false
}

func read[T any](r *FieldsReader, name, expected string) (T, bool) {
	v, there := r.Any(name)
	t, ok := v.(T)
	if there && !ok {
		r.Mistyped(name, expected, v)
	}
	return t, ok
}

// Text reads a string.
func (r *FieldsReader) Text(name string) (string, bool) {
	s, ok := read[string](r, name, "string")
	return s, ok && r.Storable(name, s)
}

// RequiredText reads a required string.
func (r *FieldsReader) RequiredText(name string) string {
	s, _ := r.Text(name)
	if !r.Has(name) {
		r.Missing(name)
	}
	return s
}

// Choice reads one of the given strings.
func (r *FieldsReader) Choice(name string, options ...string) (string, bool) {
	v, there := r.Any(name)
	if !there {
		return "", false
	}
	if s, ok := v.(string); ok && slices.Contains(options, s) {
		return s, true
	}
	if r.inArray {
		r.Missing(name)
	} else {
		expected := strings.Join(options, ", ")
		r.Fault("Expected: '" + expected + "' for field '" + r.at(name) + "', but got: '" + toString(v) + "'")
	}
	return "", false
}

// Number reads a number. It may be infinite.
func (r *FieldsReader) Number(name string) (float64, bool) { return read[float64](r, name, "number") }

// Boolean reads true or false. It returns false when the field is missing.
func (r *FieldsReader) Boolean(name string) bool {
	b, _ := read[bool](r, name, "boolean")
	return b
}

// QueryInteger reads an integer in decimal digits, from least to most. It returns the default when
// the field is missing.
func (r *FieldsReader) QueryInteger(name string, byDefault, least, most int64) int64 {
	v, there := r.Any(name)
	if !there {
		return byDefault
	}
	s, _ := v.(string)
	n, err := strconv.ParseInt(s, 10, 64)
	switch {
	case err != nil && !errors.Is(err, strconv.ErrRange):
		r.Mistyped(name, "integer", v)
	case n < least:
		r.TooSmall(name, least)
	case n > most:
		r.TooBig(name, most)
	}
	return n
}

// List reads an array.
func (r *FieldsReader) List(name string) ([]any, bool) { return read[[]any](r, name, "array") }

// Texts reads an array of strings.
func (r *FieldsReader) Texts(name string) ([]string, bool) {
	items, ok := r.List(name)
	if !ok {
		return nil, false
	}
	return r.Elements(name, items)
}

// TextOrTexts reads one string or an array of strings.
func (r *FieldsReader) TextOrTexts(name string) ([]string, bool) {
	v, _ := r.from.Get(name)
	if _, ok := v.(string); ok {
		s, ok := r.Text(name)
		return []string{s}, ok
	}
	items, ok := read[[]any](r, name, "string, array")
	if !ok {
		return nil, false
	}
	return r.Elements(name, items)
}

// Elements reads the strings of the array in field name.
func (r *FieldsReader) Elements(name string, items []any) ([]string, bool) {
	if len(items) > MaxElements {
		r.TooMany(name)
		return nil, false
	}
	list, valid := make([]string, len(items)), true
	inside := r.Array(name)
	for i, item := range items {
		s, ok := item.(string)
		if !ok {
			inside.Missing(strconv.Itoa(i))
		}
		list[i], valid = s, ok && inside.Storable(strconv.Itoa(i), s) && valid
	}
	return list, valid
}

// Object reads an object. Its fields are read with the returned reader. Call Finish after that.
func (r *FieldsReader) Object(name string) (*FieldsReader, bool) {
	o, ok := read[*Object](r, name, "object")
	return r.Within(name, o), ok
}

// Within returns a reader of the object in field name. The object may be nil if the reader is only
// used to record faults.
func (r *FieldsReader) Within(name string, o *Object) *FieldsReader {
	return &FieldsReader{from: o, path: append(slices.Clone(r.path), name), inArray: r.inArray, faults: r.faults}
}

// Array returns a reader that records the faults of the elements of the array in field name.
func (r *FieldsReader) Array(name string) *FieldsReader {
	inside := r.Within(name, nil)
	inside.inArray = true
	return inside
}

// Finish records the fields that were not read.
func (r *FieldsReader) Finish() {
	read := make(map[string]bool, len(r.read))
	for _, name := range r.read {
		read[name] = true
	}
	unknown := slices.DeleteFunc(r.from.Keys(), func(name string) bool { return read[name] })
	if len(unknown) > 0 {
		r.Fault("Unrecognized fields: '" + strings.Join(unknown, ", ") + "'")
	}
}
