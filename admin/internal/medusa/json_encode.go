package medusa

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"
)

// Members is a JSON object to encode. Its members keep their order.
type Members []Member

// Member is one member of an object. The struct has no name of its own, so that other packages can
// write Members{{"id", id}}.
type Member = struct {
	Name  string
	Value any
}

// TimeOrNull returns t in the format of toISOString in JavaScript (UTC, milliseconds), or nil when
// t is zero.
func TimeOrNull(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t.UTC().Format("2006-01-02T15:04:05.000Z")
}

// TextOrNull returns s, or nil when it is empty.
func TextOrNull(s string) any {
	if s == "" {
		return nil
	}
	return s
}

// AppendJSON appends v as JSON.stringify writes it: compact, and only escaped where it must be
// (encoding/json would escape <, >, &, U+2028 and U+2029). It panics on a type that answers do not
// have.
func AppendJSON(b []byte, v any) []byte {
	switch v := v.(type) {
	case nil:
		return append(b, "null"...)
	case bool:
		return strconv.AppendBool(b, v)
	case int:
		return strconv.AppendInt(b, int64(v), 10)
	case int64:
		return strconv.AppendInt(b, v, 10)
	case float64:
		return append(b, formatNumber(v)...)
	case string:
		return appendString(b, v)
	case json.RawMessage:
		return append(b, v...)
	case []string:
		return appendArray(b, v)
	case []Members:
		return appendArray(b, v)
	case []json.RawMessage:
		return appendArray(b, v)
	case map[string]string:
		var o Members
		for _, name := range slices.Sorted(maps.Keys(v)) {
			o = append(o, Member{name, v[name]})
		}
		return AppendJSON(b, o)
	case Members:
		b = append(b, '{')
		for i, m := range v {
			if i > 0 {
				b = append(b, ',')
			}
			b = append(appendString(b, m.Name), ':')
			b = AppendJSON(b, m.Value)
		}
		return append(b, '}')
	default:
		panic(fmt.Sprintf("medusa: cannot encode a %T as JSON", v))
	}
}

func appendArray[T any](b []byte, list []T) []byte {
	b = append(b, '[')
	for i, v := range list {
		if i > 0 {
			b = append(b, ',')
		}
		b = AppendJSON(b, v)
	}
	return append(b, ']')
}

// appendString appends a string as JSON.stringify writes it. Invalid UTF-8 becomes U+FFFD.
func appendString(b []byte, s string) []byte {
	b = append(b, '"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b = append(b, '\\', byte(r))
		case r >= ' ':
			b = append(b, string(r)...)
		case r == '\b':
			b = append(b, `\b`...)
		case r == '\t':
			b = append(b, `\t`...)
		case r == '\n':
			b = append(b, `\n`...)
		case r == '\f':
			b = append(b, `\f`...)
		case r == '\r':
			b = append(b, `\r`...)
		default:
			b = fmt.Appendf(b, `\u%04x`, r)
		}
	}
	return append(b, '"')
}
