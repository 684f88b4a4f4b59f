package main

import (
	"errors"
	"flag"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/latchkey-go/latchkey/admin/internal/medusa"
	"github.com/latchkey-go/latchkey/store"
)

// attribute describes one attribute of a key to the command line.
type attribute struct {
	// name and value are the member in JSON, as in the admin API. null is "not set" or, for a list,
	// "not restricted".
	name  string
	value func(view) any
	// label and text are the line in the table of one key. There is none without a label or if the
	// text is empty. If text is nil, the line shows value.
	label string
	text  func(view) string
	// flag and usage are the flag of create; set is called with each of its values.
	flag, usage string
	set         func(*store.NewKey, string) error
	// texts returns the list of a filter that the attribute must be in; the flag is called name.
	texts func(*store.Filter) *[]string
}

// attributes returns the table of attributes, in the order of JSON and of tables.
func attributes() []attribute {
	return []attribute{
		{name: "id", value: func(k view) any { return k.ID }, label: "id"},
		{
			name: "type", value: func(k view) any { return string(k.Type) }, label: "type",
			flag: "type", usage: "`TYPE` of the key, secret or publishable; required",
			set: func(n *store.NewKey, s string) error {
				n.Type = store.Type(s)
				return typeFlag().Set(s)
			},
		},
		{
			name: "title", value: func(k view) any { return k.Title }, label: "title",
			flag: "title", usage: "a `TEXT` that says what the key is for",
			set:   func(n *store.NewKey, s string) error { n.Title = s; return nil },
			texts: func(f *store.Filter) *[]string { return &f.Titles },
		},
		{
			name: "description", value: func(k view) any { return medusa.TextOrNull(k.Description) }, label: "description",
			flag: "description", usage: "a `TEXT` for people, of at most 1024 bytes",
			set:   func(n *store.NewKey, s string) error { n.Description = s; return nil },
			texts: func(f *store.Filter) *[]string { return &f.Descriptions },
		},
		{name: "status", value: func(k view) any { return status(k.Key, k.now) }, label: "status"},
		{name: "redacted", value: func(k view) any { return k.Redacted }},
		{name: "token", value: func(k view) any { return k.token }}, // rows adds its line
		{
			name: "scopes", value: func(k view) any { return k.Scopes },
			label: "scopes", text: func(k view) string { return listOr(k.Scopes, "unrestricted") },
			flag: "scope", usage: "a `SCOPE` of the key; can be repeated (default: unrestricted)",
			set: func(n *store.NewKey, s string) error { return appendText(&n.Scopes, s) },
		},
		{
			name: "sales_channel_ids", value: func(k view) any { return k.SalesChannelIDs },
			label: "sales channels", text: func(k view) string { return strings.Join(k.SalesChannelIDs, ", ") },
			flag: "channel", usage: "`ID` of a sales channel of a publishable key; can be repeated",
			set: func(n *store.NewKey, s string) error { return appendText(&n.SalesChannelIDs, s) },
		},
		{
			name: "metadata", value: func(k view) any { return k.Metadata },
			flag: "metadata", usage: "an entry, `NAME=VALUE`; can be repeated", set: setMetadata,
		},
		{
			name: "allowed_cidrs", value: func(k view) any { return k.AllowedCIDRs },
			label: "allowed networks", text: networksText,
			flag: "cidr", usage: "a `NETWORK` of allowed clients; can be repeated (default: any)", set: setNetwork,
		},
		{
			name: "rate_limit", value: rateValue, label: "rate limit", text: rateText,
			flag: "rate", usage: "limit of N requests per TIME, `N/TIME`: 100/1m (default: no limit)", set: setRate,
		},
		{name: "created_at", value: func(k view) any { return medusa.TimeOrNull(k.CreatedAt.Time()) }},
		{name: "updated_at", value: func(k view) any { return medusa.TimeOrNull(k.UpdatedAt.Time()) }},
		{ // createCommand has its flags
			name: "expires_at", value: func(k view) any { return medusa.TimeOrNull(k.ExpiresAt.Time()) },
			label: "expires", text: func(k view) string { return timeOr(k.ExpiresAt.Time(), "never") },
		},
		{ // may be in the future
			name: "revoked_at", value: func(k view) any { return medusa.TimeOrNull(k.RevokedAt.Time()) },
			label: "revoked", text: func(k view) string { return timeOr(k.RevokedAt.Time(), "") },
		},
		{name: "revoked_by", value: func(k view) any { return k.RevokedBy }},
		{name: "last_used_at", value: func(k view) any { return medusa.TimeOrNull(k.LastUsedAt.Time()) }},
		{name: "rolled_from", value: func(k view) any { return k.RolledFrom }, label: "rolled from"},
		{name: "created_by", value: func(k view) any { return k.CreatedBy }, label: "created by"},
		{name: "version", value: func(k view) any { return k.Version }},
	}
}

// setters defines the flags of create that set attributes of n.
func setters(flags *flag.FlagSet, n *store.NewKey) {
	for _, a := range attributes() {
		if a.set != nil {
			flags.Func(a.flag, a.usage, func(s string) error { return a.set(n, s) })
		}
	}
}

func appendText(list *[]string, s string) error {
	if s == "" {
		return errors.New("want a value")
	}
	*list = append(*list, s)
	return nil
}

func setMetadata(n *store.NewKey, s string) error {
	name, value, found := strings.Cut(s, "=")
	if !found || name == "" {
		return errors.New("want name=value")
	}
	if _, twice := n.Metadata[name]; twice {
		return errors.New("this name was already used")
	}
	if n.Metadata == nil {
		n.Metadata = make(map[string]string)
	}
	n.Metadata[name] = value
	return nil
}

func setNetwork(n *store.NewKey, s string) error {
	p, err := netip.ParsePrefix(s)
	// A zone may hold a slash: "fe80::1%eth0/64" is an address.
	if addr, addrErr := netip.ParseAddr(s); addrErr == nil && addr.Zone() == "" {
		p, err = netip.PrefixFrom(addr, addr.BitLen()), nil
	}
	if err != nil {
		return errors.New("want a network or an address: 192.0.2.0/24, 2001:db8::/32, 192.0.2.7")
	}
	if p != p.Masked() {
		return errors.New("bits are set to the right of the mask; did you mean " + p.Masked().String() + "?")
	}
	n.AllowedCIDRs = append(n.AllowedCIDRs, p)
	return nil
}

func networksText(k view) string {
	networks := make([]string, len(k.AllowedCIDRs))
	for i, p := range k.AllowedCIDRs {
		networks[i] = p.String()
	}
	return strings.Join(networks, ", ")
}

func setRate(n *store.NewKey, s string) error {
	requests, window, _ := strings.Cut(s, "/")
	count, err := strconv.Atoi(requests)
	length, spanErr := parseDuration(window)
	if err != nil || spanErr != nil || count <= 0 {
		return errors.New("want a number of requests and a length of time: 100/1m")
	}
	if length < time.Second || length%time.Millisecond != 0 {
		return errors.New("want a length of time of at least a second, in whole milliseconds")
	}
	n.RateLimit = store.RateLimit{Requests: count, Window: length}
	return nil
}

func rateValue(k view) any {
	if k.RateLimit == (store.RateLimit{}) {
		return nil
	}
	return map[string]any{"requests": k.RateLimit.Requests, "window": k.RateLimit.Window.Seconds()}
}

func rateText(k view) string {
	if k.RateLimit == (store.RateLimit{}) {
		return ""
	}
	return strconv.Itoa(k.RateLimit.Requests) + " per " + k.RateLimit.Window.String()
}
