package ui_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/latchkey-go/latchkey/store"
)

// titles are those of the list, from the top.
func (p *tab) titles() []string {
	p.t.Helper()
	return js[[]string](p, `[...document.querySelectorAll('#rows button.open')].map((b) => b.textContent)`)
}

// lists waits until the list has these titles, in this order.
func (p *tab) lists(want ...string) {
	p.t.Helper()
	p.until(func() error {
		if got := p.titles(); !slices.Equal(got, want) {
			return fmt.Errorf("the list has %q, want %q", got, want)
		}
		return nil
	})
}

func listing(t *testing.T, b *chromium) {
	s := newSite(t)
	s.stock()
	p := s.signIn(b, s.admin.Token.Reveal())
	all := []string{"CI end-to-end tests", "Agency, autumn campaign", "Payment webhooks", "Mobile app", "Web shop", "Analytics export", "Old warehouse sync", "Back office"}
	p.lists(all...)
	p.sees("8 keys")

	s.part(p, "every row tells what matters", func(t *testing.T) {
		for title, want := range map[string][]string{
			"Back office":             {"Secret", s.admin.Key.Redacted, "Active", "Full", "Just now"},
			"CI end-to-end tests":     {"Expires in 4 days", "Full", "Never"},
			"Agency, autumn campaign": {"Expired", "products:read"},
			"Payment webhooks":        {"Ends in 20 hours", "orders:write", "3 hours ago"},
			"Mobile app":              {"Publishable", "Active", "Mobile app", "Web shop", "9 days ago"},
			"Web shop":                {"4 minutes ago"},
			"Analytics export":        {"Expires in 2 months", "orders:read", "customers:read", "+1", "2 days ago"},
			"Old warehouse sync":      {"Revoked", "Never"},
		} {
			row := js[string](p, fmt.Sprintf(`[...document.querySelectorAll('#rows tr')].find((r) => r.querySelector('button.open').textContent === %q).innerText`, title))
			for _, text := range want {
				if !strings.Contains(row, text) {
					t.Errorf("%s: %q is not in %q", title, text, row)
				}
			}
		}
	})
	for _, tt := range []struct {
		filter, option string
		want           []string
	}{
		{"Status", "Active", []string{"CI end-to-end tests", "Payment webhooks", "Mobile app", "Web shop", "Analytics export", "Back office"}},
		{"Status", "Ends within 7 days", []string{"CI end-to-end tests", "Payment webhooks"}},
		{"Status", "Ends within 30 days", []string{"CI end-to-end tests", "Payment webhooks"}},
		{"Status", "Expired", []string{"Agency, autumn campaign"}},
		{"Status", "Revoked", []string{"Old warehouse sync"}},
		{"Status", "Every status", all},
		{"Type", "Publishable", []string{"Mobile app", "Web shop"}},
		{"Type", "Every type", all},
		{"Order", "By title", slices.Sorted(slices.Values(all))},
		{"Order", "Longest unused first", []string{"Mobile app", "Analytics export", "Payment webhooks", "Web shop", "Back office", "Old warehouse sync", "Agency, autumn campaign", "CI end-to-end tests"}},
		{"Order", "Oldest first", []string{"Back office", "Old warehouse sync", "Analytics export", "Web shop", "Mobile app", "Payment webhooks", "Agency, autumn campaign", "CI end-to-end tests"}},
		{"Order", "Newest first", all},
	} {
		s.part(p, tt.filter+": "+tt.option, func(*testing.T) {
			p.chooses(tt.filter, tt.option)
			p.lists(tt.want...)
		})
	}
	s.part(p, "a search is made while typing, and can be taken back", func(*testing.T) {
		p.fills("searchbox", "Search in titles and tokens", "app")
		p.lists("Mobile app")
		p.retypes("50%")
		p.sees("No key matches the search and the filters.")
		p.shot("list-empty")
		p.click("button", "Clear search and filters")
		p.lists(all...)
		p.focused("searchbox", "Search in titles and tokens")
	})
	s.part(p, "a secret key in the search is not sent anywhere", func(t *testing.T) {
		const told = "A secret key does not belong in the search."
		for _, token := range []string{s.admin.Token.Reveal(), "sk_acme_" + s.admin.Token.Reveal()[3:], "sk_" + strings.Repeat("5ca1ab1e", 8)} {
			for _, text := range []string{token, "x" + token, token + "00", "(key=" + token + ") app", token + " " + token} {
				p.fills("searchbox", "Search in titles and tokens", text)
				p.sees(told)
				p.press("\r")
				p.chooses("Order", "By title")
				p.chooses("Order", "Newest first")
				p.sees(told)
				p.fills("searchbox", "Search in titles and tokens", "app")
				p.lists("Mobile app") // so that a request of before would have been made
				p.is(`document.querySelector('#not-searched').hidden`)
			}
		}
		addresses := js[[]string](p, `[...performance.getEntriesByType('resource').map((e) => e.name), location.href]`)
		asked := strings.ToLower(strings.Join(addresses, "\n"))
		if !strings.Contains(asked, "q=app") {
			t.Errorf("the search is not among the addresses that were asked for: %s", asked)
		}
		if strings.Contains(asked, "sk_") || strings.Contains(asked, strings.ToLower(s.admin.Token.Reveal()[10:30])) || strings.Contains(asked, "5ca1ab1e") {
			t.Errorf("a secret key is in an address: %s", asked)
		}
		p.retypes("")
		p.lists(all...)
	})
	s.part(p, "pages are turned over", func(t *testing.T) {
		for n := range 45 {
			s.made(store.NewKey{Type: store.Secret, Title: fmt.Sprintf("Bulk %02d", n)})
		}
		p.fills("searchbox", "Search in titles and tokens", "bulk")
		p.chooses("Order", "By title")
		p.sees("1–20 of 45 keys")
		if !js[bool](p, `document.querySelector('#page-back').disabled`) {
			t.Error("there is a page before the first")
		}
		p.click("button", "Next page")
		p.sees("21–40 of 45 keys")
		p.click("button", "Next page")
		p.sees("41–45 of 45 keys")
		p.lists("Bulk 40", "Bulk 41", "Bulk 42", "Bulk 43", "Bulk 44")
		if !js[bool](p, `document.querySelector('#page-on').disabled`) {
			t.Error("there is a page after the last")
		}
		p.click("button", "Previous page")
		p.sees("21–40 of 45 keys")
		p.chooses("Rows", "50")
		p.sees("45 keys")
	})
	s.part(p, "a list without keys says so", func(*testing.T) {
		p.fills("searchbox", "Search in titles and tokens", "?")
		p.sees("No key matches")
		p.click("button", "Clear search and filters")
		p.chooses("Type", "Publishable")
		p.lists("Mobile app", "Web shop")
		p.chooses("Status", "Revoked")
		p.sees("No key matches")
	})
}

// statuses asks for keys whose revocation and expiry are each absent, past, near or far.
func statuses(t *testing.T, b *chromium) {
	s := newSite(t)
	when := map[string]time.Duration{"absent": 0, "past": -time.Hour, "near": 3 * day, "far": 60 * day}
	want := map[string][]string{}
	for revoked, revokedIn := range when {
		for expires, expiresIn := range when {
			title := revoked + " " + expires
			s.clock.Store(-int64(2 * time.Hour)) // keys are not made with an expiry that is past
			key := store.NewKey{Type: store.Secret, Title: title}
			if expiresIn != 0 {
				key.ExpiresAt = time.Now().Add(expiresIn)
			}
			made := s.made(key)
			if revokedIn != 0 {
				s.revokeIn(made, time.Until(time.Now().Add(revokedIn))+2*time.Hour)
			}
			status := "Active"
			switch {
			case revoked == "past":
				status = "Revoked"
			case expires == "past":
				status = "Expired"
			case revoked == "near" || expires == "near":
				want["Ends within 7 days"] = append(want["Ends within 7 days"], title)
			}
			want[status] = append(want[status], title)
		}
	}
	s.clock.Store(0)
	p := s.signIn(b, s.admin.Token.Reveal())
	p.chooses("Order", "By title")
	for status, titles := range want {
		s.part(p, status, func(*testing.T) {
			if status == "Active" {
				titles = append(titles, "Back office")
			}
			p.chooses("Status", status)
			p.lists(slices.Sorted(slices.Values(titles))...)
		})
	}
}

func times(t *testing.T, b *chromium) {
	s := newSite(t)
	s.clock.Store(-int64(3 * day)) // the server's clock is slow
	made := s.made(store.NewKey{Type: store.Secret, Title: "ERP", ExpiresAt: s.now().Add(2*day + day/2)})
	p := s.signIn(b, s.admin.Token.Reveal())
	p.sees("Expires in 2 days") // by the visitor's clock it is dead
	p.chooses("Status", "Ends within 7 days")
	p.lists("ERP")
	p.click("button", "ERP")
	p.sees("Audit trail", "Created")
	kolkata, err := time.LoadLocation("Asia/Kolkata")
	if err != nil {
		t.Fatal(err)
	}
	local, utc := made.Key.ExpiresAt.Time().In(kolkata).Format("2 Jan 2006, 15:04"), made.Key.ExpiresAt.Time().Format("2006-01-02 15:04:05 UTC")
	p.sees(local)
	if !js[bool](p, fmt.Sprintf(`[...document.querySelectorAll('#details time')].some((e) => e.textContent === %q && e.title === %q)`, local, utc)) {
		t.Errorf("no time reads %q with %q in its title: %s", local, utc, js[string](p, `[...document.querySelectorAll('#details time')].map((e) => e.outerHTML).join('\n')`))
	}
}
