package cache

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"
)

func TestHealthLogsOneLineEachWayAndTheFirstRefusal(t *testing.T) {
	gone := errors.New("gone")
	var log bytes.Buffer
	var h health
	for _, err := range []error{nil, gone, gone, answeredError("NOPERM no"), gone, answeredError("NOPERM no"), nil, nil} {
		h.report(slog.New(slog.NewTextHandler(&log, nil)), "it", err)
	}
	var got []string
	for line := range strings.Lines(log.String()) {
		_, line, _ = strings.Cut(line, "level=")
		got = append(got, strings.TrimSpace(line))
	}
	want := []string{
		`WARN msg="latchkey: cache: it fails; retrying" error=gone`,
		`WARN msg="latchkey: cache: it fails; retrying" error="NOPERM no"`,
		`INFO msg="latchkey: cache: it works again"`,
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// answeredError is an error as go-redis returns it when the server has answered.
type answeredError string

func (e answeredError) Error() string { return string(e) }
func (answeredError) RedisError()     {}
