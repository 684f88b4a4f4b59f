package admin

import (
	"errors"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/latchkey-go/latchkey/store"
)

const (
	// maxFaults is how many faults Medusa tells at once.
	maxFaults = 3
	// maxElements is how many strings a list may hold. Medusa has no bound but the request's size; databases have one.
	maxElements = 1000
)

// reader takes the fields out of an object that came from outside and notes what is wrong with them, in Medusa's words. Faults are told
// in the order in which fields are read, which is the order of the schema; what nobody read is told last, by finish.
//
// Each method returns the field's value and whether the field is there and right. A fault is noted, so that callers need not
// tell "absent" from "wrong".
type reader struct {
	from   *object
	path   []string // where this object is, from the top
	listed bool     // within an array: Medusa tells every fault there as a missing field
	known  []string
	faults *[]string
}

// newReader returns a reader of a whole body or query.
func newReader(o *object) *reader { return &reader{from: o, faults: new([]string)} }

// fault notes what is wrong. Of many faults the first are told, and the others not kept.
func (r *reader) fault(text string) {
	if !r.hopeless() {
		*r.faults = append(*r.faults, text)
	}
}

// hopeless reports whether so much is wrong already that no further fault will be told.
func (r *reader) hopeless() bool { return len(*r.faults) >= maxFaults }

// at returns the field's path as Medusa writes it.
func (r *reader) at(name string) string {
	return strings.Join(append(slices.Clone(r.path), name), ", ")
}

func (r *reader) missing(name string) { r.fault("Field '" + r.at(name) + "' is required") }

func (r *reader) mistyped(name, expected string, got any) {
	if r.listed {
		r.missing(name)
		return
	}
	r.fault("Expected type: '" + expected + "' for field '" + r.at(name) + "', got: '" + jsString(got) + "'")
}

func (r *reader) tooSmall(name string, least int64) {
	r.fault("Value for field '" + r.at(name) + "' too small, expected at least: '" + strconv.FormatInt(least, 10) + "'")
}

func (r *reader) tooBig(name string, most int64) {
	r.fault("Value for field '" + r.at(name) + "' too big, expected at most: '" + strconv.FormatInt(most, 10) + "'")
}

// tooMany refuses a list. Its length is not told: it is not counted to the end.
func (r *reader) tooMany(name string) {
	r.fault("Field '" + r.at(name) + "' holds too many values, at most " + strconv.Itoa(maxElements) + " are allowed")
}

// take returns a field as it is.
func (r *reader) take(name string) (any, bool) {
	r.known = append(r.known, name)
	return r.from.get(name)
}

// storable refuses text that no database can keep.
func (r *reader) storable(name, s string) bool {
	switch {
	case strings.ContainsRune(s, 0):
		r.fault("Field '" + r.at(name) + "' contains a NUL character")
	case !utf8.ValidString(s):
		r.fault("Field '" + r.at(name) + "' is not valid UTF-8")
	default:
		return true
	}
	return false
}

// text reads a string.
func (r *reader) text(name string) (string, bool) {
	v, there := r.take(name)
	s, ok := v.(string)
	switch {
	case !there:
		return "", false
	case !ok:
		r.mistyped(name, "string", v)
		return "", false
	}
	return s, r.storable(name, s)
}

// requiredText reads a string that has to be there.
func (r *reader) requiredText(name string) string {
	s, _ := r.text(name)
	if _, there := r.from.get(name); !there {
		r.missing(name)
	}
	return s
}

// choice reads one of a set of strings.
func (r *reader) choice(name string, options ...string) (string, bool) {
	v, there := r.take(name)
	if !there {
		return "", false
	}
	if s, ok := v.(string); ok && slices.Contains(options, s) {
		return s, true
	}
	if r.listed {
		r.missing(name)
	} else {
		r.fault("Expected: '" + strings.Join(options, ", ") + "' for field '" + r.at(name) + "', but got: '" + jsString(v) + "'")
	}
	return "", false
}

// number reads a number. It may be infinite.
func (r *reader) number(name string) (float64, bool) {
	v, there := r.take(name)
	f, ok := v.(float64)
	if there && !ok {
		r.mistyped(name, "number", v)
	}
	return f, there && ok
}

// boolean reads true or false.
func (r *reader) boolean(name string) bool {
	v, there := r.take(name)
	b, ok := v.(bool)
	if there && !ok {
		r.mistyped(name, "boolean", v)
	}
	return b
}

// wholeText reads a whole number that is written in decimal digits, as in a query, and lies within bounds; absent where it is not there.
func (r *reader) wholeText(name string, absent, least, most int64) int64 {
	v, there := r.take(name)
	if !there {
		return absent
	}
	s, _ := v.(string)
	n, err := strconv.ParseInt(s, 10, 64)
	switch {
	case err != nil && !errors.Is(err, strconv.ErrRange):
		r.mistyped(name, "integer", v)
	case n < least:
		r.tooSmall(name, least)
	case n > most:
		r.tooBig(name, most)
	}
	return n
}

// list reads an array of strings.
func (r *reader) list(name string) ([]string, bool) {
	v, there := r.take(name)
	items, ok := v.([]any)
	switch {
	case !there:
		return nil, false
	case !ok:
		r.mistyped(name, "array", v)
		return nil, false
	}
	return r.elements(name, items)
}

// elements reads the strings of an array; the elements' paths begin with name.
func (r *reader) elements(name string, items []any) ([]string, bool) {
	if len(items) > maxElements {
		r.tooMany(name)
		return nil, false
	}
	list, right := make([]string, len(items)), true
	inside := r.under(name)
	inside.listed = true
	for i, item := range items {
		s, ok := item.(string)
		if !ok {
			inside.missing(strconv.Itoa(i))
		}
		list[i], right = s, ok && inside.storable(strconv.Itoa(i), s) && right
	}
	return list, right
}

// textOrList reads one string, or an array of them.
func (r *reader) textOrList(name string) ([]string, bool) {
	v, there := r.take(name)
	if !there {
		return nil, false
	}
	switch v := v.(type) {
	case string:
		return []string{v}, r.storable(name, v)
	case []any:
		return r.elements(name, v)
	}
	r.mistyped(name, "string, array", v)
	return nil, false
}

// object reads an object: its fields are read with the reader returned, which must be finished.
func (r *reader) object(name string) (*reader, bool) {
	v, there := r.take(name)
	o, ok := v.(*object)
	switch {
	case !there:
		return nil, false
	case !ok:
		r.mistyped(name, "object", v)
		return nil, false
	}
	inside := r.under(name)
	inside.from = o
	return inside, true
}

// isNull reports whether the field is there and null, and then counts it as read.
func (r *reader) isNull(name string) bool {
	v, there := r.from.get(name)
	if there && v == nil {
		r.known = append(r.known, name)
		return true
	}
	return false
}

// under returns a reader whose faults are told as being within the field name.
func (r *reader) under(name string) *reader {
	return &reader{path: append(slices.Clone(r.path), name), listed: r.listed, faults: r.faults}
}

// finish notes the fields that nobody read.
func (r *reader) finish() {
	known := make(map[string]bool, len(r.known))
	for _, name := range r.known {
		known[name] = true
	}
	var unknown []string
	for _, name := range r.from.keys() {
		if !known[name] {
			unknown = append(unknown, name)
		}
	}
	if len(unknown) > 0 {
		r.fault("Unrecognized fields: '" + strings.Join(unknown, ", ") + "'")
	}
}

// err returns nil, or the first three faults as an error that matches store.ErrInvalid.
func (r *reader) err() error {
	if len(*r.faults) == 0 {
		return nil
	}
	return store.Errorf(store.ErrInvalid, "Invalid request: %s", strings.Join(*r.faults, "; "))
}
