package main

import (
	"errors"
	"strconv"
	"strings"
	"time"
)

const day = 24 * time.Hour

// maxSpan is a hundred years: more is a slip of the hand.
const maxSpan = 36525 * day

// span is a flag for a length of time: as Go writes it (90m, 1h30m), with days (d) in front if there are any.
type span struct {
	length time.Duration
	given  bool
}

func (s *span) String() string {
	if s == nil || !s.given {
		return ""
	}
	return s.length.String()
}

func (s *span) Set(text string) error {
	length, err := parseSpan(text)
	s.length, s.given = length, true
	return err
}

func parseSpan(text string) (time.Duration, error) {
	wrong := errors.New("want a length of time with its unit: 90d, 24h, 1d12h, 30m")
	var days int
	rest := text
	if before, after, found := strings.Cut(text, "d"); found {
		n, err := strconv.Atoi(before)
		if err != nil || n < 0 || n > int(maxSpan/day) {
			return 0, wrong
		}
		days, rest = n, after
		if rest == "" {
			return time.Duration(days) * day, nil
		}
	}
	length, err := time.ParseDuration(rest)
	if err != nil {
		return 0, wrong
	}
	if length += time.Duration(days) * day; length < 0 || length > maxSpan {
		return 0, errors.New("want a length between nothing and a hundred years")
	}
	return length, nil
}
