package ui_test

import (
	"net/http"
	"testing"

	"github.com/chromedp/chromedp/kb"

	"github.com/latchkey-go/latchkey/store"
)

func lostServer(t *testing.T, b *chromium) {
	s := newSite(t)
	erp := s.made(store.NewKey{Type: store.Secret, Title: "ERP"})
	p := s.signIn(b, s.admin.Token.Reveal())
	p.lists("ERP", "Back office")

	s.part(p, "while a form is filled in", func(t *testing.T) {
		p.click("button", "Create key")
		p.types("Warehouse")
		p.click("radio", "Only some scopes…")
		p.fills("combobox", "Scopes", "stock:write ")
		p.chooses("Expires", "In 30 days")
		s.lose()
		p.click("button", "Create key")
		p.sees("The server does not answer. Nothing that you typed is lost. Whether the key was made is not known")
		p.find("button", "Remove stock:write")
		p.press(kb.Escape) // and even so
		p.click("button", "Create key")
		p.shot("create-lost")
		s.serve()
		p.click("button", "Try again")
		p.sees("The key is made")
		p.click("button", "Copy")
		p.click("button", "Done")
		made := s.byTitle("Warehouse")
		between(t, "expires", made.ExpiresAt.Time(), 30*day)
		if len(made.Scopes) != 1 || made.Scopes[0] != "stock:write" {
			t.Errorf("made %+v", made)
		}
		p.lists("Warehouse", "ERP", "Back office")
	})
	s.part(p, "while the list is looked at", func(*testing.T) {
		s.lose()
		p.fills("searchbox", "Search in titles and tokens", "erp")
		p.sees("The server does not answer.", "The list below is from before.", "Warehouse")
		p.shot("list-lost")
		s.serve()
		p.click("button", "Try again")
		p.lists("ERP")
		p.lacks("does not answer")
		p.is(`document.querySelector('#filter-q').value === 'erp'`)
	})
	s.part(p, "while a key is looked at", func(t *testing.T) {
		s.lose()
		p.click("button", "ERP")
		p.sees(erp.Key.ID, "The server does not answer.") // what the list knew is shown all the same
		for _, form := range []struct{ open, send string }{{"Edit", "Save"}, {"Roll", "Roll key"}, {"Revoke", "Revoke key"}} {
			p.click("button", form.open)
			p.click("button", form.send)
			p.sees("The server does not answer. Nothing that you typed is lost.")
			p.find("button", "Try again")
			p.click("button", "Cancel")
		}
		s.serve()
		p.click("button", "Revoke")
		p.click("button", "Revoke key")
		p.sees("Revoked. The key works nowhere any more.")
		s.lose()
		p.click("button", "Delete")
		p.click("button", "Delete key")
		p.sees("The server does not answer.", "Trying again does no harm.")
		s.serve()
		p.click("button", "Try again")
		p.sees("Deleted.")
	})
	s.part(p, "when it hangs", func(*testing.T) {
		p.click("button", "Clear search and filters")
		p.lists("Warehouse", "Back office")
		js[bool](p, `(window.wait = AbortSignal.timeout, AbortSignal.timeout = () => wait.call(AbortSignal, 100), true)`)
		release := s.hangs()
		p.chooses("Order", "By title")
		p.sees("The server does not answer.", "Warehouse")
		release()
		js[bool](p, `(AbortSignal.timeout = wait, true)`)
		p.click("button", "Try again")
		p.lists("Back office", "Warehouse")
	})
	s.part(p, "when something else answers in its place", func(*testing.T) {
		for _, tt := range []struct {
			status     int
			text, told string
		}{
			{502, "<html>Bad gateway</html>", "The server failed (502); its log has the reason. Try again in a moment."},
			{503, `{"type":"unavailable","message":"x"}`, "The server cannot decide this now; its database may be out of reach."},
			{429, `{"type":"too_many_requests","message":"x"}`, "Too many requests. Try again in a moment."},
			{200, "<html>Welcome to the hotel's network</html>", "The server answered something that is not of the admin routes."},
			{302, "", "The server does not answer."},
			{418, "", "The server answered 418."},
		} {
			s.breaks(tt.status, tt.text)
			p.chooses("Order", "Oldest first")
			p.sees(tt.told, "Warehouse")
			p.chooses("Order", "Newest first")
			p.sees(tt.told)
		}
		s.mend()
		p.forgives("/login")
		p.click("button", "Try again")
		p.lacks("418")
	})
	s.part(p, "while somebody signs in", func(*testing.T) {
		p.click("button", "Sign out")
		s.lose()
		p.types(s.admin.Token.Reveal())
		p.press(kb.Enter)
		p.sees("The server does not answer.")
		s.serve()
		p.click("button", "Try again")
		p.lists("Warehouse", "Back office")
	})
}

// hangs makes the server keep all requests waiting until the function returned is called.
func (s *site) hangs() (release func()) {
	gate := make(chan struct{})
	wait := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-gate:
		case <-r.Context().Done():
		}
		w.WriteHeader(http.StatusServiceUnavailable)
	})
	s.broken.Store(&wait)
	return func() {
		s.mend()
		close(gate)
	}
}
