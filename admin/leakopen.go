package admin

import (
	"net/netip"
	"sync"
)

// The greatest numbers of open reports. Each takes up to a megabyte: its body and the read buffer.
const (
	maxOpen        = 4   // of one client
	maxOpenProxies = 64  // from all addresses that are probably proxies
	maxOpenAll     = 128 // in all
)

// openReports counts the reports that are being handled. The zero value is ready.
type openReports struct {
	mu      sync.Mutex
	clients map[netip.Prefix]int
	proxies int
	all     int
}

// enter counts a report and returns true, or false when there are too many.
func (o *openReports) enter(client netip.Prefix, proxy bool) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.all >= maxOpenAll || proxy && o.proxies >= maxOpenProxies || !proxy && o.clients[client] >= maxOpen {
		return false
	}
	o.all++
	if proxy {
		o.proxies++
		return true
	}
	if o.clients == nil {
		o.clients = make(map[netip.Prefix]int)
	}
	o.clients[client]++
	return true
}

// leave undoes enter.
func (o *openReports) leave(client netip.Prefix, proxy bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.all--
	if proxy {
		o.proxies--
		return
	}
	if o.clients[client]--; o.clients[client] == 0 {
		delete(o.clients, client)
	}
}
