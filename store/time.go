package store

import (
	"cmp"
	"math"
	"time"
)

// Time is a point in time in UTC and whole milliseconds, a third of the size of a time.Time. The
// zero value means "not set". Two Times are equal exactly if ==.
type Time struct {
	// sinceZero is the number of milliseconds since the zero time.Time, so "not set" has the same
	// value as there, and 1970 is an ordinary time.
	sinceZero int64
}

// zeroMillis is the zero time.Time in milliseconds since 1970.
const zeroMillis = -62135596800_000

// reach is the maximum distance of a Time from 1970 in seconds: some 290 million years.
const reach = (math.MaxInt64+zeroMillis)/1000 - 1

// TimeOf returns t truncated to milliseconds. The zero time is "not set". A time out of range
// becomes the first or the last Time, so order is preserved.
func TimeOf(t time.Time) Time {
	seconds := min(max(t.Unix(), -reach), reach)
	return Time{seconds*1000 + int64(t.Nanosecond()/1e6) - zeroMillis}
}

// Time returns t as a time.Time in UTC, or the zero time if t is not set.
func (t Time) Time() time.Time { return time.UnixMilli(t.UnixMilli()).UTC() }

// UnixMilli returns the milliseconds since 1970.
func (t Time) UnixMilli() int64 { return t.sinceZero + zeroMillis }

// IsZero reports whether the time is not set.
func (t Time) IsZero() bool { return t.sinceZero == 0 }

// before reports whether t is earlier than u. As with time.Time, a Time that is not set is earlier
// than any later date.
func (t Time) before(u Time) bool { return t.sinceZero < u.sinceZero }

// after reports whether t is later than u.
func (t Time) after(u Time) bool { return t.sinceZero > u.sinceZero }

// compare returns -1, 0 or 1 if t is before, equal to or after u.
func (t Time) compare(u Time) int { return cmp.Compare(t.sinceZero, u.sinceZero) }

// String returns the time in the wire format, "2006-01-02T15:04:05.000Z", or "not set".
func (t Time) String() string {
	if t.IsZero() {
		return "not set"
	}
	return t.Time().Format(wireTime)
}

// MarshalText implements encoding.TextMarshaler. The JSON form is that of time.Time.
func (t Time) MarshalText() ([]byte, error) { return t.Time().MarshalText() }

// UnmarshalText implements encoding.TextUnmarshaler.
func (t *Time) UnmarshalText(text []byte) error {
	var at time.Time
	if err := at.UnmarshalText(text); err != nil {
		return err
	}
	*t = TimeOf(at)
	return nil
}
