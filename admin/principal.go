package admin

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"github.com/latchkey-go/latchkey/admin/internal/medusa"
	"github.com/latchkey-go/latchkey/store"
)

// The scopes that a key with a scope list needs. A key without one, and a member of the staff, may do everything; asking "who am I"
// takes no scope.
const (
	ReadScope   = "keys:read"
	WriteScope  = "keys:write"
	VerifyScope = "keys:verify"
)

// admit returns the context in which the request is served, or a refusal. It believes nobody: a request without a secret key or an
// actor is refused whatever the guard thought of it. A publishable key is public and admits nobody. Where there are both, the key
// counts, so that a cookie beside it adds nothing to its rights.
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
			return nil, &refusal{status: http.StatusForbidden, body: typed("forbidden", "Cross-origin requests are not allowed here")}
		}
		return store.WithActor(ctx, actor), nil
	}
	return nil, &refusal{
		status: http.StatusUnauthorized,
		body:   medusa.Members{{"message", "Unauthorized"}},
		header: []string{"WWW-Authenticate", "Bearer"},
	}
}

// admitAgain is admit for a request whose client has been waited for: a key is looked up again, and
// an actor's login is asked again. A change asks once more, inside its transaction.
func (a *api) admitAgain(r *http.Request, scopes string) (context.Context, error) {
	ctx, err := a.admit(r, scopes)
	if err != nil {
		return ctx, err
	}
	err = a.keys.Reauthenticate(ctx)
	if scopes == "" && errors.Is(err, store.ErrForbidden) {
		err = nil // what a key has lost does not keep it from ending itself
	}
	return ctx, err
}
