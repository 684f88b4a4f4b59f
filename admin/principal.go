package admin

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"github.com/latchkey-go/latchkey/admin/internal/medusa"
	"github.com/latchkey-go/latchkey/store"
)

// The scopes of a restricted key. An unrestricted key and an actor may do everything. The routes
// below /api-keys/self need no scope.
const (
	ReadScope   = "keys:read"
	WriteScope  = "keys:write"
	VerifyScope = "keys:verify"
)

// admit returns the context of an admitted request, or a refusal. It does not trust the guard: it
// refuses every request without a secret key or an actor. A publishable key is public and admits
// no request. Of a key and an actor the key counts, so that a cookie cannot add to its rights.
func (a *api) admit(r *http.Request, scopes string) (context.Context, error) {
	ctx := r.Context()
	if key, ok := store.FromContext(ctx); ok && key.Type == store.Secret {
		for scope := range strings.FieldsSeq(scopes) {
			if !key.Allows(scope) {
				return nil, &refusal{
					status: http.StatusForbidden,
					body:   typed("forbidden", "The key in use does not have the scope '"+scope+"'"),
					header: []string{"WWW-Authenticate", `Bearer error="insufficient_scope", scope="` + scopes + `"`},
				}
			}
		}
		return ctx, nil
	}
	if actor := a.actor(r); actor != "" {
		if err := a.crossOrigin.Check(r); err != nil {
			return nil, &refusal{
				status: http.StatusForbidden, body: typed("forbidden", "Cross-origin requests are not allowed here"),
			}
		}
		return store.WithActor(ctx, actor), nil
	}
	return nil, &refusal{
		status: http.StatusUnauthorized,
		body:   medusa.Members{{"message", "Unauthorized"}},
		header: []string{"WWW-Authenticate", "Bearer"},
	}
}

// admitAgain repeats admit after the client has sent the body: it looks the key up and calls
// Config.Actor again. A change checks once more, in its transaction.
func (a *api) admitAgain(r *http.Request, scopes string) (context.Context, error) {
	ctx, err := a.admit(r, scopes)
	if err != nil {
		return ctx, err
	}
	err = a.keys.Reauthenticate(ctx)
	if scopes == "" && errors.Is(err, store.ErrForbidden) {
		err = nil // a key that has lost rights may still revoke itself
	}
	return ctx, err
}
