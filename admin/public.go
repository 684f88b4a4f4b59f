package admin

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"net/http"
	"time"
)

// document is something static that holds no secret, and that everybody may have, with a key or
// without: it stands outside the guard.
type document struct {
	path   string // below the mount point; only this very path is outside
	answer http.HandlerFunc
	part   bool // of another document: not in the list of routes by its own path
}

// documents returns all that stands outside the guard. No other is.
func documents(page bool) []document {
	all := []document{{path: "/openapi.json", answer: static("application/json; charset=utf-8", openAPI)}}
	if page {
		all = append(all, pageDocuments()...)
	}
	return all
}

//go:embed openapi.json
var openAPI []byte

// static answers with a text that only another version of the program changes. It may be kept, but
// is to be asked for again before it is used.
func static(contentType string, text []byte) http.HandlerFunc {
	sum := sha256.Sum256(text)
	tag := `"` + hex.EncodeToString(sum[:16]) + `"`
	return func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Type", contentType)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Cache-Control", "no-cache")
		h.Set("ETag", tag)
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(text))
	}
}

// outside returns what answers to a request without asking the guard, or nil for what is the
// guarded API's.
func (a *api) outside(r *http.Request) http.HandlerFunc {
	for _, d := range a.documents {
		if d.path != r.URL.Path {
			continue
		}
		answer := d.answer
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			answer = onlyRead
		}
		return func(w http.ResponseWriter, r *http.Request) {
			leaveBody(w, r)
			answer(w, r)
		}
	}
	return nil
}

// onlyRead refuses every method that would do more.
func onlyRead(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Allow", "GET, HEAD")
	respond(w, http.StatusMethodNotAllowed, typed("not_allowed", "The route does not take this method"))
}
