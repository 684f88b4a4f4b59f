package security_test

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"
	"math/big"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/latchkey-go/latchkey/store"
)

// everythingIn returns the bytes of all files below a folder.
func everythingIn(t *testing.T, dir string) []byte {
	t.Helper()
	var all []byte
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return nil // files of a running server come and go
		}
		read, err := os.ReadFile(path)
		if err != nil {
			return nil
		}
		all = append(append(all, "\n"+path+"\n"...), read...)
		return nil
	})
	if err != nil || len(all) == 0 {
		t.Fatalf("%d bytes in %s, %v", len(all), dir, err)
	}
	return all
}

// forms are all that a secret token could be found as.
func forms(token string) map[string][]byte {
	list := map[string][]byte{
		"as it is": []byte(token), "most of it": []byte(token[8 : len(token)-6]), "its end": []byte(token[len(token)-16:]),
		"in base64": []byte(base64.RawStdEncoding.EncodeToString([]byte(token))), "in base64 for URLs": []byte(base64.RawURLEncoding.EncodeToString([]byte(token))),
		"in hexadecimal": []byte(hex.EncodeToString([]byte(token))), "in capital hexadecimal": []byte(strings.ToUpper(hex.EncodeToString([]byte(token)))),
		"in two bytes each": []byte(strings.Join(strings.Split(token, ""), "\x00")),
	}
	body := token[strings.LastIndexByte(token, '_')+1:]
	if raw, err := hex.DecodeString(body); err == nil { // Medusa's form
		list["as bytes"] = raw
		return list
	}
	const base62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	n := new(big.Int)
	for _, c := range body[:43] {
		n.Add(n.Mul(n, big.NewInt(62)), big.NewInt(int64(strings.IndexRune(base62, c))))
	}
	raw := n.FillBytes(make([]byte, 32))
	list["as bytes"], list["as bytes in hexadecimal"] = raw, []byte(hex.EncodeToString(raw))
	return list
}

// A secret is in the answers of create and roll, once, and nowhere else: not in any other answer,
// the log at its most talkative, a panic, an error, the database's files, its log and its journal,
// nor in anything that was ever sent to Redis.
func TestRequirement02ASecretIsShownOnceAndIsNowhereElse(t *testing.T) {
	for _, d := range databases() {
		t.Run(d.name, func(t *testing.T) {
			dsn, contents := d.open(t)
			w := newWorld(t, dsn)
			sentToRedis := monitor(t, w.redis.Addr())
			var answers strings.Builder
			note := func(a reply) reply {
				fmt.Fprintln(&answers, a.status, a.header, a.body)
				return a
			}
			var secrets []string
			firstID, first := w.made(w.manage("POST", "/admin/api-keys", `{"title":"canary","type":"secret","metadata":{"a":"b"}}`))
			_, scoped := w.made(w.manage("POST", "/admin/api-keys", `{"title":"canary","type":"secret","scopes":["orders:read"]}`))
			use := func(token string) {
				t.Helper()
				secrets = append(secrets, token)
				basic := base64.StdEncoding.EncodeToString([]byte(token + ":"))
				for _, path := range []string{"/api", "/shop", "/scoped", "/panic", "/nowhere", "/admin/api-keys?q=canary&fields=+token,+scopes", "/admin/api-keys/self", "/admin/api-keys/report", "/admin/openapi.json"} {
					for _, lines := range [][]string{
						{"Authorization", "Bearer " + token}, {"Authorization", "Basic " + token}, {"Authorization", "Basic " + basic}, {"X-Api-Key", token},
						{"X-Publishable-Api-Key", token}, {"X-Api-Key", token, "Authorization", "Bearer " + w.admin}, {"X-Api-Key", token[:len(token)-1]},
						{"X-Api-Key", "pk" + token[2:]}, {"X-Api-Key", token + "x"}, {"X-Api-Key", token, "X-Request-Id", token}, {"Cookie", "key=" + token},
						{"X-Api-Key", token[:len(token)-1], "X-Request-Id", "id-" + token},
						{"Authorization", token}, {"Authorization", "Digest " + token},
					} {
						note(w.ask("GET", path, "", lines...))
					}
				}
				for _, body := range []string{`{"token":"` + token + `"}`, `{"token":{"` + token + `":1}}`, `{"` + token, token} {
					a := w.manage("POST", "/admin/api-keys/verify", body)
					if !strings.Contains(body, `{"token":{`) && !strings.HasPrefix(body, `{"sk`) { // answers tell the client which field of his is wrong
						note(a)
					}
				}
				for _, filter := range []string{"token=", "q=", "q=canary+", "token[]=pk_x&token[]=", "title=", "id=", "$or[0][token]=", "$and[0][id][]="} {
					note(w.manage("GET", "/admin/api-keys?"+filter+url.QueryEscape(token), ""))
				}
				for _, r := range [][2]string{{"GET", ""}, {"GET", "/events"}, {"POST", ""}, {"POST", "/revoke"}, {"POST", "/roll"}, {"DELETE", ""}} {
					w.manage(r[0], "/admin/api-keys/"+token+r[1], "") // the answer tells the client what he asked for
				}
				w.manage("POST", "/admin/api-keys/revoke", `{"token":"`+token+`","dry_run":true}`)
			}
			use(first)
			use(scoped)
			w.ask("POST", "/admin/api-keys/"+firstID, `{"title":"canary 2"}`, "X-Api-Key", w.admin, "X-Request-Id", "id-"+first) // goes into the audit log
			rolledID, rolled := w.made(w.manage("POST", "/admin/api-keys/"+firstID+"/roll", `{"revoke_in":3600}`))
			use(rolled)
			medusa := "sk_c41ab1e05f7d3b29806ea4d1f25c7b938e60da14b75f2c90e3a86d1b4f7052ce"
			if _, _, err := w.keys.ImportToken(t.Context(), medusa, store.NewKey{}); err != nil {
				t.Fatal(err)
			}
			use(medusa)
			for _, id := range []string{firstID, rolledID} {
				for _, r := range [][3]string{
					{"GET", "/admin/api-keys/" + id, ""}, {"GET", "/admin/api-keys/" + id + "/events", ""}, {"POST", "/admin/api-keys/" + id, `{"title":"renamed"}`},
					{"POST", "/admin/api-keys/" + id + "/revoke", ""}, {"POST", "/admin/api-keys/" + id + "/revoke", ""}, {"DELETE", "/admin/api-keys/" + id, ""},
				} {
					note(w.manage(r[0], r[1], r[2]))
				}
			}
			use(first) // revoked and deleted by now
			if _, err := w.db.ExecContext(t.Context(), "UPDATE latchkey_key SET scopes = NULL, proof = NULL"); err != nil {
				t.Fatal(err)
			}
			w.must(w.rdb.FlushAll(t.Context()).Err())
			for _, token := range []string{scoped, medusa, w.admin} { // what an alarm says
				fresh, err := store.Options{Sealer: w.sealer, Logger: newLogger(&w.log), FlushInterval: -1}.New(w.rows)
				w.must(err)
				if _, err := fresh.Authenticate(t.Context(), token); err == nil {
					t.Error("a forged row was let in")
				} else {
					fmt.Fprintf(&answers, "%v %+v %#v\n", err, err, err)
				}
			}
			w.must(w.rows.Close(t.Context()))
			w.gone = true
			note(w.ask("GET", "/api", "", "X-Api-Key", "sk_"+strings.Repeat("0", 64))) // a database that is gone
			note(w.ask("GET", "/admin/api-keys", "", "X-Api-Key", w.admin))

			secrets = append(secrets, w.admin)
			w.eventually("Redis was asked", func() bool {
				return strings.Contains(sentToRedis.String(), "mget") || strings.Contains(sentToRedis.String(), "MGET")
			})
			places := map[string][]byte{
				"an answer or an error": []byte(answers.String()), "the log": []byte(w.log.String()),
				"Redis": []byte(sentToRedis.String()), "the database": contents(), "the numbers of the cache": fmt.Appendf(nil, "%+v", w.cache.Stats()),
			}
			for name, text := range map[string]string{"the log": "panic", "Redis": "latchkey", "the database": "canary", "an answer or an error": "canary"} {
				if !bytes.Contains(bytes.ToLower(places[name]), []byte(text)) {
					t.Errorf("%q is not in %s: this test does not look where it should", text, name)
				}
			}
			for _, secret := range secrets {
				for form, bytesOf := range forms(secret) {
					for place, all := range places {
						if at := bytes.Index(all, bytesOf); at >= 0 {
							t.Errorf("a secret, %s, is in %s: …%q…", form, place, all[max(0, at-200):min(len(all), at+len(bytesOf)+50)])
						}
					}
				}
			}
		})
	}
}

// monitor records every command that a Redis server is sent.
func monitor(t *testing.T, addr string) *lockedBuffer {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	var sent lockedBuffer
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, _ = io.Copy(&sent, conn)
	}()
	t.Cleanup(func() {
		_ = conn.Close()
		<-done
	})
	if _, err := io.WriteString(conn, "MONITOR\r\n"); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(10 * time.Second); !strings.HasPrefix(sent.String(), "+OK"); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("Redis said %q", sent.String())
		}
	}
	return &sent
}
