package medusa

import (
	"regexp"
	"strings"
	"time"
)

// The times that stand for PostgreSQL's infinity and -infinity. Databases can store them; the times
// of a record lie between them.
var (
	beforeAll = time.Date(1, 1, 2, 0, 0, 0, 0, time.UTC)
	afterAll  = time.Date(9999, 12, 31, 23, 59, 59, 999_999_000, time.UTC)
)

// betweenDateAndTime matches the t of ISO 8601.
var betweenDateAndTime = regexp.MustCompile(`^([^t]*[0-9])t([0-9])`)

// maxTimestampBytes bounds the work for one value.
const maxTimestampBytes = 64

// ParseTimestamp reads a timestamp as PostgreSQL does: the variants of ISO 8601, the orders of day
// and month of its default DateStyle (ISO, MDY), and the words now, today, tomorrow, yesterday,
// epoch and infinity. Without a zone the time is UTC.
func ParseTimestamp(s string, now time.Time) (time.Time, bool) {
	if len(s) > maxTimestampBytes {
		return time.Time{}, false
	}
	s = strings.ToLower(strings.Join(strings.Fields(s), " "))
	if t, ok := specialTime(s, now.UTC()); ok {
		return t, true
	}
	if day, rest, ok := strings.Cut(s, " "); ok && isWeekday(strings.TrimSuffix(day, ",")) {
		s = rest
	}
	s = betweenDateAndTime.ReplaceAllString(s, "$1 $2")
	s, zone := cutZone(s)
	for _, date := range []string{
		"2006-1-2", "20060102", "2006/1/2", "1/2/2006", "1-2-2006", "2006-Jan-2", "2-Jan-2006",
		"Jan 2 2006", "Jan 2, 2006", "January 2 2006", "January 2, 2006", "2 Jan 2006", "2 January 2006",
	} {
		for _, clock := range []string{"", " 15:04:05", " 15:04", " 3:04:05 pm", " 3:04 pm"} {
			if t, err := time.Parse(date+clock+zone, s); err == nil {
				return clampTime(t.UTC()), true
			}
		}
	}
	return time.Time{}, false
}

func specialTime(s string, now time.Time) (time.Time, bool) {
	midnight := time.Date(now.Year(), now.Month(), now.Day(), 0, 0, 0, 0, time.UTC)
	switch s {
	case "now":
		return now, true
	case "today":
		return midnight, true
	case "tomorrow":
		return midnight.AddDate(0, 0, 1), true
	case "yesterday":
		return midnight.AddDate(0, 0, -1), true
	case "epoch":
		return time.Unix(0, 0).UTC(), true
	case "infinity", "+infinity":
		return afterAll, true
	case "-infinity":
		return beforeAll, true
	}
	return time.Time{}, false
}

func isWeekday(s string) bool {
	for day := time.Sunday; day <= time.Saturday; day++ {
		if name := strings.ToLower(day.String()); s == name || s == name[:3] {
			return true
		}
	}
	return false
}

// cutZone cuts a zone's name off the end of a date with a time, and returns the layout of a numeric
// offset that is left there. The only names are those of UTC.
func cutZone(s string) (rest, layout string) {
	for _, name := range []string{" gmt", " utc", " z", "gmt", "utc", "z"} {
		if before, ok := strings.CutSuffix(s, name); ok {
			return before, ""
		}
	}
	colon := strings.IndexByte(s, ':')
	if colon < 0 {
		return s, ""
	}
	sign := strings.LastIndexAny(s, "+-")
	if sign < colon {
		return s, ""
	}
	// Date.toString in JavaScript writes GMT+0200.
	if before, after := s[:sign], s[sign:]; strings.HasSuffix(before, " gmt") || strings.HasSuffix(before, " utc") {
		s = before[:len(before)-len(" gmt")] + after
		sign -= len(" gmt")
	}
	layout = map[int]string{
		len("+00"): "-07", len("+0000"): "-0700", len("+00:00"): "-07:00", len("+00:00:00"): "-07:00:00",
	}[len(s)-sign]
	if s[sign-1] == ' ' {
		layout = " " + layout
	}
	return s, layout
}

// clampTime returns t, or the nearer end of the range when t lies outside.
func clampTime(t time.Time) time.Time {
	switch {
	case t.Before(beforeAll):
		return beforeAll
	case t.After(afterAll):
		return afterAll
	}
	return t
}
