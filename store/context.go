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

// NewContext returns a context with key as the authenticated principal, as guards do.
func NewContext(ctx context.Context, key *Key) context.Context {
	return &principalctx.Context{Context: ctx, Key: key}
}

// FromContext returns the key that authenticated the request, and whether there is one.
func FromContext(ctx context.Context) (*Key, bool) {
	key, ok := principalctx.Key(ctx).(*Key)
	return key, ok && key != nil
}

// WithActor returns a context in which actor makes the changes: a member of staff, a job, or the
// program itself. It replaces a key in the same context. The rule that a key cannot grant more than
// it has does not apply to actors. A secret token in the name is redacted.
func WithActor(ctx context.Context, actor string) context.Context {
	return context.WithValue(ctx, actorInContext, redactSecrets(actor))
}

// WithRequestID returns a context whose changes have this request id in the audit log. Secret
// tokens in it are redacted.
func WithRequestID(ctx context.Context, id string) context.Context {
	return context.WithValue(ctx, requestIDInContext, id)
}

func requestID(ctx context.Context) string {
	id, _ := ctx.Value(requestIDInContext).(string)
	return id
}

// principal is who makes a change: an actor with a name, or a key (holder), whose limits then
// apply.
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
