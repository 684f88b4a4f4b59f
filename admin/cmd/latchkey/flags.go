package main

import (
	"errors"
	"slices"
	"strings"

	"github.com/latchkey-go/latchkey/store"
)

// nonBlankFlag is a flag that refuses blank values: an unset variable in a script would select
// everything.
type nonBlankFlag struct{ value string }

func (w *nonBlankFlag) String() string { return "" }

func (w *nonBlankFlag) Set(s string) error {
	if w.value = strings.TrimSpace(s); w.value == "" {
		return errors.New("want a value")
	}
	return nil
}

// choiceFlag is a flag with a few allowed values.
type choiceFlag struct {
	value   string
	allowed []string
}

func (o *choiceFlag) String() string { return o.value }

func (o *choiceFlag) Set(text string) error {
	if !slices.Contains(o.allowed, text) {
		return errors.New("want " + strings.Join(o.allowed, " or "))
	}
	o.value = text
	return nil
}

// typeFlag returns a flag for the type of a key.
func typeFlag() *choiceFlag {
	return &choiceFlag{allowed: []string{string(store.Secret), string(store.Publishable)}}
}
