package ui_test

import (
	"context"
	"time"

	"github.com/latchkey-go/latchkey/store"
)

// stock makes the keys of a small shop, over the past months.
func (s *site) stock() {
	s.t.Helper()
	at := func(ago time.Duration) { s.clock.Store(-int64(ago)) }
	used := func(m store.Made) {
		if _, err := s.keys.Authenticate(context.Background(), m.Token.Reveal()); err != nil {
			s.t.Fatal(err)
		}
	}
	secret := func(title string, scopes ...string) store.Made {
		return s.made(store.NewKey{Type: store.Secret, Title: title, Scopes: scopes})
	}

	at(200 * day)
	old := secret("Old warehouse sync")
	at(150 * day)
	analytics := s.made(store.NewKey{
		Type: store.Secret, Title: "Analytics export", Scopes: []string{"orders:read", "customers:read", "products:read"}, ExpiresAt: s.now().Add(211*day + time.Hour),
	})
	at(120 * day)
	shop := s.made(store.NewKey{Type: store.Publishable, Title: "Web shop", SalesChannelIDs: []string{"sc_web"}})
	at(119 * day)
	app := s.made(store.NewKey{Type: store.Publishable, Title: "Mobile app", SalesChannelIDs: []string{"sc_app", "sc_web"}})
	at(90 * day)
	payments := secret("Payments", "orders:write")
	at(60 * day)
	title := "Payment webhooks"
	if _, err := s.keys.Update(s.staff("req_8f1c"), payments.Key.ID, store.Patch{Title: &title, Description: new("Captures and refunds.\nThe payments team answers for it.")}); err != nil {
		s.t.Fatal(err)
	}
	at(33 * day)
	s.revokeIn(old, 0)
	s.made(store.NewKey{Type: store.Secret, Title: "Agency, autumn campaign", Scopes: []string{"products:read"}, ExpiresAt: s.now().Add(30 * day)})
	at(26 * day)
	s.made(store.NewKey{Type: store.Secret, Title: "CI end-to-end tests", ExpiresAt: s.now().Add(30*day + time.Hour)})
	at(9 * day)
	used(app)
	at(2*day + time.Hour)
	used(analytics)
	at(3*time.Hour + time.Minute)
	s.revokeIn(payments, 24*time.Hour)
	used(payments)
	at(4 * time.Minute)
	used(shop)
	at(0)
}

// staff is a context in which somebody of the shop's staff asks.
func (s *site) staff(request string) context.Context {
	return store.WithRequestID(store.WithActor(context.Background(), "user_ada"), request)
}

func (s *site) revokeIn(m store.Made, in time.Duration) {
	s.t.Helper()
	if _, err := s.keys.RevokeAt(s.staff("req_b27e"), m.Key.ID, s.keys.Now().Add(in)); err != nil {
		s.t.Fatal(err)
	}
}
