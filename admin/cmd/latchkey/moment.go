package main

import (
	"errors"
	"time"
)

// moment is a flag for a point in time.
type moment struct {
	at    time.Time
	given bool
}

func (m *moment) String() string {
	if m == nil || !m.given {
		return ""
	}
	return m.at.Format(time.RFC3339)
}

func (m *moment) Set(text string) error {
	m.given = true
	for _, layout := range []string{time.RFC3339Nano, time.DateOnly} {
		at, err := time.Parse(layout, text)
		if err == nil {
			m.at = at.UTC()
			return nil
		}
	}
	return errors.New("want a time with its zone or a date, which begins in UTC: 2027-01-31T12:00:00Z, 2027-01-31")
}

// ending returns the moment that one of two flags names, or the zero time when neither is given.
func ending(in span, at moment, inName, atName string) (time.Time, error) {
	switch {
	case in.given && at.given:
		return time.Time{}, usagef("-%s and -%s: one of them, not both", inName, atName)
	case in.given:
		return time.Now().Add(in.length), nil
	case at.given:
		return at.at, nil
	}
	return time.Time{}, nil
}
