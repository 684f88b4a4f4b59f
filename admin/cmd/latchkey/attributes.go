package main

import (
	"errors"
	"flag"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/latchkey-go/latchkey/store"
)

// attribute is all that the command line knows of one attribute of a key.
type attribute struct {
	// name and value are a member of the key in JSON, in the names and forms of the admin routes;
	// null is "not set" and, for lists, "not restricted".
	name  string
	value func(view) any
	// label and text are a line in the table of one key. label "": there is none; text nil: value,
	// as it is. A line without text is left out.
	label string
	text  func(view) string
	// flag and usage are a flag of create, and set is what it does, each time that it is given.
	flag, usage string
	set         func(*store.NewKey, string) error
	// texts is where a filter has the texts that the attribute may be, by a flag of that name.
	texts func(*store.Filter) *[]string
}

// attributes returns them in the order of JSON and of tables.
func attributes() []attribute {
	return []attribute{
		{name: "id", value: func(k view) any { return k.ID }, label: "id"},
		{
			name: "type", value: func(k view) any { return string(k.Type) }, label: "type",
			flag: "type", usage: "`TYPE` of the key, secret or publishable; required",
			set: func(n *store.NewKey, s string) error {
				n.Type = store.Type(s)
				return oneType().Set(s)
			},
		},
		{
			name: "title", value: func(k view) any { return k.Title }, label: "title",
			flag: "title", usage: "a `TEXT` that says what the key is for",
			set:   func(n *store.NewKey, s string) error { n.Title = s; return nil },
			texts: func(f *store.Filter) *[]string { return &f.Titles },
		},
		{
			name: "description", value: func(k view) any { return textOrNull(k.Description) }, label: "description",
			flag: "description", usage: "a `TEXT` for people, of at most 1024 bytes",
			set:   func(n *store.NewKey, s string) error { n.Description = s; return nil },
			texts: func(f *store.Filter) *[]string { return &f.Descriptions },
		},
		{name: "status", value: func(k view) any { return status(k.Key, k.now) }, label: "status"}, // active, revoked, expired
		{name: "redacted", value: func(k view) any { return k.Redacted }},
		{name: "token", value: func(k view) any { return k.token }}, // the last line of a table: see rows
		{
			name: "scopes", value: func(k view) any { return k.Scopes },
			label: "scopes", text: func(k view) string { return listOr(k.Scopes, "unrestricted") },
			flag: "scope", usage: "a `SCOPE` that it has; may be repeated (default: unrestricted)",
			set: func(n *store.NewKey, s string) error { return appendText(&n.Scopes, s) },
		},
		{
			name: "sales_channel_ids", value: func(k view) any { return k.SalesChannelIDs },
			label: "sales channels", text: func(k view) string { return strings.Join(k.SalesChannelIDs, ", ") },
			flag: "channel", usage: "`ID` of a sales channel of a publishable key; may be repeated",
			set: func(n *store.NewKey, s string) error { return appendText(&n.SalesChannelIDs, s) },
		},
		{
			name: "metadata", value: func(k view) any { return k.Metadata },
			flag: "metadata", usage: "an entry, `NAME=VALUE`; may be repeated", set: setMetadata,
		},
		{
			name: "allowed_cidrs", value: func(k view) any { return k.AllowedCIDRs },
			label: "allowed networks", text: networksText,
			flag: "cidr", usage: "a `NETWORK` of clients that it may be used from; may be repeated (default: any)", set: setNetwork,
		},
		{
			name: "rate_limit", value: rateValue, label: "rate limit", text: rateText,
			flag: "rate", usage: "at most so many requests in so much time, `N/TIME`: 100/1m (default: no limit)", set: setRate,
		},
		{name: "created_at", value: func(k view) any { return timeOrNull(k.CreatedAt.Time()) }},
		{name: "updated_at", value: func(k view) any { return timeOrNull(k.UpdatedAt.Time()) }},
		{ // its two flags depend on one another: see create
			name: "expires_at", value: func(k view) any { return timeOrNull(k.ExpiresAt.Time()) },
			label: "expires", text: func(k view) string { return timeOr(k.ExpiresAt.Time(), "never") },
		},
		{ // may lie ahead
			name: "revoked_at", value: func(k view) any { return timeOrNull(k.RevokedAt.Time()) },
			label: "revoked", text: func(k view) string { return timeOr(k.RevokedAt.Time(), "") },
		},
		{name: "revoked_by", value: func(k view) any { return k.RevokedBy }},
		{name: "last_used_at", value: func(k view) any { return timeOrNull(k.LastUsedAt.Time()) }},
		{name: "rolled_from", value: func(k view) any { return k.RolledFrom }, label: "rolled from"},
		{name: "created_by", value: func(k view) any { return k.CreatedBy }, label: "created by"},
		{name: "version", value: func(k view) any { return k.Version }},
	}
}

// setters declares the flags of create that set attributes of n.
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
		return errors.New("this name is given twice")
	}
	if n.Metadata == nil {
		n.Metadata = make(map[string]string)
	}
	n.Metadata[name] = value
	return nil
}

func setNetwork(n *store.NewKey, s string) error {
	p, err := netip.ParsePrefix(s)
	if addr, addrErr := netip.ParseAddr(s); addrErr == nil && addr.Zone() == "" { // "fe80::1%eth0/64" is an address in the zone "eth0/64"
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
	length, spanErr := parseSpan(window)
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
