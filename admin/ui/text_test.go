package ui_test

import (
	"context"
	"testing"

	"github.com/chromedp/chromedp/kb"

	"github.com/latchkey-go/latchkey/store"
)

func texts(t *testing.T, b *chromium) {
	s := newSite(t)
	const image = `<img src=x onerror="window.owned=1">`
	const script = `"><script>window.owned=2</script><b>'&amp;`
	const mirror = "\u202eerorrim" // turns what follows around
	ctx := store.WithRequestID(store.WithActor(context.Background(), "user_<i>eve</i>"), "<u>1</u>")
	made := s.madeBy(ctx, store.NewKey{
		Type: store.Publishable, Title: image, Scopes: []string{"<b>:read", "javascript:alert(1)"}, SalesChannelIDs: []string{"sc_<img/src=x>"}, Metadata: map[string]string{image: script},
	})
	s.madeBy(ctx, store.NewKey{Type: store.Secret, Title: script})
	s.madeBy(ctx, store.NewKey{Type: store.Secret, Title: mirror})
	p := s.signIn(b, s.admin.Token.Reveal())
	p.lists(mirror, script, image, "Back office")
	p.click("button", image)
	p.sees(image, image+": "+script, "<b>:read", "javascript:alert(1)", "sc_<img/src=x>", "user_<i>eve</i>", "request <u>1</u>", made.Key.Token)
	p.shot("texts")
	for _, verb := range []string{"Edit", "Sales channels", "Roll", "Revoke"} {
		p.click("button", verb)
		if verb != "Edit" {
			p.sees(image)
		}
		p.click("button", "Cancel")
	}
	p.click("button", "Revoke")
	p.click("button", "Revoke key")
	p.sees("Revoked. ")
	p.click("button", "Delete")
	p.sees(image)
	p.click("button", "Delete key")
	p.lists(mirror, script, "Back office")

	// Typed here, it is text as well.
	p.click("button", "Create key")
	p.types(image)
	p.click("radio", "Only some scopes…")
	p.fills("combobox", "Scopes", `<img/src=x/onerror=owned=3> `)
	p.press(kb.Enter)
	p.sees("The key is made")
	p.click("button", "Copy")
	p.click("button", "Done")
	p.lists(image, mirror, script, "Back office")
	if js[bool](p, `'owned' in window || document.images.length > 0 || document.scripts.length !== 1`) {
		t.Error("a title was read as HTML")
	}
	s.part(p, "and the browser would not let it be read as HTML", func(t *testing.T) {
		if !js[bool](p, `(() => { try { document.createElement('p').innerHTML = '<b>'; return false; } catch { return true; } })()`) {
			t.Error("innerHTML took a text")
		}
		p.complains("policy violated: require-trusted-types-for")
		p.forgives("TrustedHTML", "require-trusted-types-for")
	})
}
