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

// view is a key with what is shown of it.
type view struct {
	*store.Key
	token string // of a secret key only if it is new
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

// MarshalJSON writes the attributes in order. It omits an empty token.
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

// rows returns a table with one attribute per line. The token is last.
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

// status returns whether the key is valid now.
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

// timeOr formats a time for a table.
func timeOr(t time.Time, unset string) string {
	if t.IsZero() {
		return unset
	}
	return t.UTC().Format("2006-01-02 15:04:05Z")
}

// keyRows returns a table of keys.
func keyRows(keys []*store.Key, now time.Time) [][]string {
	rows := [][]string{{"ID", "TYPE", "STATUS", "ENDS", "LAST USED", "TOKEN", "TITLE"}}
	for _, k := range keys {
		rows = append(rows, []string{
			k.ID, string(k.Type), status(k, now), timeOr(end(k).Time(), "-"), timeOr(k.LastUsedAt.Time(), "-"),
			cmp.Or(k.Redacted, "-"), shortened(k.Title, 60),
		})
	}
	return rows
}

// end returns when the key ends or has ended, or zero for never.
func end(k *store.Key) store.Time {
	if k.ExpiresAt.IsZero() || !k.RevokedAt.IsZero() && k.RevokedAt.Time().Before(k.ExpiresAt.Time()) {
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
