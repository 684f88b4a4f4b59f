package medusa

import (
	"cmp"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode"
)

// Object is a JavaScript object: its members keep their order. A value, whether it comes from JSON,
// from a form or from a query, is nil (null), bool, float64, string, []any or *Object.
type Object struct {
	names   []string
	members map[string]any
}

// NewObject returns an empty object.
func NewObject() *Object { return &Object{members: make(map[string]any)} }

// Get returns the value of a member, and whether there is one.
func (o *Object) Get(name string) (any, bool) {
	v, ok := o.members[name]
	return v, ok
}

// Set adds a member, or replaces the value of an existing one, which keeps its position.
func (o *Object) Set(name string, v any) {
	if _, ok := o.members[name]; !ok {
		o.names = append(o.names, name)
	}
	o.members[name] = v
}

// Keys returns the names in the order of Object.keys: array indices first, in ascending order, then
// the others as they were added.
func (o *Object) Keys() []string {
	var indices, names []string
	for _, name := range o.names {
		if _, ok := arrayIndex(name); ok {
			indices = append(indices, name)
		} else {
			names = append(names, name)
		}
	}
	slices.SortFunc(indices, func(a, b string) int { return cmp.Or(len(a)-len(b), strings.Compare(a, b)) })
	return append(indices, names...)
}

// Map returns the object as a map, and the objects within it too.
func (o *Object) Map() map[string]any { return plain(o).(map[string]any) }

func plain(v any) any {
	switch v := v.(type) {
	case *Object:
		m := make(map[string]any, len(v.members))
		for name, member := range v.members {
			m[name] = plain(member)
		}
		return m
	case []any:
		list := make([]any, len(v))
		for i, element := range v {
			list[i] = plain(element)
		}
		return list
	}
	return v
}

// arrayIndex returns name as an array index, which has no sign and no leading zero.
func arrayIndex(name string) (int, bool) {
	i, err := strconv.ParseUint(name, 10, 32)
	if err != nil || strconv.FormatUint(i, 10) != name || i == math.MaxUint32 {
		return 0, false
	}
	return int(i), true
}

// toString is String(v) in JavaScript.
func toString(v any) string { return string(appendToString(nil, v)) }

// appendToString appends String(v). One buffer for all levels: nested lists are not copied.
func appendToString(b []byte, v any) []byte {
	switch v := v.(type) {
	case nil:
		return append(b, "null"...)
	case bool:
		return strconv.AppendBool(b, v)
	case float64:
		return append(b, formatNumber(v)...)
	case string:
		return append(b, v...)
	case []any:
		for i, element := range v {
			if i > 0 {
				b = append(b, ',')
			}
			if element != nil { // Array.prototype.join writes null as ""
				b = appendToString(b, element)
			}
		}
		return b
	default:
		return append(b, "[object Object]"...)
	}
}

// formatNumber is Number::toString (ECMA-262).
func formatNumber(f float64) string {
	switch abs := math.Abs(f); {
	case math.IsNaN(f):
		return "NaN"
	case math.IsInf(f, 1):
		return "Infinity"
	case math.IsInf(f, -1):
		return "-Infinity"
	case f == 0:
		return "0" // negative zero too
	case abs >= 1e-6 && abs < 1e21:
		return strconv.FormatFloat(f, 'f', -1, 64)
	}
	s := strconv.FormatFloat(f, 'e', -1, 64)
	mantissa, exponent, _ := strings.Cut(s, "e")
	return mantissa + "e" + exponent[:1] + strings.TrimLeft(exponent[1:], "0")
}

// ParseInt is parseInt(s) in JavaScript: leading white space, a sign, 0x, then digits up to the
// first other character. It returns false where JavaScript returns NaN.
func ParseInt(s string) (float64, bool) {
	s = strings.TrimLeftFunc(s, isJSSpace)
	negative := strings.HasPrefix(s, "-")
	if negative || strings.HasPrefix(s, "+") {
		s = s[1:]
	}
	hex := len(s) >= 2 && s[0] == '0' && (s[1] == 'x' || s[1] == 'X')
	if hex {
		s = s[2:]
	}
	digits := s[:len(s)-len(strings.TrimLeft(s, "0123456789"))]
	if hex {
		digits = s[:len(s)-len(strings.TrimLeft(s, "0123456789abcdefABCDEF"))]
	}
	if digits == "" {
		return 0, false
	}
	if hex {
		digits = "0x" + digits + "p0"
	}
	f, _ := strconv.ParseFloat(digits, 64) // out of range: infinity, as in JavaScript
	if negative {
		f = -f
	}
	return f, true
}

// isJSSpace reports whether r is white space or a line end in JavaScript.
func isJSSpace(r rune) bool {
	return r == '\uFEFF' || r != '\u0085' && unicode.IsSpace(r)
}
