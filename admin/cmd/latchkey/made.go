package main

import (
	"context"
	"fmt"
	"time"

	"github.com/latchkey-go/latchkey/store"
)

// makeTime is how long making a key may take once it has begun.
const makeTime = 30 * time.Second

// uninterrupted returns a context for making a key: being told to stop in the middle would leave a key whose token nobody has seen.
func uninterrupted(ctx context.Context) (context.Context, context.CancelFunc, error) {
	if err := ctx.Err(); err != nil {
		return nil, nil, err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), makeTime)
	return ctx, cancel, nil
}

// showMade writes a new key with its token, the only time that it is shown. To standard output alone: it has no place in a log.
func (o *output) showMade(made store.Made) error {
	v := viewOf(made.Key, time.Now())
	v.token = made.Token.Reveal()
	err := o.write(v, v.rows)
	if err != nil {
		return fmt.Errorf("key %s has been made, but its token is lost: %w. Revoke it and make another", made.Key.ID, err)
	}
	if made.Key.Type == store.Secret {
		fmt.Fprintln(o.stderr, "The token is shown this once and stored nowhere.")
	}
	return nil
}
