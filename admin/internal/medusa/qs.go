package medusa

import (
	"errors"
	"net/url"
	"strings"
	"unicode/utf8"
)

// The limits of the npm module qs as Express configures it, for the query of a URL and for a form.
const (
	maxParameters  = 1000
	queryDepth     = 5
	queryMaxIndex  = 20
	formDepth      = 32
	formMaxIndex   = 100
	prototypeChain = "__proto__"
)

var errTooManyParameters = errors.New("too many parameters")

// hole is a missing element of a sparse array while a query is read.
type hole struct{}

// parseQS reads a query or a form in the bracket language of the npm module qs: a=x&a=y,
// a[]=x&a[]=y and a[0]=x (indices up to maxIndex) are arrays; a[b]=x is an object, at most depth
// levels deep. More than 1000 parameters are an error: qs drops the rest, and with it perhaps a
// filter. Escapes that do not decode to UTF-8 are not decoded.
func parseQS(s string, depth, maxIndex int) (*Object, error) {
	flat := NewObject()
	s = strings.NewReplacer("%5B", "[", "%5b", "[", "%5D", "]", "%5d", "]").Replace(s)
	if strings.Count(s, "&") >= maxParameters {
		return nil, errTooManyParameters
	}
	for part := range strings.SplitSeq(s, "&") {
		key, value := splitParameter(part)
		if key == "" {
			continue
		}
		switch earlier, _ := flat.Get(key); earlier := earlier.(type) {
		case nil:
			flat.Set(key, value)
		case []any:
			flat.Set(key, append(earlier, value))
		default:
			flat.Set(key, []any{earlier, value})
		}
	}
	tree := NewObject()
	for _, key := range flat.Keys() {
		value, _ := flat.Get(key)
		merge(tree, nest(keyPath(key, depth), value, maxIndex))
	}
	for _, name := range tree.names {
		tree.members[name] = compact(tree.members[name])
	}
	return tree, nil
}

// splitParameter splits at the first = that follows a bracket, otherwise at the first =, and
// decodes both sides.
func splitParameter(part string) (key, value string) {
	at := strings.Index(part, "]=") + 1
	if at == 0 {
		at = strings.IndexByte(part, '=')
	}
	if at < 0 {
		return decodeQS(part), ""
	}
	return decodeQS(part[:at]), decodeQS(part[at+1:])
}

// decodeQS turns + into a space and decodes the escapes. If one of them is broken, it decodes none.
func decodeQS(s string) string {
	s = strings.ReplaceAll(s, "+", " ")
	decoded, err := url.PathUnescape(s)
	if err != nil || !utf8.ValidString(decoded) {
		return s
	}
	return decoded
}

// keyPath splits a[b][] into "a", "[b]", "[]". The levels below depth form one last step.
func keyPath(key string, depth int) []string {
	var path []string
	at, end, ok := nextBracket(key, 0)
	if !ok {
		return []string{key}
	}
	if at > 0 {
		path = append(path, key[:at])
	}
	for steps := 0; ok; steps++ {
		if steps == depth {
			return append(path, "["+key[at:]+"]")
		}
		path = append(path, key[at:end])
		at, end, ok = nextBracket(key, end)
	}
	return path
}

// nextBracket finds the next innermost pair of brackets at or after from.
func nextBracket(key string, from int) (start, end int, ok bool) {
	for {
		closing := strings.IndexByte(key[from:], ']')
		if closing < 0 {
			return 0, 0, false
		}
		closing += from
		if opening := strings.LastIndexByte(key[from:closing], '['); opening >= 0 {
			return from + opening, closing + 1, true
		}
		from = closing + 1
	}
}

// nest returns the value nested in the objects and arrays of the path.
func nest(path []string, value any, maxIndex int) any {
	for i := len(path) - 1; i >= 0; i-- {
		step := path[i]
		if step == "[]" {
			value = concat([]any{}, value)
			continue
		}
		name, bracketed := step, false
		if strings.HasPrefix(step, "[") && strings.HasSuffix(step, "]") {
			name, bracketed = step[1:len(step)-1], true
		}
		if index, ok := arrayIndex(name); ok && bracketed && index <= maxIndex {
			list := make([]any, index+1)
			for j := range index {
				list[j] = hole{}
			}
			list[index] = value
			value = list
			continue
		}
		o := NewObject()
		if name != prototypeChain {
			o.Set(name, value)
		}
		value = o
	}
	return value
}

// concat is [].concat(a, b) in JavaScript.
func concat(a, b any) []any {
	var list []any
	for _, v := range []any{a, b} {
		if items, ok := v.([]any); ok {
			list = append(list, items...)
		} else {
			list = append(list, v)
		}
	}
	return list
}

// merge merges source into target, which it may modify, and returns the result.
func merge(target, source any) any {
	switch from := source.(type) {
	case string:
		if from == "" { // qs ignores it
			return target
		}
		switch into := target.(type) {
		case *Object:
			if from != prototypeChain {
				into.Set(from, true)
			}
			return into
		case []any:
			return append(into, from)
		}
	case *Object:
		switch into := target.(type) {
		case *Object:
			mergeObjects(into, from)
			return into
		case []any:
			o := objectOf(into)
			mergeObjects(o, from)
			return o
		}
	case []any:
		switch into := target.(type) {
		case *Object:
			mergeObjects(into, objectOf(from))
			return into
		case []any:
			return mergeArrays(into, from)
		}
		return concat(target, from)
	}
	return []any{target, source}
}

func mergeObjects(into, from *Object) {
	for _, name := range from.Keys() {
		v := from.members[name]
		if had, ok := into.Get(name); ok {
			v = merge(had, v)
		}
		into.Set(name, v)
	}
}

func mergeArrays(into, from []any) []any {
	for i, v := range from {
		if isHole(v) {
			continue
		}
		switch {
		case i >= len(into):
			for len(into) < i {
				into = append(into, hole{})
			}
			into = append(into, v)
		case isHole(into[i]):
			into[i] = v
		case isContainer(into[i]) && isContainer(v):
			into[i] = merge(into[i], v)
		default:
			into = append(into, v)
		}
	}
	return into
}

// objectOf converts an array to an object whose names are the indices.
func objectOf(list []any) *Object {
	o := NewObject()
	for i, v := range list {
		if !isHole(v) {
			o.Set(formatNumber(float64(i)), v)
		}
	}
	return o
}

func isHole(v any) bool {
	_, ok := v.(hole)
	return ok
}

func isContainer(v any) bool {
	switch v.(type) {
	case *Object, []any:
		return true
	}
	return false
}

// compact removes the holes from arrays.
func compact(v any) any {
	switch v := v.(type) {
	case *Object:
		for _, name := range v.names {
			v.members[name] = compact(v.members[name])
		}
	case []any:
		dense := make([]any, 0, len(v))
		for _, element := range v {
			if !isHole(element) {
				dense = append(dense, compact(element))
			}
		}
		return dense
	}
	return v
}

// parseQuery reads the query of a URL as Medusa does: with qs, then an array of one string is split
// at its commas, and a.b=x becomes a[b]=x. A field that is given in both forms is an error; Medusa
// drops one of them.
func parseQuery(raw string) (*Object, error) {
	sent, err := parseQS(raw, queryDepth, queryMaxIndex)
	if err != nil {
		return nil, InvalidError("Invalid request: " + err.Error())
	}
	query := NewObject()
	for _, key := range sent.Keys() {
		v := sent.members[key]
		if list, ok := v.([]any); ok && len(list) == 1 {
			if s, ok := list[0].(string); ok {
				v = splitCommas(s)
			}
		}
		parent, child, dotted := strings.Cut(key, ".")
		if !dotted {
			if _, twice := query.Get(key); twice {
				return nil, givenTwice(key)
			}
			query.Set(key, v)
			continue
		}
		if strings.Contains(child, ".") {
			return nil, InvalidError("Key accessor more than 2 levels deep: " + key)
		}
		had, there := query.Get(parent)
		if !there {
			had = NewObject()
			query.Set(parent, had)
		}
		o, ok := had.(*Object)
		if !ok {
			return nil, givenTwice(parent)
		}
		o.Set(child, v)
	}
	return query, nil
}

func givenTwice(name string) error {
	return InvalidError("Invalid request: Field '" + name + "' is given in two ways")
}

// splitCommas splits a string at its commas into at most MaxElements + 1 elements: longer lists are
// refused anyway.
func splitCommas(s string) []any {
	var list []any
	for _, part := range strings.SplitN(s, ",", MaxElements+1) {
		list = append(list, part)
	}
	return list
}
