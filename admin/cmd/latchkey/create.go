package main

import (
	"context"
	"flag"
	"time"

	"github.com/latchkey-go/latchkey/store"
)

func createCommand() command {
	return command{
		name: "create", short: "create a key and show its token, once",
		long: `Creates a key and prints it with its token to standard output (with -o json: the member "token").
The token of a secret key is never shown again. Limits that your program sets in store.Options
(MaxLifetime, MaxActiveSecrets) do not apply here.

  latchkey create -type secret -title ERP -scope orders:read -scope orders:write -expires-in 90d
  latchkey create -type publishable -title "Web shop" -channel sc_default`,
		flags: func(p *program, flags *flag.FlagSet) func(context.Context, []string) error {
			c := &createRun{dbFlags: p.createFlags(flags), output: p.output(flags)}
			c.createsFile = true
			setters(flags, &c.key)
			flags.Var(&c.expiresIn, "expires-in", "lifetime, a `TIME`: 90d, 12h (default: for ever)")
			flags.Var(&c.expiresAt, "expires-at", "expires at this `MOMENT`: 2027-01-31, 2027-01-31T12:00:00Z")
			return c.run
		},
	}
}

// createRun is one run of create.
type createRun struct {
	*dbFlags
	output *output

	key       store.NewKey
	expiresIn durationFlag
	expiresAt timeFlag
}

func (c *createRun) run(ctx context.Context, args []string) error {
	if err := noArguments(args); err != nil {
		return err
	}
	if c.key.Type == "" {
		return usagef("-type is required: secret or publishable")
	}
	expires, err := endTime(c.expiresIn, c.expiresAt, "expires-in", "expires-at")
	if err != nil {
		return err
	}
	if (c.expiresIn.given || c.expiresAt.given) && !expires.After(time.Now()) {
		return usagef("-expires-in or -expires-at: the key would have expired already")
	}
	c.key.ExpiresAt = expires
	s, ctx, err := c.open(ctx, true)
	if err != nil {
		return err
	}
	defer s.close()
	ctx, cancel, err := detached(ctx)
	if err != nil {
		return err
	}
	defer cancel()
	made, err := s.keys.Create(ctx, c.key)
	if err != nil {
		return invalid(explain(err, "find the key with list and revoke it, because its token is lost"))
	}
	return c.output.showCreated(made)
}
