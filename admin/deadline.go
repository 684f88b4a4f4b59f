package admin

import (
	"errors"
	"io"
	"net/http"
	"os"
	"time"

	"github.com/latchkey-go/latchkey/admin/internal/medusa"
)

// bodyTime is how long a request may take to send its body. The server's ReadTimeout may be
// shorter.
const bodyTime = 10 * time.Second

// bodyTimeKey is the context key with which a test replaces bodyTime.
type bodyTimeKey struct{}

func timeFor(r *http.Request) time.Duration {
	if d, ok := r.Context().Value(bodyTimeKey{}).(time.Duration); ok {
		return d
	}
	return bodyTime
}

// readAll reads the body of a request, of at most limit bytes, within bodyTime. It allocates memory
// for received bytes only, not the announced length.
//
// It sets a read deadline when the time is over, not before: that could extend a deadline of the
// server, and would have to be undone. Where w does not support read deadlines (see
// http.ResponseController), only the server bounds the time.
func readAll(w http.ResponseWriter, r *http.Request, limit int64) ([]byte, *medusa.BodyError) {
	refuse := func(status int, message string) ([]byte, *medusa.BodyError) {
		return nil, &medusa.BodyError{Status: status, Type: "unknown_error", Message: message}
	}
	tooLarge := r.ContentLength > limit
	if !tooLarge {
		late := make(chan bool, 1)
		timer := time.AfterFunc(timeFor(r), func() {
			late <- http.NewResponseController(w).SetReadDeadline(time.Unix(1, 0)) == nil
		})
		// http.MaxBytesReader would close the connection of a client that is still sending, which
		// might then not see the answer.
		text, err := io.ReadAll(io.LimitReader(r.Body, limit+1))
		switch {
		case !timer.Stop() && <-late, errors.Is(err, os.ErrDeadlineExceeded):
			closeAfter(w, r)
			return refuse(http.StatusRequestTimeout, "the body of the request came too slowly")
		case err != nil:
			return refuse(http.StatusBadRequest, "request aborted")
		case int64(len(text)) <= limit:
			return text, nil
		}
	}
	leaveBody(w, r)
	return refuse(http.StatusRequestEntityTooLarge, "request entity too large")
}

// leaveBody prepares an answer without reading the rest of the body. net/http reads up to 256 KB of
// it before it sends the answer; without a ReadTimeout of the server it would wait for ever.
func leaveBody(w http.ResponseWriter, r *http.Request) {
	server, ok := r.Context().Value(http.ServerContextKey).(*http.Server)
	if ok && server.ReadTimeout <= 0 && r.Body != nil && r.Body != http.NoBody {
		// The server sets another deadline for the next request.
		_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(timeFor(r)))
	}
}

// closeAfter closes the connection after the answer, which is then sent without waiting for the
// rest of the body. HTTP/2 ends only the stream.
func closeAfter(w http.ResponseWriter, r *http.Request) {
	if w != nil && r.ProtoMajor < 2 {
		w.Header().Set("Connection", "close")
	}
}
