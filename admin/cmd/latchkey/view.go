package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/latchkey-go/latchkey/store"
)

// view is a key as it is shown.
type view struct {
	*store.Key
	token string // of a publishable key; of a secret one only where it has just been made
	now   time.Time
}

func viewOf(k *store.Key, now time.Time) view { return view{k, k.Token, now} }

func views(keys []*store.Key, now time.Time) []view {
	all := make([]view, len(keys))
	for i, k := range keys {
		all[i] = viewOf(k, now)
	}
	return all
}

// MarshalJSON writes the attributes in their order. Where there is no token to show, there is no
// such member.
func (k view) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	for _, a := range attributes() {
		if a.name == "token" && k.token == "" {
			continue
		}
		value, err := json.Marshal(a.value(k))
		if err != nil {
			return nil, err
		}
		fmt.Fprintf(&b, ",%q:%s", a.name, value)
	}
	return append(append([]byte{'{'}, b.Bytes()[1:]...), '}'), nil
}

// rows is a table of the key, a field a line, with its token last.
func (k view) rows() (rows [][]string) {
	for _, a := range attributes() {
		if a.label == "" {
			continue
		}
		text, _ := a.value(k).(string)
		if a.text != nil {
			text = a.text(k)
		}
		if text != "" {
			rows = append(rows, []string{a.label, text})
		}
	}
	if k.token != "" {
		rows = append(rows, []string{"token", k.token})
	}
	return rows
}

const (
	active  = "active"
	revoked = "revoked"
	expired = "expired"
)

// status says whether the key can be used now.
func status(k *store.Key, now time.Time) string {
	switch err := k.Check(now); {
	case err == nil:
		return active
	case errors.Is(err, store.ErrExpired):
		return expired
	default:
		return revoked
	}
}

// timeOrNull is the form of the admin routes: ISO 8601, UTC, milliseconds.
func timeOrNull(t time.Time) *string {
	if t.IsZero() {
		return nil
	}
	text := t.UTC().Format("2006-01-02T15:04:05.000Z")
	return &text
}

func textOrNull(s string) any {
	if s == "" {
		return nil
	}
	return s
}

// timeOr is a time in a table.
func timeOr(t time.Time, unset string) string {
	if t.IsZero() {
		return unset
	}
	return t.UTC().Format("2006-01-02 15:04:05Z")
}

// keyRows is a table of keys, one a line.
func keyRows(keys []*store.Key, now time.Time) [][]string {
	rows := [][]string{{"ID", "TYPE", "STATUS", "ENDS", "LAST USED", "TOKEN", "TITLE"}}
	for _, k := range keys {
		rows = append(rows, []string{
			k.ID, string(k.Type), status(k, now), timeOr(end(k).Time(), "-"), timeOr(k.LastUsedAt.Time(), "-"), cmp.Or(k.Redacted, "-"), shortened(k.Title, 60),
		})
	}
	return rows
}

// end returns when the key stops or stopped working; not set: never.
func end(k *store.Key) store.Time {
	if k.ExpiresAt.IsZero() || !k.RevokedAt.IsZero() && k.RevokedAt.Before(k.ExpiresAt) {
		return k.RevokedAt
	}
	return k.ExpiresAt
}

func shortened(s string, most int) string {
	if utf8.RuneCountInString(s) <= most {
		return s
	}
	return string([]rune(s)[:most-1]) + "…"
}

func listOr(list []string, unset string) string {
	switch {
	case list == nil:
		return unset
	case len(list) == 0:
		return "none"
	}
	return strings.Join(list, ", ")
}
