package ui_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/chromedp/chromedp/kb"

	"github.com/latchkey-go/latchkey/store"
)

// faulty waits until the field of the form on top has that fault, says so to listeners too, and has
// the focus.
func (p *tab) faulty(field, text string) {
	p.t.Helper()
	p.until(func() error {
		got := js[[]string](p, fmt.Sprintf(`(() => {
			const place = [...document.querySelectorAll('dialog[open]')].at(-1).querySelector('[data-field=%s]');
			const input = [...place.querySelectorAll('[aria-invalid=true]')].find((i) => i === document.activeElement);
			const described = (input?.getAttribute('aria-describedby') ?? '').split(' ').map((id) => document.getElementById(id)?.textContent ?? '').join(' ');
			return [place.querySelector('.error').textContent, input ? 'focused' : '', input?.type === 'radio' ? 'in a group' : described];
		})()`, field))
		if !strings.Contains(got[0], text) || got[1] != "focused" || got[2] != "in a group" && !strings.Contains(got[2], text) {
			return fmt.Errorf("field %s says %q, want %q", field, got, text)
		}
		return nil
	})
}

// sets puts a value into the field that has the focus, as a picker of dates does.
func (p *tab) sets(value string) {
	p.t.Helper()
	js[bool](p, fmt.Sprintf(`(() => { const e = document.activeElement; e.value = %q; e.dispatchEvent(new Event('input', {bubbles: true})); return true; })()`, value))
}

func faults(t *testing.T, b *chromium) {
	s := newSiteWith(t, store.Options{MaxLifetime: 100 * day})
	p := b.open(t, s.page)

	s.part(p, "signing in", func(t *testing.T) {
		p.focused("textbox", "Secret key")
		for typed, told := range map[string]string{
			"":                                   "Paste a secret key. It begins with sk_.",
			"pk_SCubm33kydRh42DHLydOAimEnEoyZeg": "This is a publishable key.",
			"hunter2":                            "This is no secret key: they begin with sk_",
			"sk_mit Leerzeichen":                 "neither spaces nor letters",
			"sk_ключ":                            "letters beyond ASCII",
			"sk_" + strings.Repeat("0", 64):      "The key is not accepted: it is unknown, revoked or expired.",
		} {
			p.retypes(typed)
			p.press(kb.Enter)
			p.faulty("key", told)
		}
		p.shot("sign-in-fault")
		p.click("button", "Use my login to this site instead")
		p.sees("This site knows of no login of yours that may manage keys.")
		p.press(kb.Escape, kb.Escape, kb.Escape)
		p.find("dialog", "Sign in to manage API keys")
		p.click("textbox", "Secret key")
		p.retypes(s.admin.Token.Reveal())
		p.press(kb.Enter)
		p.misses("dialog", "Sign in to manage API keys")
	})
	s.part(p, "creating", func(t *testing.T) {
		p.lists("Back office")
		p.click("button", "Create key")
		p.click("radio", "Only some scopes…")
		p.click("button", "Create key")
		p.faulty("title", "Give the key a title, so that it is known again.")
		p.sees("Name at least one scope, or choose full access.")
		p.types("  ")
		p.press(kb.Enter)
		p.faulty("title", "Give the key a title")
		p.retypes("ERP")
		p.lacks("Give the key a title") // a field that is being mended is not scolded
		p.press(kb.Enter)
		p.faulty("scopes", "Name at least one scope")
		p.types(`orders:read a"b`)
		p.press(kb.Enter, kb.Enter)
		p.faulty("scopes", `“a"b” is no scope`)
		p.press(kb.Backspace)
		p.types("größe ")
		p.press(kb.Enter)
		p.faulty("scopes", `“größe” is no scope`)
		p.press(kb.Backspace)
		p.types(strings.Repeat("s", 101))
		p.press(kb.Enter, kb.Enter)
		p.faulty("scopes", "1 to 100 visible ASCII characters")
		p.press(kb.Backspace)
		p.chooses("Expires", "At a time …")
		p.press(kb.Tab)
		p.sets("")
		p.click("button", "Create key")
		p.faulty("expires_at", "Give a whole date and time.")
		p.sets("2020-01-01T12:00")
		p.click("button", "Create key")
		p.faulty("expires_at", "This time is past.")
		p.chooses("Expires", "In a year")
		p.click("button", "Create key")
		p.faulty("expires_at", "the longest lifetime allowed here.") // the server's own words
		p.shot("create-fault")
		p.chooses("Expires", "In 90 days")
		p.click("button", "Create key")
		p.sees("The key is made")
		p.press(kb.Enter)
		p.click("button", "Done")
		between(t, "expires", s.byTitle("ERP").ExpiresAt.Time(), 90*day)
	})
	s.part(p, "what the server finds is told below the fields where it is about none", func(*testing.T) {
		p.click("button", "ERP")
		p.click("button", "Edit")
		p.retypes("ERP 2")
		s.breaks(413, `{"message":"request entity too large","type":"unknown_error"}`)
		p.press(kb.Enter)
		p.sees("request entity too large")
		s.mend()
		p.press(kb.Enter)
		p.sees("Saved.")
	})
	s.part(p, "a title that no server takes", func(*testing.T) {
		p.click("button", "Edit")
		p.retypes(strings.Repeat("é", 513))
		p.press(kb.Enter)
		p.faulty("title", "This title is too long.")
		p.retypes("ERP " + s.admin.Token.Reveal())
		p.press(kb.Enter)
		p.faulty("title", "This title holds a secret key. Remove it.")
		p.retypes("ERP 2")
		p.press(kb.Enter)
		p.sees("Saved.")
	})
	s.part(p, "rolling and revoking", func(t *testing.T) {
		p.click("button", "Roll")
		p.chooses("The old token ends", "At a time …")
		p.press(kb.Tab)
		p.sets("2020-01-01T12:00")
		p.click("button", "Roll key")
		p.faulty("revoke_in", "This time is past.")
		p.click("button", "Cancel")
		p.click("button", "Revoke")
		p.chooses("It stops working", "At a time …")
		p.press(kb.Tab)
		p.sets("")
		p.click("button", "Revoke key")
		p.faulty("revoke_in", "Give a whole date and time.")
		p.sets("9999-12-31T23:59")
		p.click("button", "Revoke key")
		p.sees("The revocation is set.", "Ends")
		if at := s.byTitle("ERP 2").RevokedAt.Time(); at.Year() != 9999 {
			t.Errorf("it ends at %v", at)
		}
	})
	s.part(p, "a key that somebody has deleted meanwhile", func(t *testing.T) {
		erp := s.byTitle("ERP 2")
		if _, err := s.keys.Revoke(t.Context(), erp.ID); err != nil {
			t.Fatal(err)
		}
		// That it is revoked already is what was wanted.
		p.click("button", "Revoke")
		p.click("button", "Revoke key")
		p.sees("Revoked. The key works nowhere any more.")
		if err := s.keys.Delete(t.Context(), erp.ID); err != nil {
			t.Fatal(err)
		}
		p.click("button", "Edit")
		p.retypes("ERP 3")
		p.press(kb.Enter)
		p.sees("There is no such key any more. Somebody has deleted it.")
	})
}
