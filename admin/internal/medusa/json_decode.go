package medusa

import (
	"bytes"
	"encoding/json"
	"errors"
	"strconv"
)

// maxDepth is how deep JSON may nest. No request needs more than four levels.
const maxDepth = 100

var errTooDeep = errors.New("malformed JSON: it nests deeper than " + strconv.Itoa(maxDepth) + " levels")

// ParseJSON reads one JSON text. Members keep their order; of a repeated name the last value
// counts. The error says where the fault is and repeats nothing of the text.
func ParseJSON(text []byte) (any, error) {
	var checked json.RawMessage
	if err := json.Unmarshal(text, &checked); err != nil {
		var syntax *json.SyntaxError
		if errors.As(err, &syntax) {
			return nil, errors.New("malformed JSON at position " + strconv.FormatInt(max(0, syntax.Offset-1), 10))
		}
		return nil, errors.New("malformed JSON")
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber() // 1e999 is Infinity in JavaScript and an error in Go
	return readValue(decoder, 0)
}

// readValue reads the next value of a text that is known to be well-formed.
func readValue(d *json.Decoder, depth int) (any, error) {
	if depth > maxDepth {
		return nil, errTooDeep
	}
	token, err := d.Token()
	if err != nil {
		return nil, err
	}
	switch token := token.(type) {
	case json.Number:
		f, _ := strconv.ParseFloat(token.String(), 64)
		return f, nil
	case json.Delim:
		list, o, isObject := []any{}, NewObject(), token == '{'
		for d.More() {
			var name json.Token
			if isObject {
				name, _ = d.Token()
			}
			v, err := readValue(d, depth+1)
			if err != nil {
				return nil, err
			}
			if isObject {
				o.Set(name.(string), v)
			} else {
				list = append(list, v)
			}
		}
		_, _ = d.Token() // the closing bracket
		if isObject {
			return o, nil
		}
		return list, nil
	}
	return token, nil
}
