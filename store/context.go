package store

import "context"

type contextKey int

const (
	keyInContext contextKey = iota
	actorInContext
	requestIDInContext
)

// NewContext returns a context in which key is the authenticated principal. The guards of package middleware call it.
func NewContext(ctx context.Context, key *Key) context.Context {
	return &KeyContext{Context: ctx, Key: key}
}

// KeyContext is the context that [NewContext] returns, for those who allocate it together with something else.
type KeyContext struct {
	context.Context
	Key *Key
}

// Value returns the key to [FromContext], and to all others what the context below says.
func (c *KeyContext) Value(name any) any {
	if name == keyInContext {
		return c.Key
	}
	return c.Context.Value(name)
}

// FromContext returns the key that authenticated the request, and whether there is one.
func FromContext(ctx context.Context) (*Key, bool) {
	key, ok := ctx.Value(keyInContext).(*Key)
	return key, ok && key != nil
}

// WithActor returns a context in which changes are made in the name of actor: a member of the staff, a job, the program itself. It
// takes the place of a key in the same context: the rule that no key hands out more than it has does not bind actors. A secret token
// in the name is redacted.
func WithActor(ctx context.Context, actor string) context.Context {
	return context.WithValue(ctx, actorInContext, told(actor))
}

// WithRequestID returns a context whose changes carry that request id in the audit log, with secret tokens in it redacted.
func WithRequestID(ctx context.Context, id string) context.Context {
	return context.WithValue(ctx, requestIDInContext, id)
}

func requestID(ctx context.Context) string {
	id, _ := ctx.Value(requestIDInContext).(string)
	return id
}

// who is the principal of a context: an actor's name, or a key, whose limits then bind (holder).
type who struct {
	actor  string
	holder *Key
}

func principal(ctx context.Context) who {
	if actor, ok := ctx.Value(actorInContext).(string); ok {
		return who{actor: actor}
	}
	if key, ok := FromContext(ctx); ok {
		return who{actor: key.ID, holder: key}
	}
	return who{}
}
