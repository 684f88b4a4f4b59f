package admin

import (
	"errors"
	"net/url"
	"strings"
	"unicode/utf8"
)

// The limits of the npm module qs as Express sets them up: for the query string of a URL and for the body of a form.
const (
	maxParameters  = 1000
	queryDepth     = 5
	queryMaxIndex  = 20
	formDepth      = 32
	formMaxIndex   = 100
	prototypeChain = "__proto__"
)

var errTooManyParameters = errors.New("too many parameters")

// hole stands for an element of a sparse array until the whole query has been read.
type hole struct{}

// parseQS reads a query string or form body in the bracket language of the npm module qs: a=x&a=y and a[]=x&a[]=y are arrays,
// a[0]=x too (indices up to maxIndex), a[b]=x is an object, at most depth levels deep. More than 1000 parameters are an error (qs
// drops the rest, and a filter with it). Escapes that do not decode to UTF-8 stay as they are.
func parseQS(s string, depth, maxIndex int) (*object, error) {
	flat := newObject()
	s = strings.NewReplacer("%5B", "[", "%5b", "[", "%5D", "]", "%5d", "]").Replace(s)
	if strings.Count(s, "&") >= maxParameters {
		return nil, errTooManyParameters
	}
	for part := range strings.SplitSeq(s, "&") {
		key, value := splitParameter(part)
		if key == "" {
			continue
		}
		switch earlier, _ := flat.get(key); earlier := earlier.(type) {
		case nil:
			flat.set(key, value)
		case []any:
			flat.set(key, append(earlier, value))
		default:
			flat.set(key, []any{earlier, value})
		}
	}
	tree := newObject()
	for _, key := range flat.keys() {
		value, _ := flat.get(key)
		merge(tree, grow(keyPath(key, depth), value, maxIndex))
	}
	for _, name := range tree.names {
		tree.members[name] = compact(tree.members[name])
	}
	return tree, nil
}

// splitParameter cuts at the first = behind a bracket, else at the first =, and decodes both sides.
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

// decodeQS turns + into a space and decodes the escapes, all of them or, when one is broken, none.
func decodeQS(s string) string {
	s = strings.ReplaceAll(s, "+", " ")
	decoded, err := url.PathUnescape(s)
	if err != nil || !utf8.ValidString(decoded) {
		return s
	}
	return decoded
}

// keyPath splits a[b][] into "a", "[b]", "[]". What is deeper than depth stays together as the last step.
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

// nextBracket finds the next pair of brackets with none inside, from position on.
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

// grow returns the value nested as the path says.
func grow(path []string, value any, maxIndex int) any {
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
		o := newObject()
		if name != prototypeChain {
			o.set(name, value)
		}
		value = o
	}
	return value
}

// concat is JavaScript's [].concat(a, b).
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

// merge puts source into target, which it may modify, and returns the result.
func merge(target, source any) any {
	switch from := source.(type) {
	case string:
		if from == "" { // nothing, to qs
			return target
		}
		switch into := target.(type) {
		case *object:
			if from != prototypeChain {
				into.set(from, true)
			}
			return into
		case []any:
			return append(into, from)
		}
	case *object:
		switch into := target.(type) {
		case *object:
			mergeObjects(into, from)
			return into
		case []any:
			o := objectOf(into)
			mergeObjects(o, from)
			return o
		}
	case []any:
		switch into := target.(type) {
		case *object:
			mergeObjects(into, objectOf(from))
			return into
		case []any:
			return mergeArrays(into, from)
		}
		return concat(target, from)
	}
	return []any{target, source}
}

func mergeObjects(into, from *object) {
	for _, name := range from.keys() {
		v := from.members[name]
		if had, ok := into.get(name); ok {
			v = merge(had, v)
		}
		into.set(name, v)
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

// objectOf returns an array as an object: its indices are the names.
func objectOf(list []any) *object {
	o := newObject()
	for i, v := range list {
		if !isHole(v) {
			o.set(jsNumber(float64(i)), v)
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
	case *object, []any:
		return true
	}
	return false
}

// compact closes the holes of arrays.
func compact(v any) any {
	switch v := v.(type) {
	case *object:
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
