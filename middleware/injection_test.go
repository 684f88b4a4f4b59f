package keyauth_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	keyauth "github.com/latchkey-go/latchkey/middleware"
	"github.com/latchkey-go/latchkey/store"
)

// Nothing that a client sends reaches a log line as it is. The handler of this test escapes
// nothing, as a careless one might.
func TestRequirement28NothingAClientSendsIsInALogLine(t *testing.T) {
	w := newWorld(t)
	const canary = "cAnArY"
	poisons := []string{
		canary, canary + "\nlevel=ERROR msg=forged", canary + "\r\n", "\x1b[2J" + canary, canary + "\x00", "\u202e" + canary, `" ` + canary + `="`, "sk_" + strings.Repeat(canary, 12),
	}
	var out bytes.Buffer
	config := w.config(store.Secret, store.Publishable)
	config.RefusalTime = -1
	config.ClientIP = func(r *http.Request) string { return r.Header.Get("X-Forwarded-For") }
	config.Logger = slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug, ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		out.WriteString(a.Key + "=" + a.Value.String() + " ") // unescaped
		return a
	}}))
	lines := 0
	for _, poison := range poisons {
		for _, header := range []string{"X-Api-Key", "Authorization", "X-Publishable-Api-Key", "X-Request-Id", "X-Forwarded-For", "User-Agent", "Cookie", "Referer"} {
			for _, scheme := range []string{"", "Bearer ", "Basic "} {
				for _, token := range []string{w.unknown, w.scoped, w.revoked, ""} {
					for _, d := range doors() {
						h := d.open(t, config, "orders:write") // a new one: its lines are not sampled away
						r := request("X-Api-Key", token)
						r.Header.Set(header, scheme+poison)
						if err := checkable(r, h); err != nil {
							t.Fatal(err)
						}
						lines++
					}
				}
			}
		}
		r := request("X-Api-Key", w.unknown)
		r.URL.Path, r.URL.RawQuery, r.RemoteAddr, r.Host, r.Method = "/"+poison, poison, poison, poison, "GET"
		if err := checkable(r, keyauth.WithConfig(config)(http.NotFoundHandler())); err != nil {
			t.Fatal(err)
		}
	}
	text := out.String()
	if strings.Count(text, "\n") < lines/2 {
		t.Fatalf("%d lines were logged for %d requests", strings.Count(text, "\n"), lines)
	}
	for i, line := range strings.Split(text, "\n") {
		// A request id of visible characters is what the line may show.
		if strings.Contains(strings.ReplaceAll(line+" ", "request_id="+canary+" ", ""), canary) || strings.ContainsFunc(line, func(c rune) bool { return c < ' ' || c == '\u202e' || c == 0x7f }) {
			t.Fatalf("line %d holds what a client sent: %q", i, line)
		}
	}
}

// checkable serves r and fails when that panics.
func checkable(r *http.Request, h http.Handler) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	serve(h, r)
	return nil
}
