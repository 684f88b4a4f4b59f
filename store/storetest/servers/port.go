package servers

import (
	"errors"
	"math/rand/v2"
	"net"
	"strconv"
)

// freePort returns a loopback port that nobody listens on. It lies below the range from which systems take the ports of outgoing
// connections (32768 and up), so that it is still free when a server is stopped and started again on it.
func freePort() (int, error) {
	const lowest, ports, tries = 20000, 12000, 100
	var err error
	for range tries {
		port := lowest + rand.IntN(ports)
		var l net.Listener
		if l, err = net.Listen("tcp", loopback(port)); err == nil {
			return port, l.Close()
		}
	}
	return 0, errors.Join(errors.New("find a free port"), err)
}

func loopback(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }
