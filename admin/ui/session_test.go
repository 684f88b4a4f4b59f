package ui_test

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/latchkey-go/latchkey/store"
)

func lostKey(t *testing.T, b *chromium) {
	s := newSite(t)
	other := s.made(store.NewKey{Type: store.Secret, Title: "Other"})
	s.made(store.NewKey{Type: store.Secret, Title: "ERP"})
	p := s.signIn(b, s.admin.Token.Reveal())
	p.click("button", "ERP")
	p.click("button", "Edit")
	p.retypes("ERP of the warehouse")
	if _, err := s.keys.Revoke(t.Context(), s.admin.Key.ID); err != nil {
		t.Fatal(err)
	}
	p.press(kb.Enter)
	p.sees("The key that you signed in with is not accepted any more", "what you typed is still here")
	p.shot("signed-out")
	p.focused("textbox", "Secret key")
	p.types(other.Token.Reveal())
	p.press(kb.Enter)
	p.find("dialog", "Edit the key")
	p.is(`document.querySelector('#edit-title').value === 'ERP of the warehouse'`)
	p.click("button", "Save")
	p.sees("Saved.")
	s.byTitle("ERP of the warehouse")
	p.click("button", "Close")
	p.sees("Other " + other.Key.Redacted)
}

func restricted(t *testing.T, b *chromium) {
	s := newSite(t)
	reader := s.made(store.NewKey{Type: store.Secret, Title: "Reader", Scopes: []string{"keys:read"}})
	writer := s.made(store.NewKey{Type: store.Secret, Title: "Writer", Scopes: []string{"keys:write", "orders:read"}, ExpiresAt: s.now().Add(10 * day)})

	p := s.signIn(b, reader.Token.Reveal())
	p.sees("The key that you are signed in with is restricted to the scopes keys:read.")
	p.click("button", "Back office")
	p.click("button", "Edit")
	p.retypes("Mine")
	p.press(kb.Enter)
	p.sees("The key that you are signed in with may not do this. The key in use does not have the scope 'keys:write'. Sign in with another key.")
	p.is(`document.querySelector('#edit-title').value === 'Mine'`)
	p.shot("restricted")
	p.press(kb.Escape, kb.Escape)
	p.click("button", "Sign out")

	p.types(writer.Token.Reveal())
	p.press(kb.Enter)
	p.sees("may not do this. The key in use does not have the scope 'keys:read'.")
	if titles := p.titles(); len(titles) > 0 {
		t.Errorf("the list shows %q", titles)
	}
	p.click("button", "Create key")
	p.types("ERP")
	p.press(kb.Enter)
	p.faulty("scopes", "The key in use is restricted to scopes")
	p.click("radio", "Only some scopes…")
	p.fills("combobox", "Scopes", "orders:write ")
	p.press(kb.Enter)
	p.faulty("scopes", "The key in use does not have the scope 'orders:write' and cannot give it.")
	p.press(kb.Backspace)
	p.types("orders:read ")
	p.press(kb.Enter)
	p.faulty("expires_at", "cannot make a key last longer")
	p.chooses("Expires", "In 7 days")
	p.click("button", "Create key")
	p.sees("The key is made")
	if made := s.byTitle("ERP"); !slices.Equal(made.Scopes, []string{"orders:read"}) {
		t.Errorf("made %+v", made)
	}
}

func ownKey(t *testing.T, b *chromium) {
	s := newSite(t)
	p := s.signIn(b, s.admin.Token.Reveal())
	p.click("button", "Back office")
	p.click("button", "Roll")
	p.sees("It is the key that you are signed in with: this page goes on with the new one.")
	p.chooses("The old token ends", "Now")
	p.click("button", "Roll key")
	p.sees("The key is rolled")
	token := js[string](p, `document.querySelector('#secret-token').textContent`)
	p.click("button", "Copy")
	p.is(`!document.querySelector('#list').hasAttribute('aria-busy')`)
	s.breaks(http.StatusServiceUnavailable, "") // so that the new key is shown as the answer to roll had it
	p.click("button", "Done")
	p.sees("Rolled from", "The server cannot decide this now")
	p.isNowhere(token)
	s.mend()
	p.click("button", "Close")
	p.chooses("Status", "Active")
	p.lists("Back office")
	p.click("button", "Back office")
	p.sees("Made by rolling Back office", "Rolled from")
	if s.works(s.admin.Token.Reveal()) || !s.works(token) {
		t.Error("the old token works, or the new one does not")
	}
	p.click("button", "Revoke")
	p.sees("It is the key that you are signed in with.")
	p.click("button", "Revoke key")
	p.sees("The key that you signed in with is not accepted any more")
	if s.works(token) {
		t.Error("the token works")
	}
}

// secrets looks where a page can leave things.
func secrets(t *testing.T, b *chromium) {
	s := newSite(t)
	p := s.signIn(b, s.admin.Token.Reveal())
	p.lists("Back office")
	p.click("button", "Create key")
	p.types("ERP")
	p.press(kb.Enter)
	p.sees("The key is made")
	p.asksBeforeLeaving()
	p.click("button", "Copy")
	p.click("button", "Done")
	p.isNowhere(s.admin.Token.Reveal())
	kept := js[[]string](p, `(async () => [
		document.cookie, JSON.stringify(localStorage), JSON.stringify(sessionStorage), JSON.stringify(await indexedDB.databases()),
		JSON.stringify(await caches.keys()), JSON.stringify(history.state), window.name, location.hash, location.search])()`)
	if want := []string{"", "{}", "{}", "[]", "[]", "null", "", "", ""}; !slices.Equal(kept, want) {
		t.Errorf("the page keeps %q", kept)
	}
	for name, again := range map[string]func(){
		"a reload": func() { p.must("reload", call(p.ctx, page.Reload, page.ReloadParams{})) },
		"going elsewhere and back": func() {
			p.must("go elsewhere", chromedp.Do(p.ctx, chromedp.Navigate("about:blank")))
			history, err := chromedp.Call(p.ctx, page.GetNavigationHistory, cdp.Empty{})
			p.must("look back", err)
			// Not chromedp.NavigateBack: it waits for the page to load, which one that the browser
			// has kept does not do.
			p.must("go back", call(p.ctx, page.NavigateToHistoryEntry, page.NavigateToHistoryEntryParams{EntryID: history.Entries[history.CurrentIndex-1].ID}))
			p.until(func() error {
				at, err := chromedp.Run(p.ctx, chromedp.Location())
				if err == nil && at != s.page {
					err = fmt.Errorf("it is at %s", at)
				}
				return err
			})
		},
	} {
		s.part(p, name+" signs out", func(*testing.T) {
			p.is(`document.readyState === 'complete'`)
			again()
			p.find("dialog", "Sign in to manage API keys")
			p.is(`document.querySelectorAll('#rows tr').length === 0`)
			p.focused("textbox", "Secret key")
			p.types(s.admin.Token.Reveal())
			p.press(kb.Enter)
			p.lists("ERP", "Back office")
		})
	}
}

// asksBeforeLeaving wants to reload the page, waits until the browser asks whether that is meant,
// and stays.
func (p *tab) asksBeforeLeaving() {
	p.t.Helper()
	asked := make(chan page.DialogType, 1)
	ctx, cancel := context.WithCancel(p.ctx)
	defer cancel()
	p.must("listen", chromedp.Listen(ctx, func(event any) {
		if e, ok := event.(*page.EventJavascriptDialogOpening); ok {
			asked <- e.Type
		}
	}))
	p.must("reload", call(p.ctx, page.Reload, page.ReloadParams{}))
	select {
	case kind := <-asked:
		if kind != page.DialogTypeBeforeunload {
			p.t.Errorf("the browser asks about %s", kind)
		}
		p.must("stay", call(p.ctx, page.HandleJavaScriptDialog, page.HandleJavaScriptDialogParams{Accept: false}))
	case <-time.After(patience):
		p.t.Fatal("the browser does not ask")
	}
}

func refusedCopy(t *testing.T, b *chromium) {
	s := newSite(t)
	p := s.signIn(b, s.admin.Token.Reveal())
	p.lists("Back office")
	js[bool](p, `(navigator.clipboard.writeText = () => Promise.reject(new Error('no')), true)`)
	p.click("button", "Create key")
	p.types("ERP")
	p.press(kb.Enter)
	p.sees("The key is made")
	p.click("button", "Copy")
	p.sees("The browser does not let this page copy. The token is selected")
	if selected, token := js[string](p, `getSelection().toString()`), js[string](p, `document.querySelector('#secret-token').textContent`); selected != token {
		t.Errorf("selected is %q, the token is %q", selected, token)
	}
	p.click("button", "Done")
	p.lists("ERP", "Back office")
}
