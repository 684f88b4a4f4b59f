package ui_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/latchkey-go/latchkey/store"
)

// lifeByKeyboard signs in, makes a key, edits, rolls, revokes and deletes it, and signs out. No
// mouse is used.
func lifeByKeyboard(t *testing.T, b *chromium) {
	s := newSite(t)
	s.stock()
	p := b.open(t, s.page)
	p.mayUseClipboard()
	p.sees("reload the page, and it is gone")
	p.shot("sign-in")
	p.focused("textbox", "Secret key")
	p.types(s.admin.Token.Reveal())
	p.press(kb.Enter)

	// Make one.
	p.focused("heading", "API keys")
	p.sees("Web shop", "Payment webhooks")
	p.shot("list")
	p.tabTo("button", "Create key")
	p.press(kb.Enter)
	p.focused("textbox", "Title")
	p.press("ERP sync")
	p.tabTo("radio", "Full…")
	p.press(kb.ArrowDown)
	p.focused("radio", "Only some scopes…")
	p.tabTo("combobox", "Scopes")
	p.press("orders:read orders:write,x")
	p.press(kb.Enter) // makes a chip of what is there, and does not send the form
	p.press(kb.Backspace)
	p.misses("button", "Remove x")
	p.find("button", "Remove orders:write")
	p.tabTo("combobox", "Expires")
	p.press(kb.ArrowDown, kb.ArrowDown)
	p.shot("create")
	p.tabTo("button", "Create key")
	p.press(kb.Enter)

	// Its token is shown once.
	p.sees("The key is made", "Copy the token now: it is shown this once")
	p.focused("button", "Copy")
	token := js[string](p, `document.querySelector('#secret-token').textContent`)
	p.shot("secret")
	p.press(kb.Enter)
	p.sees("Copied.")
	if copied := js[string](p, `new Promise((r) => navigator.clipboard.readText().then(r))`); copied != token {
		t.Errorf("the clipboard holds %q, not the token", copied)
	}
	p.tabTo("button", "Done")
	p.press(kb.Enter)
	p.focused("button", "ERP sync")
	p.isNowhere(token)
	made := s.byTitle("ERP sync")
	if !s.works(token) || made.Type != store.Secret || !slices.Equal(made.Scopes, []string{"orders:read", "orders:write"}) {
		t.Errorf("made %+v; its token works: %v", made, s.works(token))
	}
	between(t, "expires", made.ExpiresAt.Time(), 30*day)
	if made.CreatedBy != s.admin.Key.ID {
		t.Errorf("created by %q", made.CreatedBy)
	}

	// Edit it.
	p.press(kb.Enter)
	p.focused("heading", "ERP sync")
	p.sees("Audit trail", "Created", "by Back office (you)", "orders:read")
	p.tabTo("button", "Edit")
	p.press(kb.Enter)
	p.focused("textbox", "Title")
	p.retypes("ERP")
	p.press(kb.Enter)
	p.sees("Saved.", "Changed: title")
	p.focused("button", "Edit")
	p.find("heading", "ERP")
	if s.byTitle("ERP").ID != made.ID {
		t.Error("another key was renamed")
	}

	// Roll it, and try to leave without the token.
	p.tabTo("button", "Roll")
	p.press(kb.Enter)
	p.focused("combobox", "The old token ends")
	p.chooses("The old token ends", "In an hour")
	p.shot("roll")
	p.tabTo("button", "Roll key")
	p.press(kb.Enter)
	p.sees("The key is rolled")
	second := js[string](p, `document.querySelector('#secret-token').textContent`)
	p.press(kb.Escape)
	p.tabTo("button", "Done")
	p.press(kb.Enter)
	p.sees("You have not copied the token. It is never shown again.")
	p.focused("button", "Close without copying")
	p.press(kb.Enter)
	p.focused("heading", "ERP")
	p.isNowhere(second)
	p.sees("Made by rolling ERP", "Rolled from")
	if !s.works(token) || !s.works(second) {
		t.Error("within the grace period not both tokens work")
	}
	old, err := s.keys.Get(t.Context(), made.ID)
	if err != nil {
		t.Fatal(err)
	}
	between(t, "the rolled key ends", old.RevokedAt.Time(), time.Hour)

	// Revoke the new one.
	p.misses("button", "Delete")
	p.tabTo("button", "Revoke")
	p.press(kb.Enter)
	p.focused("combobox", "It stops working")
	p.tabTo("button", "Revoke key")
	p.press(kb.Enter)
	p.sees("Revoked. The key works nowhere any more.")
	p.focused("heading", "ERP")
	p.misses("button", "Revoke")
	p.misses("button", "Roll")
	if s.works(second) || !s.works(token) {
		t.Error("the wrong token was revoked")
	}
	p.sees("Revoked", "by Back office (you)")
	p.shot("details")

	// Delete it.
	p.tabTo("button", "Delete")
	p.press(kb.Enter)
	p.focused("button", "Cancel")
	p.tabTo("button", "Delete key")
	p.press(kb.Enter)
	p.misses("dialog", "ERP")
	p.sees("Deleted.")
	p.is(`document.querySelectorAll('#rows tr').length === 9`)
	p.focused("heading", "API keys")
	if left := s.byTitle("ERP"); left.ID != made.ID {
		t.Errorf("%s was deleted", made.ID)
	}

	// What the old one went through.
	p.tabTo("button", "ERP")
	p.press(kb.Enter)
	p.sees("Revocation set for", "replaced by")
	p.press(kb.Escape)
	p.focused("button", "ERP")

	// Sign out.
	p.tabTo("button", "Sign out")
	p.press(kb.Enter)
	p.focused("textbox", "Secret key")
	p.isNowhere("ERP")
	p.isNowhere(s.admin.Key.Redacted)
}

// between asserts that a time is that far from now. A minute more or less is what typing takes.
func between(t *testing.T, what string, at time.Time, want time.Duration) {
	t.Helper()
	if in := time.Until(at); in < want-time.Minute || in > want+time.Minute {
		t.Errorf("%s in %v, want %v", what, in, want)
	}
}

// isNowhere asserts that a text is nowhere in the document, neither to be seen nor in an attribute
// or a field.
func (p *tab) isNowhere(text string) {
	p.t.Helper()
	whole := js[string](p, `document.documentElement.outerHTML + [...document.querySelectorAll('input, select, textarea')].map((i) => i.value).join()`)
	if at := strings.Index(whole, text); at >= 0 {
		p.t.Errorf("it is in the page: %s", whole[max(0, at-200):min(len(whole), at+200)])
	}
}

// restByKeyboard does by keyboard what the life of a secret key has no need of, on a phone's screen
// in the dark: search and filters, sales channels, moments of one's own, pages, and the rest of a
// long trail.
func restByKeyboard(t *testing.T, b *chromium) {
	s := newSite(t)
	for n := range 60 {
		title := fmt.Sprint("Old ", n)
		erp := s.made(store.NewKey{Type: store.Secret, Title: title})
		if n > 0 {
			continue
		}
		for range 50 {
			title += "."
			if _, err := s.keys.Update(s.staff("req"), erp.Key.ID, store.Patch{Title: &title}); err != nil {
				t.Fatal(err)
			}
		}
	}
	p := b.open(t, s.page)
	p.size(375, 740)
	p.scheme("dark")
	fits := func() { t.Helper(); p.is(tooWide + ".length === 0") }
	p.focused("textbox", "Secret key")
	p.types(s.admin.Token.Reveal())
	p.press(kb.Enter)
	p.sees("1–20 of 61 keys")

	// A publishable key with channels, until a moment.
	p.tabTo("button", "Create key")
	p.press(kb.Enter)
	p.tabTo("radio", "Secret…") // in front of the title
	p.press(kb.ArrowDown)
	p.tabTo("textbox", "Title")
	p.press("Kiosk")
	p.tabTo("combobox", "Sales channels")
	p.press("sc_web,sc_app")
	p.tabTo("combobox", "Expires")
	p.chooses("Expires", "At a time …")
	p.press(kb.Tab)
	p.press("01022040")
	p.press(kb.Tab, "0304AM")
	fits()
	p.tabTo("button", "Create key")
	p.press(kb.Enter)
	p.sees("The key is made")
	p.tabTo("button", "Done")
	p.press(kb.Enter)
	p.focused("button", "Kiosk")
	made := s.byTitle("Kiosk")
	if !slices.Equal(made.SalesChannelIDs, []string{"sc_web", "sc_app"}) {
		t.Errorf("made with the channels %q", made.SalesChannelIDs)
	}
	if at := made.ExpiresAt.Time().In(time.FixedZone("", int((5*time.Hour + 30*time.Minute).Seconds()))); at.Year() != 2040 || at.Hour() != 3 || at.Minute() != 4 {
		t.Errorf("it expires at %v", at)
	}

	// Other channels, and an end at a moment.
	p.press(kb.Enter)
	p.tabTo("button", "Sales channels")
	p.press(kb.Enter)
	p.focused("combobox", "Sales channels of the key")
	p.press(kb.Backspace) // takes the last one away
	p.misses("button", "Remove sc_app")
	fits()
	p.press(kb.Enter)
	p.sees("The sales channels are saved.")
	p.tabTo("button", "Revoke")
	p.press(kb.Enter)
	p.chooses("It stops working", "At a time …")
	p.press(kb.Tab)
	p.press("01022039")
	p.press(kb.Tab, "0304AM")
	fits()
	p.press(kb.Enter)
	p.sees("The revocation is set.")
	made = s.byTitle("Kiosk")
	if !slices.Equal(made.SalesChannelIDs, []string{"sc_web"}) || made.RevokedAt.Time().Year() != 2039 {
		t.Errorf("it has the channels %q and ends at %v", made.SalesChannelIDs, made.RevokedAt)
	}
	p.press(kb.Escape)

	// The list: what there is, page by page.
	p.tabTo("searchbox", "Search in titles and tokens")
	p.press("old", kb.Enter)
	p.sees("1–20 of 60 keys")
	p.tabTo("combobox", "Type")
	p.press(kb.ArrowDown)
	p.tabTo("combobox", "Order")
	p.press(kb.ArrowDown)
	p.tabTo("button", "Next page")
	p.press(kb.Enter)
	p.sees("21–40 of 60 keys")
	fits()
	p.press(kb.Enter)
	p.sees("41–60 of 60 keys")
	back := "Previous page"
	p.find("button", back)
	p.must("shift+tab", chromedp.Do(p.ctx, chromedp.KeyEvent(kb.Tab, chromedp.KeyModifiers(chromedp.ModifierShift))))
	p.tabTo("button", back)
	p.press(kb.Enter)
	p.sees("21–40 of 60 keys")
	p.press(kb.Enter)
	p.sees("1–20 of 60 keys")

	// A long trail.
	p.tabTo("button", "Old 0"+strings.Repeat(".", 50))
	p.press(kb.Enter)
	p.is(`document.querySelectorAll('#trail li').length === 50`)
	p.tabTo("button", "Show more")
	p.press(kb.Enter)
	p.is(`document.querySelectorAll('#trail li').length === 51`)
	fits()
	p.shot("keyboard-dark-phone")
}
