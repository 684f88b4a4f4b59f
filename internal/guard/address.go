package guard

import (
	"net"
	"net/http"
	"net/netip"
	"slices"
)

// clientAddr returns the address of the client, or the zero Addr when it is not known. The sources
// are ClientIP, then the door, then the peer of the connection. Headers that a client can set are
// not trusted by default.
func (g *Guard) clientAddr(r *http.Request, door func(*http.Request) string) netip.Addr {
	var text string
	if m, _ := mounted(r); door == nil {
		door = m.ClientIP
	}
	switch {
	case g.ClientIP != nil:
		text = g.ClientIP(r)
	case door != nil:
		text = door(r)
	default:
		host, _, err := net.SplitHostPort(r.RemoteAddr)
		if err != nil {
			return netip.Addr{} // for example a Unix socket
		}
		text = host
	}
	addr, err := netip.ParseAddr(text)
	if err != nil {
		return netip.Addr{}
	}
	return addr.Unmap().WithZone("")
}

// within reports whether one of the networks contains the address. No network contains an unknown
// address.
func within(addr netip.Addr, networks []netip.Prefix) bool {
	return slices.ContainsFunc(networks, func(p netip.Prefix) bool { return p.Contains(addr) })
}
