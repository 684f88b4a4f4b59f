package main

import (
	"errors"
	"time"
)

// timeFlag is a flag for a time.
type timeFlag struct {
	at    time.Time
	given bool
}

func (m *timeFlag) String() string { return "" }

func (m *timeFlag) Set(text string) error {
	m.given = true
	for _, layout := range []string{time.RFC3339Nano, time.DateOnly} {
		if at, err := time.Parse(layout, text); err == nil {
			m.at = at.UTC()
			return nil
		}
	}
	return errors.New("want a time with a zone, or a date in UTC: 2027-01-31T12:00:00Z, 2027-01-31")
}

// endTime returns the time of one of two flags, or the zero time when neither is set.
func endTime(in durationFlag, at timeFlag, inName, atName string) (time.Time, error) {
	switch {
	case in.given && at.given:
		return time.Time{}, usagef("use -%s or -%s, not both", inName, atName)
	case in.given:
		return time.Now().Add(in.length), nil
	case at.given:
		return at.at, nil
	}
	return time.Time{}, nil
}
