// Package principal has the place of a key in a context, for those who allocate such a context
// together with something else.
package principal

import "context"

// Context has the *store.Key that authenticated a request.
type Context struct {
	context.Context
	Key any
}

type name struct{}

// Value returns the key to [Key], and what the context below has to all others.
func (c *Context) Value(of any) any {
	if of == (name{}) {
		return c.Key
	}
	return c.Context.Value(of)
}

// Key returns the *store.Key in a context, or nil.
func Key(ctx context.Context) any { return ctx.Value(name{}) }
