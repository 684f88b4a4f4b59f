package admin

import (
	"net/http"
	"strconv"

	"github.com/latchkey-go/latchkey/admin/internal/medusa"
)

// respond writes a JSON answer. Nothing may cache it.
func respond(w http.ResponseWriter, status int, body medusa.Members) {
	text := medusa.AppendJSON(nil, body)
	h := w.Header()
	h.Set("Content-Type", "application/json; charset=utf-8")
	h.Set("Content-Length", strconv.Itoa(len(text)))
	h.Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write(text) // an error means that the client is gone
}
