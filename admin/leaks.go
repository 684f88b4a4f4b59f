package admin

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/latchkey-go/latchkey/admin/internal/medusa"
	"github.com/latchkey-go/latchkey/store"
)

// leakActor is who ends leaked keys, in revoked_by and in the audit log.
const leakActor = "leak-report"

const (
	// maxLeakBytes bounds the body of a report: store.MaxLeaks tokens with a kilobyte each.
	maxLeakBytes = store.MaxLeaks << 10
	// leakTime is how long a report is worked on, also when its sender has hung up by then.
	leakTime = 30 * time.Second
)

// LeakConfig is the full form of [LeakReports]. The zero value is what that uses.
type LeakConfig struct {
	// ClientIP returns the address of the client, by which reports are limited. Behind a proxy it has to be set: all clients have the
	// proxy's address otherwise, and one allowance together. It must not believe headers that the client can set. Optional. Default: the peer
	// of the connection, with a warning at the start.
	ClientIP func(*http.Request) string
	// TokensPerMinute is how many tokens one client (an IPv4 address, an IPv6 /64) may report per minute, after the first
	// store.MaxLeaks, which are free. What is beyond is 429 with Retry-After. Optional. Default 600.
	TokensPerMinute int
	// Logger hears of every key that was ended, by its id, and the causes of 503. It never sees a token. Optional. Default: slog.Default().
	Logger *slog.Logger
}

// LeakReports returns a handler that takes reports of tokens seen in the wild and revokes the secret keys they belong to at once (see
// store.Keys.ReportLeaks). It is a handler of its own, without a guard and outside of [Handler], and there only if you mount it:
//
//	e.POST("/leaks", echo.WrapHandler(admin.LeakReports(keys)))
//
// It takes POST with {"token":"sk_…"} or with an array of such objects, each with "source" and
// "url" if they are known, which is the form in which GitHub's secret scanning tells its partners.
// The answer is 202 to everything that is well-formed, 400 to what is not, 413 to a body beyond 500
// KB, 408 to one that has not come within 10 seconds, 429 with Retry-After to a client that reports
// too much, and 503 with Retry-After when some token could not be decided: send the report again.
//
// One client (an IPv4 address, an IPv6 /64) can have 4 reports open at once, all clients together
// 128, so that those who send slowly, or stop, hold 128 MB at most and for 10 seconds. Without
// LeakConfig.ClientIP a private or loopback address is most likely a proxy's: all reports from such
// addresses share 64. What is beyond is 429.
//
// Whoever sends a report needs nothing but the token, and needs no signature either (GitHub signs its reports; there is no need to
// check it): revoking takes the full secret, and who has that could do worse with the key than end it. Nobody can end a key whose token he does not know, and
// a report tells its sender nothing that he could not learn by using the token: so it does not matter that it takes longer when it ends a key.
// Publishable keys are public; reports of them change nothing.
//
// LeakReports panics when keys is nil.
func LeakReports(keys *store.Keys) http.Handler {
	h, err := LeakConfig{}.Handler(keys)
	if err != nil {
		panic(err)
	}
	return h
}

// Handler is the full form of [LeakReports]. It returns an error that matches store.ErrInvalid where that panics.
func (c LeakConfig) Handler(keys *store.Keys) (http.Handler, error) {
	if keys == nil {
		return nil, store.Errorf(store.ErrInvalid, "admin: LeakReports needs keys")
	}
	if c.TokensPerMinute < 0 {
		return nil, store.Errorf(store.ErrInvalid, "admin: LeakConfig.TokensPerMinute is negative")
	}
	if c.TokensPerMinute == 0 {
		c.TokensPerMinute = 600
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	if c.ClientIP == nil {
		c.Logger.Warn("latchkey: reports of leaked tokens are limited by the address of the connection; behind a proxy set LeakConfig.ClientIP")
	}
	return &leakReports{keys: keys, clientIP: c.ClientIP, logger: c.Logger, limit: newLeakLimit(c.TokensPerMinute, store.MaxLeaks)}, nil
}

type leakReports struct {
	keys     *store.Keys
	clientIP func(*http.Request) string
	logger   *slog.Logger
	limit    *leakLimit
	open     openReports
}

func (h *leakReports) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost {
		leaveBody(w, r)
		w.Header().Set("Allow", http.MethodPost)
		respond(w, http.StatusMethodNotAllowed, typed("not_allowed", "Reports are sent with POST"))
		return
	}
	client, proxy := h.client(r)
	if !h.open.enter(client, proxy) {
		tooMany(w, r, time.Second)
		return
	}
	defer h.open.leave(client, proxy)
	if wait := h.limit.take(client, 1, time.Now()); wait > 0 { // before the body is read
		tooMany(w, r, wait)
		return
	}
	leaks, unread := readLeaks(w, r)
	if unread != nil {
		respond(w, unread.Status, typed(unread.Type, unread.Message))
		return
	}
	if wait := h.limit.take(client, len(leaks)-1, time.Now()); wait > 0 {
		tooMany(w, r, wait)
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), leakTime)
	defer cancel()
	ended, err := h.keys.ReportLeaks(store.WithActor(ctx, leakActor), leaks)
	for _, key := range ended {
		h.logger.WarnContext(ctx, "latchkey: a leaked key was reported and has been revoked", "key_id", key.ID)
	}
	if err != nil {
		h.logger.ErrorContext(ctx, "latchkey: a report of leaked tokens could not be decided; the sender is asked to repeat it", "error", err)
		w.Header().Set("Retry-After", "1")
		respond(w, http.StatusServiceUnavailable, typed("unavailable", "The report could not be worked on. Send it again."))
		return
	}
	respond(w, http.StatusAccepted, medusa.Members{{"message", "Accepted"}})
}

// tooMany refuses a report at once, also when its body has not come.
func tooMany(w http.ResponseWriter, r *http.Request, wait time.Duration) {
	leaveBody(w, r)
	closeAfter(w, r)
	w.Header().Set("Retry-After", strconv.FormatInt(int64((wait+time.Second-1)/time.Second), 10))
	respond(w, http.StatusTooManyRequests, typed("too_many_requests", "Too many tokens were reported from this address. Try again later."))
}

// client returns the network that a report is counted for, the zero Prefix when it is not known,
// and whether that is most likely a proxy's.
func (h *leakReports) client(r *http.Request) (network netip.Prefix, proxy bool) {
	var text string
	if h.clientIP != nil {
		text = h.clientIP(r)
	} else {
		text, _, _ = net.SplitHostPort(r.RemoteAddr)
	}
	addr, err := netip.ParseAddr(text)
	if err != nil {
		return netip.Prefix{}, h.clientIP == nil // a Unix socket
	}
	addr = addr.Unmap().WithZone("")
	bits := 32
	if addr.Is6() {
		bits = 64 // one customer's network
	}
	network, _ = addr.Prefix(bits) // bits fit the address
	return network, h.clientIP == nil && (addr.IsPrivate() || addr.IsLoopback() || addr.IsLinkLocalUnicast())
}

// readLeaks reads the body of a report. What it says about a body holds nothing of it.
func readLeaks(w http.ResponseWriter, r *http.Request) ([]store.Leak, *medusa.BodyError) {
	text, unread := readAll(w, r, maxLeakBytes)
	if unread != nil {
		return nil, unread
	}
	invalid := func(message string) *medusa.BodyError {
		return &medusa.BodyError{Status: http.StatusBadRequest, Type: "invalid_data", Message: message}
	}
	type report struct {
		Token  *string `json:"token"`
		Source string  `json:"source"`
		URL    string  `json:"url"`
	}
	var reports []report
	var err error
	if bytes.HasPrefix(bytes.TrimLeft(text, " \t\r\n"), []byte("{")) {
		reports = make([]report, 1)
		err = json.Unmarshal(text, &reports[0])
	} else {
		err = json.Unmarshal(text, &reports)
	}
	if err != nil || reports == nil { // null is no array
		return nil, invalid(`Expected {"token":"…"} or an array of such objects; "source" and "url" are texts`)
	}
	if len(reports) > store.MaxLeaks {
		return nil, invalid("At most " + strconv.Itoa(store.MaxLeaks) + " tokens can be reported at once")
	}
	leaks := make([]store.Leak, len(reports))
	for i, one := range reports {
		if one.Token == nil {
			return nil, invalid("Field 'token' is required in every report")
		}
		leaks[i] = store.Leak{Token: *one.Token, Source: strings.TrimSpace(one.Source + " " + bareAddress(one.URL))}
	}
	return leaks, nil
}

// bareAddress returns the address without the parts that can hold somebody's secrets. One that cannot be parsed is left out.
func bareAddress(s string) string {
	u, err := url.Parse(s)
	if err != nil {
		return ""
	}
	u.User, u.RawQuery, u.Fragment, u.RawFragment = nil, "", "", ""
	return u.String()
}
