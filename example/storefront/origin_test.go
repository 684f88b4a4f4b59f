package main

import (
	"slices"
	"strings"
	"testing"
)

// origins returns what readConfig makes of STORE_CORS.
func origins(value string) ([]string, error) {
	c, err := readConfig(func(name string) string {
		if name == "STORE_CORS" {
			return value
		}
		return ""
	})
	return c.storeOrigins, err
}

func TestOriginsAreWrittenAsBrowsersSendThem(t *testing.T) {
	for value, want := range map[string][]string{
		"":                                                      nil,
		" , ,":                                                  nil,
		"https://shop.example":                                  {"https://shop.example"},
		"https://Shop.example":                                  {"https://shop.example"},
		"HTTPS://SHOP.EXAMPLE":                                  {"https://shop.example"},
		"https://shop.example:443":                              {"https://shop.example"},
		"https://shop.example:0443":                             {"https://shop.example"},
		"https://shop.example:":                                 {"https://shop.example"},
		"http://shop.example:80":                                {"http://shop.example"},
		"http://shop.example:443":                               {"http://shop.example:443"},
		"https://shop.example:80":                               {"https://shop.example:80"},
		"https://shop.example:08443":                            {"https://shop.example:8443"},
		"http://localhost:8000":                                 {"http://localhost:8000"},
		"http://3dshop:8000":                                    {"http://3dshop:8000"},
		"http://my_shop.test":                                   {"http://my_shop.test"},
		"https://shop.example/":                                 {"https://shop.example"},
		"https://Shop.example:443/":                             {"https://shop.example"},
		"https://bücher.example":                                {"https://xn--bcher-kva.example"},
		"https://BÜCHER.example":                                {"https://xn--bcher-kva.example"},
		"https://b%C3%BCcher.example":                           {"https://xn--bcher-kva.example"},
		"https://straße.example":                                {"https://xn--strae-oqa.example"},
		"https://XN--BCHER-KVA.example":                         {"https://xn--bcher-kva.example"},
		"https://shop。example":                                  {"https://shop.example"},
		"http://127.0.0.1:8000":                                 {"http://127.0.0.1:8000"},
		"http://[::1]:8000":                                     {"http://[::1]:8000"},
		"http://[0:0:0:0:0:0:0:1]:80":                           {"http://[::1]"},
		"http://[2001:DB8:0:0:1:0:0:1]":                         {"http://[2001:db8::1:0:0:1]"},
		"http://[::ffff:10.0.0.1]":                              {"http://[::ffff:a00:1]"},
		"chrome-extension://abcdefghijklmnopabcdefghijklmnop":   {"chrome-extension://abcdefghijklmnopabcdefghijklmnop"},
		"moz-extension://0A1B2C3D-0000-4000-8000-000000000001/": {"moz-extension://0a1b2c3d-0000-4000-8000-000000000001"},
		"Safari-Web-Extension://0A1B2C3D-0000-4000-8000-000000000001":       {"safari-web-extension://0A1B2C3D-0000-4000-8000-000000000001"},
		"capacitor://localhost,ionic://localhost,tauri://LOCALHOST,app://.": {"capacitor://localhost", "ionic://localhost", "tauri://localhost", "app://."},
		" https://a.example , https://b.example,":                           {"https://a.example", "https://b.example"},
		"https://a.example,https://A.example:443/,http://a.example":         {"https://a.example", "http://a.example"},
	} {
		t.Run(value, func(t *testing.T) {
			got, err := origins(value)
			if err != nil || !slices.Equal(got, want) {
				t.Errorf("read as %q, %v, want %q", got, err, want)
			}
			for _, origin := range got { // what browsers send is taken as it stands
				if again, err := origins(origin); err != nil || !slices.Equal(again, []string{origin}) {
					t.Errorf("%s was read as %q, %v", origin, again, err)
				}
			}
		})
	}
}

func TestOriginsThatNeverMatchAreRefused(t *testing.T) {
	const (
		noScheme = "has no scheme: write https:// or http://"
		noName   = "has no host name that browsers take: write it"
		more     = "has a path, a query or a fragment, which an origin has not: write https://shop.example"
		userInfo = `entry 1, "…", holds an @, as before a user name or password: write an origin like`
		ipv4     = "has an IPv4 address in another form: write four decimal numbers"
		spaced   = "holds a space or a semicolon: separate origins with commas"
	)
	for value, want := range map[string]string{
		"*":                                         "is a pattern, and the answers allow credentials: write each origin",
		"https://*.shop.example":                    "is a pattern",
		"null":                                      "is sent by pages of files and sandboxes, anybody's: serve the page from a host",
		"shop.example":                              noScheme,
		"localhost:8000":                            noScheme,
		"//shop.example":                            noScheme,
		"://shop.example":                           noScheme,
		"https:shop.example":                        noScheme,
		"https:/shop.example":                       noScheme,
		`https:\\shop.example`:                      noScheme,
		"/shop/":                                    noScheme,
		"?":                                         noScheme,
		"https://":                                  "is no origin: write an origin like https://shop.example",
		"https:///":                                 "is no origin",
		"https://:443":                              noName,
		"htps://shop.example":                       "has a scheme that no page has: write https:// or http://",
		"ftp://shop.example":                        "has a scheme that no page has",
		"ws://shop.example":                         "is no origin of a page: write http://",
		"wss://shop.example":                        "is no origin of a page: write https://",
		"file:///home/index.html":                   "is no origin",
		"file://host":                               "browsers send null for pages of file",
		"https://shop.example/admin":                more,
		"https://Shop.example:443//":                more,
		"https://shop.example?":                     more,
		"https://shop.example/?token=geheim4711":    more,
		"https://shop.example#":                     more,
		"https://shop.example/#geheim4711":          more,
		"https://u:geheim4711@shop.example":         userInfo,
		"https://geheim4711@shop.example":           userInfo,
		"https://u:geheim4711/x@shop.example":       userInfo,
		"https://u:geheim4711,x@shop.example":       `"…", is no origin`,
		"u:geheim4711@shop.example":                 userInfo,
		"https://@shop.example":                     userInfo,
		"https://shop.example.":                     "has a dot behind its host, which browsers take for another origin: write it without",
		"https://shop.example。":                     "has a dot behind its host",
		"https://shop.example:0":                    "has a port that is not between 1 and 65535: write",
		"https://shop.example:65536":                "has a port that is not between",
		"https://shop.example:99999999999999999999": "has a port that is not between",
		"https://shop.example:x":                    "is no origin",
		"https://shop..example":                     noName,
		"https://.shop.example":                     noName,
		"https://.":                                 "has a dot behind",
		"https://" + strings.Repeat("a", 64):        noName,
		"https://shop!.example":                     noName,
		`https://shop.example\admin`:                "is no origin",
		`"https://shop.example"`:                    "is no origin",
		"https://xn--a.example":                     noName,
		"https://sh%6fp.example":                    "is no origin",
		"http://127.1":                              ipv4,
		"http://127.0.0.01":                         ipv4,
		"http://2130706433":                         ipv4,
		"http://0x7f.0.0.0x1":                       ipv4,
		"http://1.2.3.4.5":                          ipv4,
		"http://256.0.0.1":                          ipv4,
		"http://::1":                                "is no origin: write an origin like",
		"http://[::1%25eth0]":                       "has no IPv6 address in its brackets: write one without a zone",
		"http://[1.2.3.4]":                          "is no origin: write an origin like",
		"http://[::g]":                              "is no origin: write an origin like",
		"https://a.example https://b.example":       spaced,
		"https://a.example;https://b.example":       spaced,
		"chrome-extension://":                       "is no origin",
		"chrome-extension://abc:1":                  "has no name of an extension or app behind its scheme: write",
		"chrome-extension://abc/page.html":          "has a path, a query or a fragment, which an origin has not: write chrome-extension://abc",
	} {
		t.Run(value, func(t *testing.T) {
			for lead, entry := range map[string]string{"": "entry 1, ", "https://ok.example, ,": "entry 3, "} {
				got, err := origins(lead + value)
				if err == nil || got != nil || !strings.Contains(err.Error(), strings.TrimPrefix(want, "entry 1, ")) {
					t.Fatalf("read as %q, %v, want an error with %q", got, err, want)
				}
				if said := err.Error(); !strings.HasPrefix(said, "STORE_CORS: "+entry) || strings.Contains(said, "geheim4711") || strings.Contains(said, "\n") {
					t.Errorf("it says %q, want one line that begins with STORE_CORS: %s and shows no secret", said, entry)
				}
			}
		})
	}
}
