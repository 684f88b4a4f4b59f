package ui_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/chromedp/chromedp/kb"
)

// phone goes the whole way on a screen of 360 × 740.
func phone(t *testing.T, b *chromium) {
	s := newSite(t)
	s.stock()
	p := b.open(t, s.page)
	p.size(360, 740)
	fits := func(name string) {
		t.Helper()
		p.is(tooWide + ".length === 0")
		p.shot("phone-" + name)
	}
	fits("sign-in")
	p.types(s.admin.Token.Reveal())
	p.press(kb.Enter)
	p.sees("Web shop")
	fits("list")
	p.click("button", "Analytics export")
	p.sees("Created", "customers:read")
	fits("details")
	p.click("button", "Roll")
	p.chooses("The old token ends", "At a time …")
	fits("roll")
	p.click("button", "Roll key")
	p.sees("The key is rolled")
	fits("secret")
	p.click("button", "Copy")
	p.click("button", "Done")
	p.sees("Made by rolling")
	p.click("button", "Edit")
	p.retypes("A_title_of_a_great_many_letters_without_a_single_space_in_it")
	fits("edit")
	p.click("button", "Save")
	p.sees("Saved.")
	fits("details-long")
	p.click("button", "Revoke")
	fits("revoke")
	p.click("button", "Revoke key")
	p.sees("Revoked. ")
	p.click("button", "Delete")
	fits("delete")
	p.click("button", "Delete key")
	p.sees("Deleted.")
	p.click("button", "Create key")
	p.click("radio", "Publishable…")
	p.click("radio", "Only some scopes…")
	p.fills("combobox", "Scopes", "products:read carts:write a_scope_with_a_rather_long_name:read ")
	fits("create")
	p.fills("textbox", "Title", "Kiosk")
	p.click("button", "Create key")
	p.sees("The key is made")
	p.click("button", "Done")
	p.sees("Kiosk")
	fits("list-after")
}

// tooWide lists what sticks out of the screen, or of the dialog on top.
const tooWide = `[...document.querySelectorAll('dialog[open], dialog[open] .body, .list, html')].filter((e) => e.scrollWidth > Math.min(e.clientWidth, innerWidth)).map((e) => e.id || e.tagName)`

// schemes measures the contrast of all texts, and takes the pictures of the README.
func schemes(t *testing.T, b *chromium) {
	s := newSite(t)
	s.stock()
	for _, scheme := range []string{"light", "dark"} {
		t.Run(scheme, func(t *testing.T) {
			p := b.open(t, s.page)
			p.scheme(scheme)
			legible := func(name string) {
				t.Helper()
				p.shot(scheme + "-" + name)
				for _, pale := range js[[]string](p, paleTexts) {
					t.Errorf("%s: too pale: %s", name, pale)
				}
			}
			p.focused("textbox", "Secret key")
			p.press(kb.Enter)
			legible("sign-in")
			p.types(s.admin.Token.Reveal())
			p.press(kb.Enter)
			p.sees("Web shop")
			legible("list")
			if scheme == "light" {
				p.forReadme("admin-list")
			}
			p.click("button", "Create key")
			p.click("radio", "Only some scopes…")
			p.press(kb.Enter)
			legible("create")
			p.click("button", "Cancel")
			p.click("button", "Payment webhooks")
			p.sees("Revocation set for")
			legible("details")
			if scheme == "dark" {
				p.forReadme("admin-key")
			}
			p.click("button", "Revoke")
			legible("revoke")
		})
	}
}

// forReadme writes what is to be seen into docs/images.
func (p *tab) forReadme(name string) {
	p.t.Helper()
	if *readme {
		p.size(1240, 880)
		defer p.size(1280, 800)
		p.must("write a picture", os.WriteFile(filepath.Join("..", "..", "docs", "images", name+".png"), p.picture(false), 0o644))
	}
}

// paleTexts lists the texts whose contrast to what is behind them is less than 4.5 (WCAG 2.2,
// 1.4.3).
const paleTexts = `(() => {
	const canvas = new OffscreenCanvas(1, 1).getContext('2d', { willReadFrequently: true });
	const rgba = (color) => { canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = color; canvas.fillRect(0, 0, 1, 1); return [...canvas.getImageData(0, 0, 1, 1).data]; };
	const light = ([r, g, b]) => [r, g, b].map((c) => c / 255).map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)).reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
	const behind = (e) => { for (; e; e = e.parentElement) { const c = rgba(getComputedStyle(e).backgroundColor); if (c[3] === 255) return c; } return [255, 255, 255, 255]; };
	const top = [...document.querySelectorAll('dialog[open]')].at(-1) ?? document.body;
	const pale = [];
	for (const e of top.querySelectorAll('*')) {
		const own = [...e.childNodes].some((n) => n.nodeType === Node.TEXT_NODE && n.data.trim());
		if (!own || !e.checkVisibility() || e.closest(':disabled, .hidden, option, dialog:not([open])')) continue;
		const [a, b] = [light(rgba(getComputedStyle(e).color)), light(behind(e))];
		const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
		if (contrast < 4.5) pale.push(contrast.toFixed(2) + ' ' + e.textContent.slice(0, 40));
	}
	return pale;
})()`
