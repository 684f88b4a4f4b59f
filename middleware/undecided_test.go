package keyauth_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	keyauth "github.com/latchkey-go/latchkey/middleware"
	"github.com/latchkey-go/latchkey/store"
)

// A lookup that fails says nothing about the key, whatever its error says: 503 with Retry-After,
// for good and bad keys, in both styles.
func TestRequirement11WhatCannotBeDecidedIs503(t *testing.T) {
	for _, d := range doors() {
		for _, style := range []keyauth.ErrorStyle{keyauth.StandardErrors, keyauth.MedusaErrors} {
			w := newWorld(t)
			config := w.config(store.Secret)
			config.Errors = style
			h := d.open(t, config, "orders:write")
			config.Optional = true
			optional := d.open(t, config)
			for _, err := range []error{
				store.ErrUnavailable, store.ErrClosed, store.ErrNotFound, store.ErrInvalid, store.ErrForbidden, store.ErrConflict, store.ErrSchemaTooNew,
				store.ErrUnauthenticated, store.ErrMalformed, store.ErrUnknownToken, store.ErrRevoked, store.ErrExpired, store.ErrForged, store.ErrWrongType,
				keyauth.ErrNoCredential, keyauth.ErrRateLimited, keyauth.ErrInsufficientScope,
				context.Canceled, context.DeadlineExceeded, errors.New("disk on fire"), fmt.Errorf("wrapped: %w", store.ErrRevoked),
			} {
				w.spy.failWith(err)
				for name, token := range map[string]string{
					"good": w.secret, "scoped": w.scoped, "bound": w.bound, "revoked": w.revoked, "expired": w.expired, "unknown": w.unknown, "Medusa's": w.medusa,
				} {
					got, other := serve(h, request("X-Api-Key", token)), serve(optional, request("X-Api-Key", token))
					if got.Code != 503 || got.Header().Get("Retry-After") != "1" || got.Header().Get("WWW-Authenticate") != "" {
						t.Errorf("%s, style %d: %v for a %s key: %d %v", d.name, style, err, name, got.Code, got.Header())
					}
					if other.Code != 503 {
						t.Errorf("%s, style %d, optional: %v for a %s key: %d", d.name, style, err, name, other.Code)
					}
				}
			}
			if got := serve(h, request("X-Api-Key", "sk_nonsense")); got.Code == 503 {
				t.Errorf("%s: what is malformed can be decided without a store: %d", d.name, got.Code)
			}
		}
	}
}
