package keyauth_test

import (
	"net/http"
	"net/netip"
	"testing"

	"github.com/latchkey-go/latchkey/store"
)

// TestAllowedNetworks holds the allow-list to every way in which an address and a network can be
// written.
func TestAllowedNetworks(t *testing.T) {
	rows := []struct {
		name     string
		networks []string
		peer     string // RemoteAddr
		allowed  bool
	}{
		{"an IPv4 network holds its first address", []string{"10.1.0.0/16"}, "10.1.0.0:1", true},
		{"an IPv4 network holds its last address", []string{"10.1.0.0/16"}, "10.1.255.255:1", true},
		{"an IPv4 network ends before the next", []string{"10.1.0.0/16"}, "10.2.0.0:1", false},
		{"an IPv4 network begins after the one before", []string{"10.1.0.0/16"}, "10.0.255.255:1", false},
		{"a single IPv4 address", []string{"203.0.113.9/32"}, "203.0.113.9:1", true},
		{"not the address beside it", []string{"203.0.113.9/32"}, "203.0.113.8:1", false},
		{"every IPv4 address", []string{"0.0.0.0/0"}, "203.0.113.9:1", true},
		{"every IPv4 address, but none of IPv6", []string{"0.0.0.0/0"}, "[2001:db8::1]:1", false},
		{"an IPv4 address that came mapped into IPv6", []string{"10.1.0.0/16"}, "[::ffff:10.1.2.3]:1", true},
		{"a mapped one of another network", []string{"10.1.0.0/16"}, "[::ffff:10.2.0.0]:1", false},
		{"a network that was written as mapped", []string{"::ffff:10.1.0.0/112"}, "10.1.2.3:1", true},
		{"a network that was written as mapped, for a mapped address", []string{"::ffff:10.1.0.0/112"}, "[::ffff:10.1.2.3]:1", true},
		{"a network that was written as mapped ends too", []string{"::ffff:10.1.0.0/112"}, "10.2.0.0:1", false},
		{"an IPv6 network holds its first address", []string{"2001:db8::/32"}, "[2001:db8::]:1", true},
		{"an IPv6 network holds its last address", []string{"2001:db8::/32"}, "[2001:db8:ffff:ffff:ffff:ffff:ffff:ffff]:1", true},
		{"an IPv6 network ends before the next", []string{"2001:db8::/32"}, "[2001:db9::]:1", false},
		{"an IPv6 network whose length is no multiple of eight", []string{"2001:db8:8000::/33"}, "[2001:db8:8000::1]:1", true},
		{"its other half", []string{"2001:db8:8000::/33"}, "[2001:db8:7fff::1]:1", false},
		{"a single IPv6 address, written in full", []string{"2001:db8::1/128"}, "[2001:0db8:0000:0000:0000:0000:0000:0001]:1", true},
		{"every IPv6 address, but none of IPv4", []string{"::/0"}, "203.0.113.9:1", false},
		{"every IPv6 address, but none of IPv4 that came mapped", []string{"::/0"}, "[::ffff:203.0.113.9]:1", false},
		{"an IPv6 address with a zone", []string{"fe80::/10"}, "[fe80::1%eth0]:1", true},
		{"an IPv6 address with a zone, of another network", []string{"fe80::/10"}, "[fec0::1%eth0]:1", false},
		{"the loopback of IPv6 is not that of IPv4", []string{"127.0.0.0/8"}, "[::1]:1", false},
		{"the second of several networks", []string{"10.0.0.0/8", "2001:db8::/32"}, "[2001:db8::1]:1", true},
		{"none of several networks", []string{"10.0.0.0/8", "2001:db8::/32"}, "192.0.2.1:1", false},
		{"no list", nil, "192.0.2.1:1", true},
		{"no list, and an address that is not known", nil, "@", true},
		{"an address with leading zeros, which some read as octal", []string{"0.0.0.0/0"}, "010.1.2.3:1", false},
		{"an address without a port", []string{"0.0.0.0/0"}, "10.1.2.3", false},
		{"a name", []string{"0.0.0.0/0", "::/0"}, "localhost:1", false},
		{"a Unix socket", []string{"0.0.0.0/0", "::/0"}, "@", false},
		{"nothing", []string{"0.0.0.0/0", "::/0"}, "", false},
	}
	w := newWorld(t)
	for _, row := range rows {
		var networks []netip.Prefix
		for _, text := range row.networks {
			networks = append(networks, netip.MustParsePrefix(text))
		}
		token := w.create(t, store.NewKey{Type: store.Secret, AllowedCIDRs: networks})
		for _, d := range doors() {
			t.Run(d.name+": "+row.name, func(t *testing.T) {
				want := http.StatusForbidden
				if row.allowed {
					want = http.StatusOK
				}
				if got := serve(d.open(t, w.config(store.Secret)), from(row.peer, token)); got.Code != want {
					t.Errorf("%v from %s: %d, want %d", row.networks, row.peer, got.Code, want)
				}
			})
		}
	}
}
