package ui_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/chromedp/chromedp/kb"

	"github.com/latchkey-go/latchkey/store"
)

// descriptions gives a key a description, changes it and takes it away.
func descriptions(t *testing.T, b *chromium) {
	s := newSite(t)
	p := s.signIn(b, s.admin.Token.Reveal())
	const shown = `[...document.querySelectorAll('#details-facts div')].find((d) => d.querySelector('dt').textContent === 'Description')?.querySelector('dd').innerText ?? 'none'`
	describes := func(want string) {
		t.Helper()
		p.until(func() error {
			if got := js[string](p, shown); got != want {
				return fmt.Errorf("the details describe the key as %q, want %q", got, want)
			}
			return nil
		})
		if got := s.byTitle("ERP").Description; want != "none" && got != want || want == "none" && got != "" {
			t.Errorf("the store has %q", got)
		}
	}

	s.part(p, "when it is made", func(t *testing.T) {
		p.click("button", "Create key")
		p.types("ERP")
		p.tabTo("textbox", "Description")
		p.types("Runs at night.")
		p.press(kb.Enter) // is a new line, and does not send the form
		p.types("Ask <b>Ada</b>. ")
		p.shot("create-description")
		p.click("button", "Create key")
		p.sees("The key is made")
		p.click("button", "Copy")
		p.click("button", "Done")
		p.click("button", "ERP")
		describes("Runs at night.\nAsk <b>Ada</b>.")
		p.shot("details-description")
	})
	s.part(p, "it is changed alone: what somebody else has changed meanwhile stays", func(t *testing.T) {
		p.click("button", "Edit")
		p.fills("textbox", "Description", "Of the warehouse")
		erp := s.byTitle("ERP")
		if _, err := s.keys.Update(s.staff("req"), erp.ID, store.Patch{Title: new("ERP 2")}); err != nil {
			t.Fatal(err)
		}
		p.shot("edit")
		p.click("button", "Save")
		p.sees("Saved.", "Changed: description")
		p.find("heading", "ERP 2")
		if _, err := s.keys.Update(s.staff("req"), erp.ID, store.Patch{Title: new("ERP")}); err != nil {
			t.Fatal(err)
		}
		p.click("button", "Close")
		p.chooses("Order", "By title")
		p.click("button", "ERP")
		describes("Of the warehouse")
	})
	s.part(p, "what is wrong with it is told next to it", func(*testing.T) {
		p.click("button", "Edit")
		for text, fault := range map[string]string{
			strings.Repeat("é", 513):      "This description is too long.",
			"x " + s.admin.Token.Reveal(): "This description holds a secret key. Remove it.",
		} {
			p.fills("textbox", "Description", text)
			p.click("button", "Save")
			p.faulty("description", fault)
			p.focused("textbox", "Description")
		}
		p.click("button", "Cancel")
		describes("Of the warehouse")
	})
	s.part(p, "it is taken away", func(*testing.T) {
		p.click("button", "Edit")
		p.fills("textbox", "Description", "")
		p.click("button", "Save")
		p.sees("Saved.")
		describes("none")
	})
	s.part(p, "a form that is saved as it was changes nothing", func(t *testing.T) {
		before := s.byTitle("ERP").Version
		p.click("button", "Edit")
		p.click("button", "Save")
		p.sees("Saved.")
		if after := s.byTitle("ERP").Version; after != before {
			t.Errorf("the version went from %d to %d", before, after)
		}
	})
}
