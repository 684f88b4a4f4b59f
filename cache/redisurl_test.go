package cache_test

import (
	"strings"
	"testing"

	"github.com/latchkey-go/latchkey/cache"
)

func TestParseRedisURL(t *testing.T) {
	for _, c := range []struct {
		url, addrs, user, password, master string
		db                                 int
		tls, cluster                       bool
	}{
		{url: "redis://h", addrs: "h:6379"},
		{url: "redis://h:1/3", addrs: "h:1", db: 3},
		{url: "redis://u:p%40s@h:1", addrs: "h:1", user: "u", password: "p@s"},
		{url: "redis://:p@[::1]:2/0", addrs: "[::1]:2", password: "p"},
		{url: "rediss://h", addrs: "h:6379", tls: true},
		{url: "redis://u:p@a:1,b,[::1]", addrs: "a:1 b:6379 [::1]:6379", user: "u", password: "p"},
		{url: "redis+cluster://h", addrs: "h:6379", cluster: true},
		{url: "rediss+cluster://h", addrs: "h:6379", cluster: true, tls: true},
		{url: "redis+sentinel://a,b:7/main", addrs: "a:26379 b:7", master: "main"},
		{url: "redis+sentinel://u:p@a/main/2?sentinel_password=x", addrs: "a:26379", user: "u", password: "p", master: "main", db: 2},
	} {
		t.Run(c.url, func(t *testing.T) {
			o, err := cache.ParseRedisURL(c.url)
			if err != nil {
				t.Fatal(err)
			}
			if got := strings.Join(o.Addrs, " "); got != c.addrs {
				t.Errorf("addresses %s, want %s", got, c.addrs)
			}
			if o.Username != c.user || o.Password != c.password || o.MasterName != c.master || o.DB != c.db || o.IsClusterMode != c.cluster {
				t.Errorf("got user %q, password %q, master %q, database %d, cluster %v", o.Username, o.Password, o.MasterName, o.DB, o.IsClusterMode)
			}
			if (o.TLSConfig != nil) != c.tls {
				t.Errorf("TLS is %v, want %v", o.TLSConfig != nil, c.tls)
			}
			if o.TLSConfig != nil && (o.TLSConfig.ServerName == "h") == c.cluster {
				t.Errorf("the server's name is %q", o.TLSConfig.ServerName)
			}
			if o.ReadTimeout == 0 || o.MaxRetries != -1 {
				t.Error("the recommended options are not set")
			}
		})
	}
}

func TestParseRedisURLRefusesWithoutShowingPasswords(t *testing.T) {
	for _, url := range []string{
		"", "hunter2", "http://hunter2@h", "redis+x://h", "redis://:hunter2@h:port", "redis://:hunter2%zz@h", "redis://:hunter2@h/first", "redis://:hunter2@h/-1",
		"redis://:hunter2@h:1,", "redis://:hunter2@", "redis+sentinel://:hunter2@h", "redis://h?hunter=2", "redis://h?%zz", "redis://:hunter2@h:99999",
	} {
		if o, err := cache.ParseRedisURL(url); err == nil || strings.Contains(err.Error(), "hunter2") || strings.Contains(err.Error(), "\n") {
			t.Errorf("%q: %v, %v; want one line without the password", url, o, err)
		}
	}
}
