package main

import (
	"context"
	"fmt"
	"time"

	"github.com/latchkey-go/latchkey/store"
)

// createTimeout bounds the creation of a key.
const createTimeout = 30 * time.Second

// detached returns a context for creating a key that a signal does not cancel: otherwise a key
// might be created without showing its token.
func detached(ctx context.Context) (context.Context, context.CancelFunc, error) {
	if err := ctx.Err(); err != nil {
		return nil, nil, err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), createTimeout)
	return ctx, cancel, nil
}

// showCreated prints a new key with its token, which is not shown again. The token goes to standard
// output only, not to a log.
func (o *output) showCreated(made store.Made) error {
	v := viewOf(made.Key, time.Now())
	v.token = made.Token.Reveal()
	err := o.write(v, v.rows)
	if err != nil {
		return fmt.Errorf("key %s was created, but its token is lost: %w. Revoke it and create another", made.Key.ID, err)
	}
	if made.Key.Type == store.Secret {
		fmt.Fprintln(o.stderr, "The token is shown only this once and stored nowhere.")
	}
	return nil
}
