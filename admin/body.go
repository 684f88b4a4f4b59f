package admin

import (
	"bytes"
	"io"
	"mime"
	"net/http"
	"strings"
	"unicode/utf8"
)

// maxBodyBytes is Medusa's limit; a body of exactly that many bytes passes.
const maxBodyBytes = 100 << 10

// readBody returns the request's body as Medusa's body parsers do: no body, or one of a kind that they do not know, is an
// empty object; plain text a string; JSON an object or array; a form an object. The body can be read again.
func readBody(w http.ResponseWriter, r *http.Request) (any, error) {
	if r.Body == nil || r.Body == http.NoBody {
		return newObject(), nil
	}
	parse, err := bodyParser(r.Header)
	if parse == nil {
		leaveBody(w, r)
		return newObject(), err
	}
	text, unread := readAll(w, r, maxBodyBytes)
	if unread != nil {
		return nil, unread
	}
	r.Body = io.NopCloser(bytes.NewReader(text)) // the server closes its own
	if len(text) == 0 {
		return newObject(), nil
	}
	return parse(text)
}

// bodyParser returns what reads a body with that header; nil: the body is not looked at.
func bodyParser(header http.Header) (parse func([]byte) (any, error), err error) {
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
		parse = func([]byte) (any, error) { return "", nil } // what it says makes no difference
	default:
		return nil, nil
	}
	if charset := parameters["charset"]; charset != "" && !strings.EqualFold(charset, "utf-8") {
		return nil, unreadable(http.StatusUnsupportedMediaType, `unsupported charset "`+strings.ToUpper(charset)+`"`, "unknown_error")
	}
	if encoding := header.Get("Content-Encoding"); encoding != "" && !strings.EqualFold(encoding, "identity") {
		return nil, unreadable(http.StatusUnsupportedMediaType, `unsupported content encoding "`+strings.ToLower(encoding)+`"`, "unknown_error")
	}
	return parse, nil
}

// parseJSONBody takes objects and arrays alone ("strict mode").
func parseJSONBody(text []byte) (any, error) {
	text = bytes.TrimPrefix(text, []byte("\ufeff"))
	if len(text) == 0 {
		return newObject(), nil
	}
	malformed := func(message string) error { return unreadable(http.StatusBadRequest, message, "invalid_data") }
	if !utf8.Valid(text) {
		return nil, malformed("malformed JSON: not valid UTF-8")
	}
	v, err := parseJSON(text)
	if err != nil {
		return nil, malformed(err.Error())
	}
	switch v.(type) {
	case *object, []any:
		return v, nil
	}
	return nil, malformed("malformed JSON: an object was expected")
}

func parseForm(text []byte) (any, error) {
	o, err := parseQS(string(text), formDepth, formMaxIndex)
	if err != nil {
		return nil, unreadable(http.StatusRequestEntityTooLarge, err.Error(), "unknown_error")
	}
	return o, nil
}
