package main

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/net/idna"
)

// parseOrigins reads origins separated by commas into what browsers send in the header Origin, which
// is compared byte by byte. What says the same in another way is rewritten as the URL standard
// serializes it. What no browser sends is an error, since it would be without effect, and so is what
// says more than an origin, since it would allow more than it says. Empty entries are left out.
func parseOrigins(s string) ([]string, error) {
	var found []string
	for i, entry := range strings.Split(s, ",") {
		if entry = strings.TrimSpace(entry); entry == "" {
			continue
		}
		origin, err := parseOrigin(entry)
		if err != nil {
			shown := entry
			if at := strings.IndexAny(entry, "?#"); at >= 0 {
				shown = entry[:at] + "…"
			}
			if strings.Contains(s, "@") { // there may be a password before it
				shown = "…"
			}
			return nil, fmt.Errorf("entry %d, %.100q, %w", i+1, shown, err)
		}
		if !slices.Contains(found, origin) {
			found = append(found, origin)
		}
	}
	return found, nil
}

const (
	likeThis = "write an origin like https://shop.example or http://localhost:8000"
	fromHost = "serve the page from a host and write its origin"
	asShown  = "as the browser shows it in location.origin"
)

// parseOrigin returns the origin of one entry. Its errors never repeat what may be a password.
func parseOrigin(entry string) (string, error) {
	switch {
	case entry == "null":
		return "", errors.New("is sent by pages of files and sandboxes, anybody's: " + fromHost)
	case strings.Contains(entry, "*"):
		return "", errors.New("is a pattern, and the answers allow credentials: write each origin by itself")
	case strings.Contains(entry, "@"):
		return "", errors.New("holds an @, as before a user name or password: " + likeThis)
	case strings.ContainsAny(entry, " \t\r\n;"):
		return "", errors.New("holds a space or a semicolon: separate origins with commas")
	case !strings.Contains(entry, "://") || strings.HasPrefix(entry, "://"):
		return "", errors.New("has no scheme: write https:// or http:// in front of the host")
	}
	u, err := url.Parse(entry)
	if err != nil || u.Host == "" {
		return "", errors.New("is no origin: " + likeThis)
	}
	host, err := originHost(u)
	if err != nil {
		return "", err
	}
	origin := u.Scheme + "://" + host
	if u.Path != "" && u.Path != "/" || strings.ContainsAny(entry, "?#") {
		return "", fmt.Errorf("has a path, a query or a fragment, which an origin has not: write %s", origin)
	}
	return origin, nil
}

// originHost returns host and port as the scheme writes them.
func originHost(u *url.URL) (string, error) {
	switch u.Scheme {
	case "http", "https":
	case "chrome-extension", "moz-extension", "safari-web-extension", "capacitor", "ionic", "tauri", "app":
		return appHost(u)
	case "file", "data", "blob", "about":
		return "", fmt.Errorf("is no origin, as browsers send null for pages of %s: %s", u.Scheme, fromHost)
	case "ws", "wss":
		return "", fmt.Errorf("is no origin of a page: write %s://", strings.Replace(u.Scheme, "ws", "http", 1))
	default:
		return "", errors.New("has a scheme that no page has: write https:// or http://")
	}
	host, err := webHost(u)
	if err != nil || u.Port() == "" {
		return host, err
	}
	port, err := strconv.Atoi(u.Port())
	if err != nil || port < 1 || port > 65535 {
		return "", errors.New("has a port that is not between 1 and 65535: write the port of the page, or none")
	}
	if port == map[string]int{"http": 80, "https": 443}[u.Scheme] {
		return host, nil
	}
	return host + ":" + strconv.Itoa(port), nil
}

// appHost returns the name of an extension or app. The URL standard has no rule for how it is written:
// browsers write it in lower case, but Safari writes the UUIDs of its extensions in capitals.
func appHost(u *url.URL) (string, error) {
	if strings.Trim(strings.ToLower(u.Host), "abcdefghijklmnopqrstuvwxyz0123456789.-_") != "" {
		return "", errors.New("has no name of an extension or app behind its scheme: write scheme://name " + asShown)
	}
	if u.Scheme == "safari-web-extension" {
		return u.Host, nil
	}
	return strings.ToLower(u.Host), nil
}

// hostNames is what browsers do to a host name, and what DNS allows of it.
var hostNames = idna.New(
	idna.MapForLookup(),
	idna.Transitional(false),
	idna.CheckHyphens(false),
	idna.StrictDomainName(false),
	idna.VerifyDNSLength(true),
)

// webHost returns the host of a page: an address in its short form, or a name in lower case and ASCII.
func webHost(u *url.URL) (string, error) {
	if strings.HasPrefix(u.Host, "[") {
		addr, err := netip.ParseAddr(u.Hostname())
		switch {
		case err != nil || !addr.Is6() || addr.Zone() != "":
			return "", errors.New("has no IPv6 address in its brackets: write one without a zone, like http://[::1]:8000")
		case addr.Is4In6(): // the URL standard writes no dots in it
			b := addr.As16()
			return fmt.Sprintf("[::ffff:%x:%x]", int(b[12])<<8|int(b[13]), int(b[14])<<8|int(b[15])), nil
		}
		return "[" + addr.String() + "]", nil
	}
	host, err := hostNames.ToASCII(u.Hostname())
	if strings.HasSuffix(host, ".") {
		return "", errors.New("has a dot behind its host, which browsers take for another origin: write it without the dot")
	}
	if err != nil || host == "" || strings.Trim(host, "abcdefghijklmnopqrstuvwxyz0123456789.-_") != "" {
		return "", errors.New("has no host name that browsers take: write it " + asShown + ", in ASCII (xn--…)")
	}
	// Browsers take a name whose last part is a number for an IPv4 address, in many forms.
	last := host[strings.LastIndex(host, ".")+1:]
	hex, isHex := strings.CutPrefix(last, "0x")
	if strings.Trim(last, "0123456789") != "" && !(isHex && strings.Trim(hex, "0123456789abcdef") == "") {
		return host, nil
	}
	if addr, err := netip.ParseAddr(host); err != nil || !addr.Is4() {
		return "", errors.New("has an IPv4 address in another form: write four decimal numbers, like http://127.0.0.1:8000")
	}
	return host, nil
}
