package ui_test

import (
	"slices"
	"testing"

	"github.com/chromedp/chromedp/kb"
)

func salesChannels(t *testing.T, b *chromium) {
	s := newSite(t)
	p := s.signIn(b, s.admin.Token.Reveal())
	p.lists("Back office")
	p.click("button", "Create key")
	p.misses("combobox", "Sales channels")
	p.click("radio", "Publishable…")
	p.fills("textbox", "Title", "Web shop")
	p.fills("combobox", "Sales channels", "sc_web sc_nowhere ")
	p.is(`[...document.querySelector('#known-channels').options].some((o) => o.value === 'sc_app' && o.label === 'Mobile app')`)
	p.press(kb.Enter)

	// The key is made; the fault of the channels is shown next to them, and they are still
	// there.
	p.sees("The token is public", "Its sales channels could not be linked; that comes next.")
	token := js[string](p, `document.querySelector('#secret-token').textContent`)
	p.click("button", "Done")
	p.find("dialog", "Sales channels")
	p.faulty("sales_channels", "Sales channels with IDs sc_nowhere do not exist.")
	p.shot("channels")
	p.find("button", "Remove sc_web")
	p.click("button", "Remove sc_nowhere")
	p.click("button", "Save")
	p.sees("The sales channels are saved.")
	made := s.byTitle("Web shop")
	if made.Token != token || !slices.Equal(made.SalesChannelIDs, []string{"sc_web"}) {
		t.Errorf("made %+v", made)
	}

	// They can be changed, and the token looked up.
	p.lists("Web shop", "Back office")
	p.sees("Web shop")
	p.click("button", "Web shop")
	p.sees(token, "Web shop (sc_web)", "Sales channels: sc_web")
	p.click("button", "Sales channels")
	p.fills("combobox", "Sales channels of the key", "sc_app")
	p.click("button", "Remove sc_web")
	p.click("button", "Save")
	p.sees("The sales channels are saved.", "Mobile app (sc_app)", "Sales channels: sc_app")
	if got := s.byTitle("Web shop").SalesChannelIDs; !slices.Equal(got, []string{"sc_app"}) {
		t.Errorf("the channels are %q", got)
	}

	// Escape keeps what was typed, Cancel does not.
	p.click("button", "Sales channels")
	p.fills("combobox", "Sales channels of the key", "sc_web ")
	p.press(kb.Escape)
	p.click("button", "Sales channels")
	p.find("button", "Remove sc_web")
	p.click("button", "Cancel")
	p.click("button", "Sales channels")
	p.find("button", "Remove sc_app")
	p.misses("button", "Remove sc_web")
}
