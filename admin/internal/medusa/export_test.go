package medusa

import (
	"encoding/json"
	"strings"
)

// Show writes what a parser has read, with the order of the members.
func Show(v any) string { return string(AppendJSON(nil, shown(v))) }

func shown(v any) any {
	switch v := v.(type) {
	case *Object:
		m := Members{}
		for _, name := range v.Keys() {
			m = append(m, Member{name, shown(v.members[name])})
		}
		return m
	case []any:
		list := make([]string, len(v))
		for i, element := range v {
			list[i] = Show(element)
		}
		return json.RawMessage("[" + strings.Join(list, ",") + "]")
	}
	return v
}

// FormatNumber is formatNumber.
var FormatNumber = formatNumber

// ParseQS reads the query of a URL, without what Medusa adds to qs.
func ParseQS(s string) (any, error) { return parseQS(s, queryDepth, queryMaxIndex) }
