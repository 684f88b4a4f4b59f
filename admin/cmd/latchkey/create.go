package main

import (
	"context"
	"flag"
	"time"

	"github.com/latchkey-go/latchkey/store"
)

func createCommand() command {
	return command{
		name: "create", short: "make a key and show its token, once",
		long: `Makes a key and prints it with its token to standard output, the only time that the token of a secret key is shown (with -o json: the
member "token"). Bounds on keys that your program sets in store.Options (MaxLifetime, MaxActiveSecrets) are its own and not known here.

  latchkey create -type secret -title ERP -scope orders:read -scope orders:write -expires-in 90d
  latchkey create -type publishable -title "Web shop" -channel sc_default`,
		flags: func(p *program, flags *flag.FlagSet) func(context.Context, []string) error {
			c := &creation{access: p.minting(flags), output: p.output(flags)}
			c.makesFile = true
			setters(flags, &c.key)
			flags.Var(&c.expiresIn, "expires-in", "the `TIME` that it lives: 90d, 12h (default: for ever)")
			flags.Var(&c.expiresAt, "expires-at", "the `MOMENT` until which it lives: 2027-01-31, 2027-01-31T12:00:00Z")
			return c.run
		},
	}
}

// creation is one run of create.
type creation struct {
	*access
	output *output

	key       store.NewKey
	expiresIn span
	expiresAt moment
}

func (c *creation) run(ctx context.Context, args []string) error {
	if err := none(args); err != nil {
		return err
	}
	if c.key.Type == "" {
		return usagef("-type is required: secret or publishable")
	}
	expires, err := ending(c.expiresIn, c.expiresAt, "expires-in", "expires-at")
	if err != nil {
		return err
	}
	if (c.expiresIn.given || c.expiresAt.given) && !expires.After(time.Now()) {
		return usagef("-expires-in or -expires-at: the key would have ended already")
	}
	c.key.ExpiresAt = expires
	s, ctx, err := c.open(ctx, true)
	if err != nil {
		return err
	}
	defer s.close()
	ctx, cancel, err := uninterrupted(ctx)
	if err != nil {
		return err
	}
	defer cancel()
	made, err := s.keys.Create(ctx, c.key)
	if err != nil {
		return invalid(explain(err, "look for the key with list, and revoke it: its token is lost"))
	}
	return c.output.showMade(made)
}
