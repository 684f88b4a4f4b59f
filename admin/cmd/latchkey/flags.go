package main

import (
	"errors"
	"strings"

	"github.com/latchkey-go/latchkey/store"
)

// word is a flag that must not be blank: what a script leaves empty by mistake would select
// everything.
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

// oneType is oneOf for types of keys.
func oneType() *oneOf {
	return &oneOf{allowed: []string{string(store.Secret), string(store.Publishable)}}
}
