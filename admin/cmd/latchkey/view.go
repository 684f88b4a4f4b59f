package main

import (
	"cmp"
	"errors"
	"net/netip"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/latchkey-go/latchkey/store"
)

// keyView is a key as it is shown. Names and forms are those of the admin routes; null is "not set" and, for lists, "not restricted".
type keyView struct {
	ID              string            `json:"id"`
	Type            string            `json:"type"`
	Title           string            `json:"title"`
	Status          string            `json:"status"` // active, revoked, expired
	Redacted        string            `json:"redacted"`
	Token           string            `json:"token,omitempty"` // of a publishable key; of a secret one only where it has just been made
	Scopes          []string          `json:"scopes"`
	SalesChannelIDs []string          `json:"sales_channel_ids"`
	Metadata        map[string]string `json:"metadata"`
	AllowedCIDRs    []netip.Prefix    `json:"allowed_cidrs"`
	RateLimit       *rateView         `json:"rate_limit"`
	CreatedBy       string            `json:"created_by"`
	CreatedAt       *string           `json:"created_at"`
	UpdatedAt       *string           `json:"updated_at"`
	ExpiresAt       *string           `json:"expires_at"`
	RevokedAt       *string           `json:"revoked_at"` // may lie ahead
	RevokedBy       string            `json:"revoked_by"`
	LastUsedAt      *string           `json:"last_used_at"`
	RolledFrom      string            `json:"rolled_from"`
	Version         int64             `json:"version"`
}

type rateView struct {
	Requests int     `json:"requests"`
	Window   float64 `json:"window"` // seconds
}

func view(k *store.Key, now time.Time) keyView {
	v := keyView{
		ID: k.ID, Type: string(k.Type), Title: k.Title, Status: status(k, now), Redacted: k.Redacted, Token: k.Token,
		Scopes: k.Scopes, SalesChannelIDs: k.SalesChannelIDs, Metadata: k.Metadata, AllowedCIDRs: k.AllowedCIDRs,
		CreatedBy: k.CreatedBy, CreatedAt: timeOrNull(k.CreatedAt.Time()), UpdatedAt: timeOrNull(k.UpdatedAt.Time()), ExpiresAt: timeOrNull(k.ExpiresAt.Time()),
		RevokedAt: timeOrNull(k.RevokedAt.Time()), RevokedBy: k.RevokedBy, LastUsedAt: timeOrNull(k.LastUsedAt.Time()),
		RolledFrom: k.RolledFrom, Version: k.Version,
	}
	if k.RateLimit != (store.RateLimit{}) {
		v.RateLimit = &rateView{Requests: k.RateLimit.Requests, Window: k.RateLimit.Window.Seconds()}
	}
	return v
}

func views(keys []*store.Key, now time.Time) []keyView {
	all := make([]keyView, len(keys))
	for i, k := range keys {
		all[i] = view(k, now)
	}
	return all
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

// fieldRows is a table of one key, a field a line, and of its token where that is to be shown.
func fieldRows(k *store.Key, token string, now time.Time) [][]string {
	rows := [][]string{
		{"id", k.ID},
		{"type", string(k.Type)},
		{"title", k.Title},
		{"status", status(k, now)},
		{"scopes", listOr(k.Scopes, "unrestricted")},
	}
	optional := func(name, value string) {
		if value != "" {
			rows = append(rows, []string{name, value})
		}
	}
	optional("sales channels", strings.Join(k.SalesChannelIDs, ", "))
	var networks []string
	for _, p := range k.AllowedCIDRs {
		networks = append(networks, p.String())
	}
	optional("allowed networks", strings.Join(networks, ", "))
	if k.RateLimit != (store.RateLimit{}) {
		optional("rate limit", strconv.Itoa(k.RateLimit.Requests)+" per "+k.RateLimit.Window.String())
	}
	rows = append(rows, []string{"expires", timeOr(k.ExpiresAt.Time(), "never")})
	optional("revoked", timeOr(k.RevokedAt.Time(), ""))
	optional("rolled from", k.RolledFrom)
	optional("created by", k.CreatedBy)
	optional("token", token)
	return rows
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
