package store

import (
	"context"

	principalctx "github.com/latchkey-go/latchkey/internal/principal"
)

type contextKey int

const (
	actorInContext contextKey = iota
	requestIDInContext
)

// NewContext returns a context in which key is the authenticated principal, as the guards do.
func NewContext(ctx context.Context, key *Key) context.Context {
	return &principalctx.Context{Context: ctx, Key: key}
}

// FromContext returns the key that authenticated the request, and whether there is one.
func FromContext(ctx context.Context) (*Key, bool) {
	key, ok := principalctx.Key(ctx).(*Key)
	return key, ok && key != nil
}

// WithActor returns a context in which changes are made in the name of actor: a member of the
// staff, a job, the program itself. It takes the place of a key in the same context: the rule that
// no key hands out more than it has does not bind actors. A secret token in the name is redacted.
func WithActor(ctx context.Context, actor string) context.Context {
	return context.WithValue(ctx, actorInContext, redactSecrets(actor))
}

// WithRequestID returns a context whose changes carry that request id in the audit log, with secret tokens in it redacted.
func WithRequestID(ctx context.Context, id string) context.Context {
	return context.WithValue(ctx, requestIDInContext, id)
}

func requestID(ctx context.Context) string {
	id, _ := ctx.Value(requestIDInContext).(string)
	return id
}

// principal is the principal of a context: an actor's name, or a key, whose limits then bind (holder).
type principal struct {
	actor  string
	holder *Key
}

func principalFrom(ctx context.Context) principal {
	if actor, ok := ctx.Value(actorInContext).(string); ok {
		return principal{actor: actor}
	}
	if key, ok := FromContext(ctx); ok {
		return principal{actor: key.ID, holder: key}
	}
	return principal{}
}
