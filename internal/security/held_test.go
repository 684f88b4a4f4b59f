package security_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/latchkey-go/latchkey/store"
)

// held is a request of which all is sent but the last byte of its body.
type held struct {
	w    *world
	conn net.Conn
	last string
}

// hold sends a request as the key with that token, and returns when the guard has let it in.
func (w *world) hold(token, method, path, body string) *held {
	w.t.Helper()
	before := w.keys.Stats().Authenticated
	conn, err := net.Dial("tcp", strings.TrimPrefix(w.base, "http://"))
	w.must(err)
	w.t.Cleanup(func() { _ = conn.Close() })
	_, err = fmt.Fprintf(conn, "%s %s HTTP/1.1\r\nHost: x\r\nX-Api-Key: %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s",
		method, path, token, len(body), body[:len(body)-1])
	w.must(err)
	w.eventually("the guard let it in", func() bool { return w.keys.Stats().Authenticated > before })
	return &held{w: w, conn: conn, last: body[len(body)-1:]}
}

// finish sends the last byte and returns the answer.
func (h *held) finish() (int, http.Header, string) {
	h.w.t.Helper()
	_, err := io.WriteString(h.conn, h.last)
	h.w.must(err)
	answer, err := http.ReadResponse(bufio.NewReader(h.conn), nil)
	h.w.must(err)
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	h.w.must(err)
	return answer.StatusCode, answer.Header, string(body)
}

func TestRequirement31WhatWasHeldOpenIsJudgedWhenItHappens(t *testing.T) {
	bodies := map[string]string{ // every route that takes a body or changes something
		"POST /api-keys":                     `{"title":"child","type":"secret"}`,
		"POST /api-keys/revoke":              `{"title":"target"}`,
		"POST /api-keys/verify":              `{"token":"sk_x"}`,
		"POST /api-keys/self/revoke":         `{"revoke_in":60}`,
		"POST /api-keys/{id}":                `{"title":"renamed"}`,
		"POST /api-keys/{id}/revoke":         `{"revoke_in":1}`,
		"POST /api-keys/{id}/roll":           `{"revoke_in":1}`,
		"POST /api-keys/{id}/sales-channels": `{"add":["sc_1"]}`,
		"DELETE /api-keys/{id}":              `{}`,
	}
	const dead, narrowed = `{"type":"unauthorized","message":"Unauthorized"}`, `has been restricted since the request began`
	for _, d := range databases() {
		t.Run(d.name, func(t *testing.T) {
			url, _ := d.open(t)
			w := newWorld(t, url)
			t.Run("and every route is here", func(t *testing.T) {
				var described struct {
					Paths map[string]map[string]json.RawMessage `json:"paths"`
				}
				if err := json.Unmarshal([]byte(w.ask("GET", "/admin/openapi.json", "").body), &described); err != nil {
					t.Fatal(err)
				}
				for path, methods := range described.Paths {
					for method := range methods {
						pattern := strings.ToUpper(method) + " " + path
						if _, ok := bodies[pattern]; !ok && slices.Contains([]string{"post", "put", "patch", "delete"}, method) {
							t.Errorf("%s is missing", pattern)
						}
					}
				}
			})
			for pattern, body := range bodies {
				for _, what := range []string{"revoked", "deleted", "narrowed", "left alone"} {
					t.Run(pattern+" by a key that is "+what, func(t *testing.T) {
						w := &world{t: t, keys: w.keys, base: w.base}
						holder, err := w.keys.Create(t.Context(), store.NewKey{Type: store.Secret, Title: "holder"})
						w.must(err)
						target, err := w.keys.Create(t.Context(), store.NewKey{Type: store.Publishable, Title: "target"})
						w.must(err)
						if pattern == "DELETE /api-keys/{id}" {
							_, err = w.keys.Revoke(t.Context(), target.Key.ID)
							w.must(err)
						}
						method, path, _ := strings.Cut(strings.Replace(pattern, "{id}", target.Key.ID, 1), " ")
						h := w.hold(holder.Token.Reveal(), method, "/admin"+path, body)
						switch what {
						case "revoked", "deleted":
							_, err = w.keys.Revoke(t.Context(), holder.Key.ID)
							w.must(err)
							if what == "deleted" {
								w.must(w.keys.Delete(t.Context(), holder.Key.ID))
							}
						case "narrowed":
							few := []string{"keys:read", "keys:write", "keys:verify"}
							_, err = w.keys.Update(t.Context(), holder.Key.ID, store.Patch{Scopes: &few})
							w.must(err)
						}
						before, err := w.keys.Events(t.Context(), store.EventQuery{})
						w.must(err)
						status, header, said := h.finish()
						after, err := w.keys.Events(t.Context(), store.EventQuery{})
						w.must(err)

						changes := pattern != "POST /api-keys/verify"
						switch {
						case what == "left alone", what == "narrowed" && pattern == "POST /api-keys/self/revoke": // to end oneself is always allowed
							if status != 200 || changes != (len(after) > len(before)) {
								t.Errorf("answered %d %s, %d events were added", status, said, len(after)-len(before))
							}
						case what == "narrowed":
							if status != 403 || !strings.Contains(said, narrowed) || len(after) > len(before) {
								t.Errorf("answered %d %s, %d events were added", status, said, len(after)-len(before))
							}
						default:
							if status != 401 || said != dead || header.Get("WWW-Authenticate") != `Bearer error="invalid_token"` || len(after) > len(before) {
								t.Errorf("answered %d %s %v, %d events were added", status, said, header, len(after)-len(before))
							}
						}
					})
				}
			}
			t.Run("a narrowed key does not give itself back its scopes", func(t *testing.T) {
				w := &world{t: t, keys: w.keys, base: w.base}
				holder, err := w.keys.Create(t.Context(), store.NewKey{Type: store.Secret})
				w.must(err)
				h := w.hold(holder.Token.Reveal(), "POST", "/admin/api-keys/"+holder.Key.ID, `{"scopes":null}`)
				few := []string{"keys:write"}
				_, err = w.keys.Update(t.Context(), holder.Key.ID, store.Patch{Scopes: &few})
				w.must(err)
				if status, _, said := h.finish(); status != 403 {
					t.Errorf("answered %d %s", status, said)
				}
			})
		})
	}
}
