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

// leakActor is the actor of the revocations, in revoked_by and in the audit log.
const leakActor = "leak-report"

const (
	// maxLeakBytes bounds the body of a report: a kilobyte for each of store.MaxLeaks tokens.
	maxLeakBytes = store.MaxLeaks << 10
	// leakTime bounds the handling of a report. It goes on when the sender disconnects.
	leakTime = 30 * time.Second
)

// LeakConfig is the full form of [LeakReports]. The zero value is what that uses.
type LeakConfig struct {
	// ClientIP returns the address of the client; reports are limited per client. Set it behind a
	// proxy: otherwise all clients have the proxy's address and share one allowance. It must not
	// trust headers that clients can set. Optional. Default: the address of the connection, with a
	// warning in the log.
	ClientIP func(*http.Request) string
	// TokensPerMinute is how many tokens one client (an IPv4 address, an IPv6 /64) may report per
	// minute, after the first store.MaxLeaks. Further reports are refused with 429 and Retry-After.
	// Optional. Default 600.
	TokensPerMinute int
	// Logger receives the id of every revoked key and the causes of 503, but no token. Optional.
	// Default: slog.Default().
	Logger *slog.Logger
}

// LeakReports returns a handler that accepts reports of leaked tokens and revokes their secret keys
// at once (see store.Keys.ReportLeaks). It has no guard and is not part of [Handler]: mount it
// yourself if you want it.
//
//	e.POST("/leaks", echo.WrapHandler(admin.LeakReports(keys)))
//
// It accepts POST with {"token":"sk_…"} or an array of such objects, each with optional "source"
// and "url", as GitHub's secret scanning sends them to its partners. The answer is 202 to every
// well-formed report, 400 to others, 413 to a body over 500 KB, 408 to one that takes longer than
// 10 seconds, 429 with Retry-After to a client that sends too many, and 503 with Retry-After when a
// token could not be decided: send the report again.
//
// One client (an IPv4 address, an IPv6 /64) can have 4 open reports, all clients together 128, so
// that slow senders take 128 MB at most, for 10 seconds. Without LeakConfig.ClientIP a private or
// loopback address is probably a proxy's: all such addresses together can have 64. Further reports
// are refused with 429.
//
// A report needs no authentication and no signature (GitHub's is not checked): only someone who has
// the token can revoke its key, and the answer reveals nothing that using the token would not. So
// it does no harm that a report takes longer when it revokes a key. Reports of publishable keys
// change nothing, because these keys are public.
//
// LeakReports panics when keys is nil.
func LeakReports(keys *store.Keys) http.Handler {
	h, err := LeakConfig{}.Handler(keys)
	if err != nil {
		panic(err)
	}
	return h
}

// Handler is the full form of [LeakReports]. Instead of a panic it returns an error that matches
// store.ErrInvalid.
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
		c.Logger.Warn("latchkey: reports of leaked tokens are limited by the address of the connection; " +
			"behind a proxy set LeakConfig.ClientIP")
	}
	limit := newLeakLimit(c.TokensPerMinute, store.MaxLeaks)
	return &leakReports{keys: keys, clientIP: c.ClientIP, logger: c.Logger, limit: limit}, nil
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
		h.logger.ErrorContext(ctx, "latchkey: a report of leaked tokens failed; the sender must repeat it", "error", err)
		w.Header().Set("Retry-After", "1")
		respond(w, http.StatusServiceUnavailable, typed("unavailable", "The report could not be worked on. Send it again."))
		return
	}
	respond(w, http.StatusAccepted, medusa.Members{{"message", "Accepted"}})
}

// tooMany refuses a report without waiting for its body.
func tooMany(w http.ResponseWriter, r *http.Request, wait time.Duration) {
	leaveBody(w, r)
	closeAfter(w, r)
	w.Header().Set("Retry-After", strconv.FormatInt(int64((wait+time.Second-1)/time.Second), 10))
	const message = "Too many tokens were reported from this address. Try again later."
	respond(w, http.StatusTooManyRequests, typed("too_many_requests", message))
}

// client returns the network of the client, the zero Prefix if it is not known, and whether it is
// probably a proxy's.
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
		bits = 64 // the network of one customer
	}
	network, _ = addr.Prefix(bits) // bits is valid for the address
	return network, h.clientIP == nil && (addr.IsPrivate() || addr.IsLoopback() || addr.IsLinkLocalUnicast())
}

// readLeaks reads the body of a report. Its errors repeat nothing of the body.
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
	if err != nil || reports == nil { // null
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

// bareAddress returns a URL without the parts that can hold secrets, or "" if it is not a URL.
func bareAddress(s string) string {
	u, err := url.Parse(s)
	if err != nil {
		return ""
	}
	u.User, u.RawQuery, u.Fragment, u.RawFragment = nil, "", "", ""
	return u.String()
}
