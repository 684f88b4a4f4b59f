package store

import (
	"cmp"
	"math"
	"time"
)

// Time is a moment in UTC and whole milliseconds, a third of the size of a time.Time. The zero value means "not set". Two of them are the
// same moment exactly when they are ==.
type Time struct {
	// sinceZero counts milliseconds from the zero time.Time on. So "not set" is here what it is there, and 1970 a moment like any other.
	sinceZero int64
}

// zeroMillis is the zero time.Time in milliseconds since 1970.
const zeroMillis = -62135596800_000

// reach is how many seconds from 1970 a Time can be away, either way: some 290 million years.
const reach = (math.MaxInt64+zeroMillis)/1000 - 1

// TimeOf returns t without what is less than a millisecond. The zero time is "not set". What is out of reach becomes the furthest moment
// that is not, so that order is kept.
func TimeOf(t time.Time) Time {
	seconds := min(max(t.Unix(), -reach), reach)
	return Time{seconds*1000 + int64(t.Nanosecond()/1e6) - zeroMillis}
}

// Time returns the moment as a time.Time in UTC, the zero time when it is not set.
func (t Time) Time() time.Time { return time.UnixMilli(t.UnixMilli()).UTC() }

// UnixMilli returns the milliseconds since 1970.
func (t Time) UnixMilli() int64 { return t.sinceZero + zeroMillis }

// IsZero reports whether the time is not set.
func (t Time) IsZero() bool { return t.sinceZero == 0 }

// before reports whether t is earlier than u. One that is not set is earlier than any of these times, as with time.Time.
func (t Time) before(u Time) bool { return t.sinceZero < u.sinceZero }

// after reports whether t is later than u.
func (t Time) after(u Time) bool { return t.sinceZero > u.sinceZero }

// compare returns -1, 0 or 1: t is before u, the same, after it.
func (t Time) compare(u Time) int { return cmp.Compare(t.sinceZero, u.sinceZero) }

// String returns the time as it stands on the wire, "2006-01-02T15:04:05.000Z"; "not set" for the zero value.
func (t Time) String() string {
	if t.IsZero() {
		return "not set"
	}
	return t.Time().Format(wireTime)
}

// MarshalText implements encoding.TextMarshaler. In JSON a Time is what the time.Time is.
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
