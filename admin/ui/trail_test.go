package ui_test

import (
	"fmt"
	"testing"

	"github.com/latchkey-go/latchkey/store"
)

func longTrail(t *testing.T, b *chromium) {
	s := newSite(t)
	erp := s.made(store.NewKey{Type: store.Secret, Title: "ERP"})
	for n := range 60 {
		title := fmt.Sprint("ERP ", n)
		if _, err := s.keys.Update(s.staff(fmt.Sprint("req_", n)), erp.Key.ID, store.Patch{Title: &title}); err != nil {
			t.Fatal(err)
		}
	}
	p := s.signIn(b, s.admin.Token.Reveal())
	p.click("button", "ERP 59")
	p.is(`document.querySelectorAll('#trail li').length === 50`)
	p.click("button", "Show more")
	p.is(`document.querySelectorAll('#trail li').length === 61`)
	p.misses("button", "Show more")
	if last := js[string](p, `document.querySelector('#trail li:last-child').textContent`); last == "" || js[string](p, `document.querySelector('#trail li:last-child code').textContent`) != "req_59" {
		t.Errorf("the last is %q", last)
	}
	p.click("button", "Close")
	if _, err := s.keys.ReportLeaks(t.Context(), []store.Leak{{Token: erp.Token.Reveal(), Source: "https://example.com/gist"}}); err != nil {
		t.Fatal(err)
	}
	p.click("button", "ERP 59")
	p.click("button", "Show more")
	p.sees("Revoked: leaked, found at https://example.com/gist", "the program")
}
