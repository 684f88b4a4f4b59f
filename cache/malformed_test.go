package cache_test

import (
	"context"
	"encoding/base64"
	"errors"
	"strings"
	"testing"

	"github.com/latchkey-go/latchkey/cache"
	"github.com/latchkey-go/latchkey/store"
	"github.com/latchkey-go/latchkey/store/storetest/servers"
)

// What cannot be a token costs neither a statement nor a command of Redis.
func TestRequirement06MalformedTokensCostNothing(t *testing.T) {
	rdb, sent := client(t, servers.NewRedis(t).Addr())
	rows := &spy{Store: store.NewMemory()}
	c := open(t, cache.Options{Lease: quiet}, rows, rdb)
	keys := keysOver(t, c, nil)
	made, err := keys.Create(t.Context(), store.NewKey{Type: store.Secret})
	if err != nil {
		t.Fatal(err)
	}
	ready(t, c)
	good := made.Token.Reveal()
	bad := []string{
		"", "sk_", "pk_", good[:len(good)-1], good + "0", " " + good, good + "\n", "SK" + good[2:], "rk" + good[2:], strings.ToUpper(good),
		good[:20] + "é" + good[22:], "ｓｋ" + good[2:], good[:10] + "\x00" + good[11:], strings.Repeat("sk_", 43), "sk_" + strings.Repeat("0", 126), strings.Repeat("a", 1<<16),
		"sk_" + strings.Repeat("0", 63) + "g", base64.StdEncoding.EncodeToString([]byte(good)), "eyJhbGciOiJIUzI1NiJ9.e30.x",
	}
	for i := range good { // the checksum covers every character, its own too
		other := byte('0')
		if good[i] == '0' {
			other = '1'
		}
		bad = append(bad, good[:i]+string(other)+good[i+1:])
	}
	statements, commands := rows.lookups.Load(), sent.of("mget")+sent.of("get")+sent.of("evalsha")
	for _, token := range bad {
		if _, err := keys.Authenticate(context.Background(), token); !errors.Is(err, store.ErrMalformed) {
			t.Errorf("%.80q: %v", token, err)
		}
	}
	want(t, "statements", rows.lookups.Load()-statements, int64(0))
	want(t, "commands", sent.of("mget")+sent.of("get")+sent.of("evalsha")-commands, 0)
	if _, err := keys.Authenticate(context.Background(), "sk_"+strings.Repeat("0", 64)); !errors.Is(err, store.ErrUnknownToken) {
		t.Errorf("well-formed: %v", err)
	}
	want(t, "statements for what is well-formed", rows.lookups.Load()-statements, int64(1))
}
