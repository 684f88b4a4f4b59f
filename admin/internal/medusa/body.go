package medusa

import (
	"bytes"
	"mime"
	"net/http"
	"strings"
	"unicode/utf8"
)

// MaxBodyBytes is Medusa's limit. A body of exactly this size is accepted.
const MaxBodyBytes = 100 << 10

// BodyError says why a body could not be read. Its JSON is the answer of Medusa's body parser,
// which puts the message before the type.
type BodyError struct {
	Message string `json:"message"`
	Type    string `json:"type"` // invalid_data or unknown_error
	Status  int    `json:"-"`    // 400, 408, 413 or 415
}

// Error returns the message. It holds nothing of the body, but may repeat parts of the header.
func (e *BodyError) Error() string { return e.Message }

// StatusCode returns the status of the answer.
func (e *BodyError) StatusCode() int { return e.Status }

// BodyParser returns the function that parses a body with this header as Medusa's body parsers do.
// It is nil when the body is ignored, which then counts as an empty object.
func BodyParser(header http.Header) (parse func([]byte) (any, error), refused *BodyError) {
	kind, parameters, err := mime.ParseMediaType(header.Get("Content-Type"))
	if err != nil {
		return nil, nil
	}
	switch kind {
	case "application/json":
		parse = parseJSONBody
	case "application/x-www-form-urlencoded":
		parse = parseForm
	case "text/plain":
		parse = func([]byte) (any, error) { return "", nil } // all strings are refused alike
	default:
		return nil, nil
	}
	unsupported := func(what, value string) *BodyError {
		return &BodyError{"unsupported " + what + ` "` + value + `"`, "unknown_error", http.StatusUnsupportedMediaType}
	}
	if charset := parameters["charset"]; charset != "" && !strings.EqualFold(charset, "utf-8") {
		return nil, unsupported("charset", strings.ToUpper(charset))
	}
	if encoding := header.Get("Content-Encoding"); encoding != "" && !strings.EqualFold(encoding, "identity") {
		return nil, unsupported("content encoding", strings.ToLower(encoding))
	}
	return parse, nil
}

// parseJSONBody accepts only objects and arrays ("strict mode").
func parseJSONBody(text []byte) (any, error) {
	text = bytes.TrimPrefix(text, []byte("\ufeff"))
	if len(text) == 0 {
		return NewObject(), nil
	}
	malformed := func(message string) error {
		return &BodyError{message, "invalid_data", http.StatusBadRequest}
	}
	if !utf8.Valid(text) {
		return nil, malformed("malformed JSON: not valid UTF-8")
	}
	v, err := ParseJSON(text)
	if err != nil {
		return nil, malformed(err.Error())
	}
	switch v.(type) {
	case *Object, []any:
		return v, nil
	}
	return nil, malformed("malformed JSON: an object was expected")
}

func parseForm(text []byte) (any, error) {
	o, err := parseQS(string(text), formDepth, formMaxIndex)
	if err != nil {
		return nil, &BodyError{err.Error(), "unknown_error", http.StatusRequestEntityTooLarge}
	}
	return o, nil
}
