package admin

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"time"
)

// members is a JSON object to be written, in this order.
type members []member

type member struct {
	name  string
	value any
}

// wireTime is how times are told: ISO 8601, UTC, milliseconds, as JavaScript's toISOString.
const wireTime = "2006-01-02T15:04:05.000Z"

// timeOrNull returns the wire form of t, or nil when t is not set.
func timeOrNull(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t.UTC().Format(wireTime)
}

// appendJSON writes v as JSON.stringify does: compact, nothing escaped that need not be (encoding/json would escape <, >, &, U+2028
// and U+2029). It panics on a type that no answer has.
func appendJSON(b []byte, v any) []byte {
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
		return append(b, jsNumber(v)...)
	case string:
		return appendString(b, v)
	case json.RawMessage:
		return append(b, v...)
	case []string:
		return appendArray(b, v)
	case []members:
		return appendArray(b, v)
	case []json.RawMessage:
		return appendArray(b, v)
	case map[string]string:
		names := make([]string, 0, len(v))
		for name := range v {
			names = append(names, name)
		}
		slices.Sort(names)
		o := make(members, len(names))
		for i, name := range names {
			o[i] = member{name, v[name]}
		}
		return appendJSON(b, o)
	case members:
		b = append(b, '{')
		for i, m := range v {
			if i > 0 {
				b = append(b, ',')
			}
			b = append(appendString(b, m.name), ':')
			b = appendJSON(b, m.value)
		}
		return append(b, '}')
	default:
		panic(fmt.Sprintf("admin: cannot write a %T as JSON", v))
	}
}

func appendArray[T any](b []byte, list []T) []byte {
	b = append(b, '[')
	for i, v := range list {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendJSON(b, v)
	}
	return append(b, ']')
}

// appendString writes a string as JSON.stringify does. Bytes that are no UTF-8 become U+FFFD.
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

// respond writes an answer: exact to the byte, and never to be cached.
func respond(w http.ResponseWriter, status int, body members) {
	text := appendJSON(nil, body)
	h := w.Header()
	h.Set("Content-Type", "application/json; charset=utf-8")
	h.Set("Content-Length", strconv.Itoa(len(text)))
	h.Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write(text) // the client is gone: nobody is left to be told
}
