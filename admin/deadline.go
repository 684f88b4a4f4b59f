package admin

import (
	"errors"
	"io"
	"net/http"
	"os"
	"time"

	"github.com/latchkey-go/latchkey/admin/internal/medusa"
)

// bodyTime is how long the body of a request may take to come, however it trickles in. A server
// whose ReadTimeout is over earlier ends it earlier.
const bodyTime = 10 * time.Second

// longAgo is a deadline that is over.
var longAgo = time.Unix(1, 0)

// bodyTimeKey is how a test gives a request another time than bodyTime.
type bodyTimeKey struct{}

func timeFor(r *http.Request) time.Duration {
	if d, ok := r.Context().Value(bodyTimeKey{}).(time.Duration); ok {
		return d
	}
	return bodyTime
}

// readAll returns the body of a request, of at most limit bytes. Memory is taken as the bytes come,
// whatever length was announced. The body has bodyTime to come, or what the server's ReadTimeout
// has left of it.
//
// No deadline is set beforehand: that could put off one of the server's, and would have to be taken
// back. When the time is over, the read that is under way is ended. Where w has no deadlines (see
// http.ResponseController), nothing ends it.
func readAll(w http.ResponseWriter, r *http.Request, limit int64) ([]byte, *medusa.BodyError) {
	tooLarge := &medusa.BodyError{Status: http.StatusRequestEntityTooLarge, Type: "unknown_error", Message: "request entity too large"}
	if r.ContentLength > limit {
		leaveBody(w, r)
		return nil, tooLarge
	}
	ended := make(chan bool, 1)
	timer := time.AfterFunc(timeFor(r), func() {
		ended <- http.NewResponseController(w).SetReadDeadline(longAgo) == nil
	})
	// Not http.MaxBytesReader: it makes the server hang up on a client that is still sending, who
	// then may never see the answer.
	text, err := io.ReadAll(io.LimitReader(r.Body, limit+1))
	switch {
	case !timer.Stop() && <-ended, errors.Is(err, os.ErrDeadlineExceeded):
		closeAfter(w, r)
		return nil, &medusa.BodyError{Status: http.StatusRequestTimeout, Type: "unknown_error", Message: "the body of the request came too slowly"}
	case err != nil:
		return nil, &medusa.BodyError{Status: http.StatusBadRequest, Type: "unknown_error", Message: "request aborted"}
	case int64(len(text)) > limit:
		leaveBody(w, r)
		return nil, tooLarge
	}
	return text, nil
}

// leaveBody is for requests that are answered without their body. net/http reads the rest of it (up
// to 256 KB) before it sends the answer, and would wait for that as long as the client likes where
// the server has no ReadTimeout.
func leaveBody(w http.ResponseWriter, r *http.Request) {
	server, ok := r.Context().Value(http.ServerContextKey).(*http.Server)
	if ok && server.ReadTimeout <= 0 && r.Body != nil && r.Body != http.NoBody {
		_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(timeFor(r))) // the server sets another for the next request
	}
}

// closeAfter has the connection closed after the answer, which is then sent without waiting for the
// rest of the body. HTTP/2 ends the stream alone.
func closeAfter(w http.ResponseWriter, r *http.Request) {
	if w != nil && r.ProtoMajor < 2 {
		w.Header().Set("Connection", "close")
	}
}
