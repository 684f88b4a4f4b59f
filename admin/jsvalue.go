package admin

import (
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode"
)

// A value of JSON, a form or a query string is, as JavaScript sees it, one of nil (null), bool, float64, string, []any and *object.

// object is a JavaScript object: its members keep their order.
type object struct {
	names   []string
	members map[string]any
}

func newObject() *object { return &object{members: make(map[string]any)} }

func (o *object) get(name string) (any, bool) {
	v, ok := o.members[name]
	return v, ok
}

// set adds a member, or gives the one of that name, which keeps its place, another value.
func (o *object) set(name string, v any) {
	if _, ok := o.members[name]; !ok {
		o.names = append(o.names, name)
	}
	o.members[name] = v
}

// keys returns the members' names as Object.keys does: array indices first, by size, then the others in their order.
func (o *object) keys() []string {
	var indices, names []string
	for _, name := range o.names {
		if _, ok := arrayIndex(name); ok {
			indices = append(indices, name)
		} else {
			names = append(names, name)
		}
	}
	slices.SortFunc(indices, func(a, b string) int {
		i, _ := arrayIndex(a)
		j, _ := arrayIndex(b)
		return i - j
	})
	return append(indices, names...)
}

// arrayIndex returns the index that name is, written as JavaScript writes it (no sign, no leading zero).
func arrayIndex(name string) (int, bool) {
	i, err := strconv.ParseUint(name, 10, 32)
	if err != nil || strconv.FormatUint(i, 10) != name || i == math.MaxUint32 {
		return 0, false
	}
	return int(i), true
}

// jsString returns what String(v) is in JavaScript.
func jsString(v any) string {
	if s, ok := v.(string); ok {
		return s
	}
	return string(appendJSString(nil, v))
}

// appendJSString writes into one buffer: lists within lists would be copied once a level.
func appendJSString(b []byte, v any) []byte {
	switch v := v.(type) {
	case nil:
		return append(b, "null"...)
	case bool:
		return strconv.AppendBool(b, v)
	case float64:
		return append(b, jsNumber(v)...)
	case string:
		return append(b, v...)
	case []any:
		for i, element := range v {
			if i > 0 {
				b = append(b, ',')
			}
			if element != nil { // Array.prototype.join shows null as nothing
				b = appendJSString(b, element)
			}
		}
		return b
	default:
		return append(b, "[object Object]"...)
	}
}

// jsNumber writes a number as JavaScript does (ECMA-262, Number::toString).
func jsNumber(f float64) string {
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

// parseInt is JavaScript's function of that name without a radix: leading white space, a sign, 0x, then digits up to the first character
// that is none. It reports false where JavaScript says NaN.
func parseInt(s string) (float64, bool) {
	s = strings.TrimLeftFunc(s, isJSSpace)
	negative := strings.HasPrefix(s, "-")
	if negative || strings.HasPrefix(s, "+") {
		s = s[1:]
	}
	hex := len(s) >= 2 && s[0] == '0' && (s[1] == 'x' || s[1] == 'X')
	if hex {
		s = s[2:]
	}
	n := 0
	for n < len(s) && (s[n] >= '0' && s[n] <= '9' || hex && (s[n] >= 'a' && s[n] <= 'f' || s[n] >= 'A' && s[n] <= 'F')) {
		n++
	}
	if n == 0 {
		return 0, false
	}
	digits := s[:n]
	if hex {
		digits = "0x" + digits + "p0"
	}
	f, _ := strconv.ParseFloat(digits, 64) // out of range: infinity, as in JavaScript
	if negative {
		f = -f
	}
	return f, true
}

// isJSSpace reports whether JavaScript counts r as white space or as the end of a line.
func isJSSpace(r rune) bool {
	return r == '\uFEFF' || r != '\u0085' && unicode.IsSpace(r)
}
