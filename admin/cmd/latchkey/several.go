package main

import (
	"errors"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/latchkey-go/latchkey/store"
)

// several is a flag that may be given several times, once for each value.
type several[T any] struct {
	values []T
	read   func(string) (T, error)
}

func (s *several[T]) String() string { return "" }

func (s *several[T]) Set(text string) error {
	value, err := s.read(text)
	if err != nil {
		return err
	}
	s.values = append(s.values, value)
	return nil
}

func texts() *several[string] {
	return &several[string]{read: func(s string) (string, error) {
		if s == "" {
			return "", errors.New("want a value")
		}
		return s, nil
	}}
}

func networks() *several[netip.Prefix] {
	return &several[netip.Prefix]{read: func(s string) (netip.Prefix, error) {
		if addr, err := netip.ParseAddr(s); err == nil && addr.Zone() == "" { // "fe80::1%eth0/64" is an address in the zone "eth0/64"
			return netip.PrefixFrom(addr, addr.BitLen()), nil
		}
		p, err := netip.ParsePrefix(s)
		if err != nil {
			return p, errors.New("want a network or an address: 192.0.2.0/24, 2001:db8::/32, 192.0.2.7")
		}
		if p != p.Masked() {
			return p, errors.New("bits are set to the right of the mask; did you mean " + p.Masked().String() + "?")
		}
		return p, nil
	}}
}

// pair is an entry of a key's metadata.
type pair struct{ name, value string }

func pairs() *several[pair] {
	seen := make(map[string]bool)
	return &several[pair]{read: func(s string) (pair, error) {
		name, value, found := strings.Cut(s, "=")
		switch {
		case !found || name == "":
			return pair{}, errors.New("want name=value")
		case seen[name]:
			return pair{}, errors.New("this name is given twice")
		}
		seen[name] = true
		return pair{name, value}, nil
	}}
}

// rate is a flag for a rate limit.
type rate struct{ store.RateLimit }

func (r *rate) String() string { return "" }

func (r *rate) Set(text string) error {
	requests, window, _ := strings.Cut(text, "/")
	n, err := strconv.Atoi(requests)
	length, spanErr := parseSpan(window)
	if err != nil || spanErr != nil || n <= 0 {
		return errors.New("want a number of requests and a length of time: 100/1m")
	}
	if length < time.Second || length%time.Millisecond != 0 {
		return errors.New("want a length of time of at least a second, in whole milliseconds")
	}
	r.Requests, r.Window = n, length
	return nil
}

// text is a flag that knows whether it was given, for where "" says something, too.
type text struct {
	value string
	given bool
}

func (t *text) String() string { return "" }

func (t *text) Set(s string) error {
	t.value, t.given = s, true
	return nil
}

// word is a flag that must not be blank: what a script leaves empty by mistake would select everything.
type word struct{ value string }

func (w *word) String() string { return "" }

func (w *word) Set(s string) error {
	if w.value = strings.TrimSpace(s); w.value == "" {
		return errors.New("want a value")
	}
	return nil
}

// oneOf is a flag with a few possible values; the first of them is the default, if it is given one.
type oneOf struct {
	value   string
	allowed []string
}

func (o *oneOf) String() string {
	if o == nil {
		return ""
	}
	return o.value
}

func (o *oneOf) Set(text string) error {
	for _, a := range o.allowed {
		if text == a {
			o.value = text
			return nil
		}
	}
	return errors.New("want " + strings.Join(o.allowed, " or "))
}
