package cache

import (
	"cmp"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"

	"github.com/redis/go-redis/v9"
)

// ParseRedisURL returns the options of a UniversalClient for a URL, with RecommendedRedisOptions
// applied. Its errors are one line and contain no part of a password.
//
//	redis://user:password@host:6379/0                        one server, database 0
//	redis://user:password@host1:6379,host2:6379              a Cluster, by some of its nodes
//	redis+cluster://host:6379                                a Cluster, by a single address
//	redis+sentinel://user:password@host1:26379,host2:26379/mymaster?sentinel_password=…
//
// rediss:// (rediss+cluster://, rediss+sentinel://) is the same over TLS. This function splits the
// text itself because net/url does not accept a list of hosts.
func ParseRedisURL(s string) (*redis.UniversalOptions, error) {
	scheme, rest, _ := strings.Cut(s, "://")
	security, kind, _ := strings.Cut(scheme, "+")
	if security != "redis" && security != "rediss" || kind != "" && kind != "cluster" && kind != "sentinel" {
		return nil, errors.New("must begin with redis:// or rediss://, or with redis+cluster:// or redis+sentinel://")
	}
	rest, query, _ := strings.Cut(rest, "?")
	rest, path, _ := strings.Cut(rest, "/")
	at := strings.LastIndex(rest, "@")

	o := &redis.UniversalOptions{IsClusterMode: kind == "cluster"}
	port := "6379"
	if kind == "sentinel" {
		port = "26379"
		o.MasterName, path, _ = strings.Cut(path, "/")
		if o.MasterName == "" {
			return nil, errors.New("must name the primary after the Sentinels: " +
				"redis+sentinel://host:26379,host:26379/mymaster")
		}
	}
	var err error
	if path != "" {
		if o.DB, err = strconv.Atoi(path); err != nil || o.DB < 0 {
			return nil, errors.New("must end in the number of a database, or in the host: redis://host:6379/0")
		}
	}
	if at >= 0 {
		user, err := url.Parse("redis://" + rest[:at] + "@host") // url.Parse decodes %XX
		if err != nil {
			return nil, errors.New("has a user name or password that cannot be parsed: write special characters as %XX")
		}
		o.Username = user.User.Username()
		o.Password, _ = user.User.Password()
	}
	parameters, err := url.ParseQuery(query)
	if err != nil {
		return nil, errors.New("has parameters that cannot be parsed")
	}
	for name, values := range parameters {
		switch {
		case kind == "sentinel" && name == "sentinel_username":
			o.SentinelUsername = values[0]
		case kind == "sentinel" && name == "sentinel_password":
			o.SentinelPassword = values[0]
		default:
			return nil, fmt.Errorf("has a parameter %.50q that is not supported", name)
		}
	}
	for host := range strings.SplitSeq(rest[at+1:], ",") {
		address, err := withPort(host, port)
		if err != nil {
			return nil, err
		}
		o.Addrs = append(o.Addrs, address)
		if security == "rediss" {
			name, _, _ := net.SplitHostPort(address)
			o.TLSConfig = &tls.Config{ServerName: name, MinVersion: tls.VersionTLS12}
		}
	}
	if o.TLSConfig != nil && len(o.Addrs)+len(kind) > 1 {
		o.TLSConfig.ServerName = "" // each node has its own
	}
	RecommendedRedisOptions(o)
	return o, nil
}

// withPort returns host:port for "host", "host:port", "[::1]" and "[::1]:port".
func withPort(host, port string) (string, error) {
	u, err := url.Parse("redis://" + host)
	if err != nil || u.Hostname() == "" || u.Host != host {
		return "", errors.New("holds a host that cannot be parsed: use host:port, with commas between several")
	}
	n, err := strconv.Atoi(cmp.Or(u.Port(), port))
	if err != nil || n < 1 || n > 65535 {
		return "", errors.New("holds a port that is not between 1 and 65535")
	}
	return net.JoinHostPort(u.Hostname(), strconv.Itoa(n)), nil
}
