package store_test

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/latchkey-go/latchkey/store"
)

// aToken returns a token of a new secret key, in a namespace if one is named.
func aToken(t *testing.T, namespace string) string {
	t.Helper()
	keys, err := store.Options{Namespace: namespace, FlushInterval: -1}.New(store.NewMemory())
	if err != nil {
		t.Fatal(err)
	}
	made, err := keys.Create(t.Context(), store.NewKey{Type: store.Secret})
	if err != nil {
		t.Fatal(err)
	}
	return made.Token.Reveal()
}

// tokens are one of each form.
func tokens(t *testing.T) map[string]string {
	t.Helper()
	return map[string]string{
		"our form": aToken(t, ""), "the shortest namespace": aToken(t, "ab"), "the longest namespace": aToken(t, "abcdefghijkl"),
		"Medusa's form": medusaSecret,
	}
}

// placements are texts that hold the token.
func placements(token string) map[string]string {
	escaped := strings.Replace(token, "sk_", "sk%5F", 1)
	return map[string]string{
		"whole": token, "something before": "x" + token, "a word before": "key: " + token, "something behind": token + "x", "digits behind": token + "00",
		"both": "(" + token + ").", "a token before": token + token, "a beginning before": "sk_sk_ab_" + token, "a namespace before": "sk_abc_" + token,
		"escaped": escaped, "escaped, and a broken escape": "%zz" + escaped + "%", "escaped twice": url.QueryEscape(escaped),
		"every byte escaped": everyByte(token), "in an address": "https://x.example/?a=b&key=" + token + "&c=d",
	}
}

func everyByte(s string) string {
	var b strings.Builder
	for i := range len(s) {
		fmt.Fprintf(&b, "%%%02X", s[i])
	}
	return b.String()
}

func TestRequirement36ATokenIsFoundWhereverItStands(t *testing.T) {
	for form, token := range tokens(t) {
		for where, text := range placements(token) {
			if !store.HoldsSecret(text) {
				t.Errorf("%s, %s: not found", form, where)
			}
			if redacted := store.RedactTokens(text); store.HoldsSecret(redacted) || strings.Contains(redacted, token[len(token)-40:]) {
				t.Errorf("%s, %s: redacted to %q", form, where, redacted)
			}
			told := fmt.Sprint(store.Errorf(store.ErrInvalid, "Field '%s' is wrong", text))
			if store.HoldsSecret(told) || told == "" {
				t.Errorf("%s, %s: an error says %q", form, where, told)
			}
		}
		for name, text := range map[string]string{
			"the beginning": token[:len(token)-1], "the end": token[1:], "another last character": token[:len(token)-1] + "!",
			"publishable": "pk" + token[2:], "in capitals": strings.ToUpper(token), "a line break inside": token[:20] + "\n" + token[20:],
		} {
			if store.HoldsSecret(text) {
				t.Errorf("%s, %s: taken for a token", form, name)
			}
		}
	}
	for _, text := range []string{
		"", "sk_", "task_runner", "desk_" + strings.Repeat("a", 60), "sk_live_" + strings.Repeat("x", 49), "100 % of sk_ab_", "sk_" + strings.Repeat("0", 63),
		"sk_abc***xyz", strings.Repeat("sk_", 100), "sk_" + strings.Repeat("0", 49),
	} {
		if store.HoldsSecret(text) || fmt.Sprint(store.Errorf(store.ErrInvalid, "%s", text)) != text {
			t.Errorf("%q is taken for a token", text)
		}
	}
}

// All verbs, each of their texts, and all placements: nothing of the token is asked or written.
func TestRequirement36NoVerbPassesATokenToTheStore(t *testing.T) {
	for form, token := range tokens(t) {
		rows := &overheard{Store: store.NewMemory()}
		keys := store.New(rows)
		t.Cleanup(func() { _ = keys.Close(context.Background()) })
		public, err := keys.Create(t.Context(), store.NewKey{Type: store.Publishable, Title: "canary"})
		if err != nil {
			t.Fatal(err)
		}
		for where, text := range placements(token) {
			ctx, id := t.Context(), public.Key.ID
			refused := func(verb string, err error) {
				t.Helper()
				if !errors.Is(err, store.ErrInvalid) || !strings.Contains(err.Error(), "holds a secret token") || store.HoldsSecret(err.Error()) {
					t.Errorf("%s, %s, %s: %v", form, where, verb, err)
				}
			}
			for name, n := range map[string]store.NewKey{
				"title": {Title: text}, "scope": {Scopes: []string{"a", text}}, "channel": {SalesChannelIDs: []string{text}},
				"metadata": {Metadata: map[string]string{"a": text}}, "metadata's name": {Metadata: map[string]string{text: "a"}},
			} {
				n.Type = store.Publishable
				_, err := keys.Create(ctx, n)
				refused("Create with a "+name, err)
				_, _, err = keys.ImportToken(ctx, "pk"+aToken(t, "")[2:], n)
				if !errors.Is(err, store.ErrInvalid) {
					t.Errorf("ImportToken with a %s: %v", name, err)
				}
				for verb, update := range map[string]func(store.Patch) error{
					"Update":    func(p store.Patch) error { _, err := keys.Update(ctx, id, p); return err },
					"UpdateAll": func(p store.Patch) error { _, err := keys.UpdateAll(ctx, store.Filter{}, p); return err },
				} {
					p := store.Patch{Scopes: &n.Scopes, Metadata: &n.Metadata, Title: &n.Title}
					if name != "channel" {
						refused(verb+" with a "+name, update(p))
					}
				}
				r, err := keys.Import(ctx, []store.ImportKey{{
					Key: store.Key{ID: "apk_1", Type: store.Publishable, Title: n.Title, Scopes: n.Scopes, SalesChannelIDs: n.SalesChannelIDs, Metadata: n.Metadata},
				}}, false)
				if err != nil || len(r.Refused) != 1 || !strings.Contains(r.Refused[0].Reason, "holds a secret token") {
					t.Errorf("%s, %s, Import with a %s: %+v, %v", form, where, name, r, err)
				}
			}
			for name, k := range map[string]store.Key{
				"id": {ID: text}, "creator": {CreatedBy: text}, "revoker": {RevokedBy: text}, "redacted form": {Redacted: text}, "predecessor": {RolledFrom: text},
			} {
				k.Type = store.Secret
				if k.ID == "" {
					k.ID = "apk_2"
				}
				r, err := keys.Import(ctx, []store.ImportKey{{Key: k, Salt: "00", Hash: make([]byte, 64)}}, false)
				if err != nil || len(r.Refused) != 1 || store.HoldsSecret(fmt.Sprint(r)) {
					t.Errorf("%s, %s, Import with a %s: %+v, %v", form, where, name, r, err)
				}
			}
			_, err := keys.LinkSalesChannels(ctx, id, []string{"sc_1", text}, []string{text})
			refused("LinkSalesChannels", err)
			_, err = keys.List(ctx, store.Query{AfterID: text})
			refused("List after it", err)
			capitals := "none"
			if token == medusaSecret { // searched for in lower case, it is the token again
				capitals = strings.ToUpper(text)
			}
			for _, f := range []store.Filter{
				{Search: text}, {Search: "canary " + text}, {IDs: []string{text}}, {Titles: []string{text}}, {Tokens: []string{text}}, {CreatedBy: []string{text}},
				{And: []store.Filter{{Search: text}}}, {Or: []store.Filter{{Titles: []string{text, "none"}}}}, {Search: capitals},
			} {
				found, n, err := keys.ListAndCount(ctx, store.Query{Filter: f})
				if len(found) != 0 || n != 0 || err != nil {
					t.Errorf("%s, %s: %+v found %d keys, %v", form, where, f, n, err)
				}
				_, _ = keys.RevokeAll(ctx, f, start)
				_, _, _ = keys.Revocable(ctx, f, start)
			}
			for verb, call := range map[string]func() error{
				"Get":  func() error { _, err := keys.Get(ctx, text); return err },
				"Roll": func() error { _, err := keys.Roll(ctx, text, store.RollOptions{}); return err },
			} {
				if err := call(); !errors.Is(err, store.ErrNotFound) || store.HoldsSecret(err.Error()) {
					t.Errorf("%s, %s, %s: %v", form, where, verb, err)
				}
			}
			_, _ = keys.Revoke(ctx, text)
			_ = keys.Delete(ctx, text)
			for _, q := range []store.EventQuery{{KeyID: text}, {KeyIDs: []string{text}}, {Kind: store.Kind(text)}} {
				if list, err := keys.Events(ctx, q); len(list) != 0 || err != nil {
					t.Errorf("Events: %+v, %v", list, err)
				}
			}
			as := store.WithRequestID(store.WithActor(ctx, text), text)
			if _, err := keys.Create(as, store.NewKey{Type: store.Secret, Title: "by an actor"}); err != nil {
				t.Error(err)
			}
		}
		heard := strings.ToLower(rows.heard.String())
		if body := strings.ToLower(token[len(token)-40:]); strings.Contains(heard, body) || !strings.Contains(heard, "by an actor") {
			at := strings.Index(heard, body)
			t.Errorf("%s: the store was asked for …%s", form, heard[max(0, at-300):max(0, at)])
		}
	}
}

// A title from before this rule may hold a token. Its key can still be changed, revoked and
// deleted, and the audit log does not have it.
func TestRequirement36AKeyThatHoldsATokenAlreadyCanBeChanged(t *testing.T) {
	rows := &overheard{Store: store.NewMemory()}
	keys := store.New(rows)
	t.Cleanup(func() { _ = keys.Close(context.Background()) })
	token := aToken(t, "")
	old := &store.Record{Key: store.Key{
		ID: "apk_old", Type: store.Publishable, Title: "for " + token, SalesChannelIDs: []string{"sc_" + token}, Metadata: map[string]string{"a": token}, Version: 1,
	}}
	if _, err := rows.Store.Change(t.Context(), store.Actor{}, func(tx store.Tx) error {
		return tx.Insert(t.Context(), old, store.Event{Kind: store.Created, At: start})
	}); err != nil {
		t.Fatal(err)
	}
	if _, err := keys.LinkSalesChannels(t.Context(), "apk_old", []string{"sc_1"}, nil); err != nil {
		t.Errorf("link: %v", err)
	}
	if _, err := keys.Update(t.Context(), "apk_old", store.Patch{Scopes: &[]string{"a"}, Title: &old.Key.Title}); err != nil {
		t.Errorf("update: %v", err)
	}
	if key, err := keys.LinkSalesChannels(t.Context(), "apk_old", nil, []string{"sc_" + token}); err != nil || len(key.SalesChannelIDs) != 1 {
		t.Errorf("unlink: %v", err)
	}
	if _, err := keys.Revoke(t.Context(), "apk_old"); err != nil {
		t.Errorf("revoke: %v", err)
	}
	if err := keys.Delete(t.Context(), "apk_old"); err != nil {
		t.Errorf("delete: %v", err)
	}
	events, err := keys.Events(t.Context(), store.EventQuery{Kind: store.Deleted})
	if err != nil || len(events) != 1 || store.HoldsSecret(fmt.Sprint(events)) || events[0].Details["title"] == "" {
		t.Errorf("events: %+v, %v", events, err)
	}
}
