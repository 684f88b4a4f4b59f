package main

import (
	"errors"
	"strconv"
	"strings"
	"time"
)

const day = 24 * time.Hour

// maxDuration is a hundred years: more is probably a typing error.
const maxDuration = 36525 * day

// durationFlag is a flag for a duration in Go's form (90m, 1h30m), which may begin with days
// (7d12h).
type durationFlag struct {
	length time.Duration
	given  bool
}

func (s *durationFlag) String() string { return "" }

func (s *durationFlag) Set(text string) error {
	length, err := parseDuration(text)
	s.length, s.given = length, true
	return err
}

func parseDuration(text string) (time.Duration, error) {
	wrong := errors.New("want a duration with its unit: 90d, 24h, 1d12h, 30m")
	days, rest := 0, text
	if before, after, found := strings.Cut(text, "d"); found {
		n, err := strconv.Atoi(before)
		if err != nil || n < 0 || n > int(maxDuration/day) {
			return 0, wrong
		}
		if after == "" {
			return time.Duration(n) * day, nil
		}
		days, rest = n, after
	}
	length, err := time.ParseDuration(rest)
	if err != nil {
		return 0, wrong
	}
	if length += time.Duration(days) * day; length < 0 || length > maxDuration {
		return 0, errors.New("want a duration between 0 and a hundred years")
	}
	return length, nil
}
