package main

import (
	"context"
	"flag"

	"github.com/latchkey-go/latchkey/store"
)

func rollCommand() command {
	return command{
		name: "roll", args: "ID", short: "replace a key with a new one and show its token, once",
		long: `Creates a key with the title, type, scopes, channels, limits and expiry of an old one, and prints it
with its token, which is never shown again for a secret key. The old key is revoked in the same
transaction, at once or after a grace period in which both are valid.

  latchkey roll -grace 24h apk_01M82NJBTYECRRGD8R7R7012W4`,
		flags: func(p *program, flags *flag.FlagSet) func(context.Context, []string) error {
			db, output := p.createFlags(flags), p.output(flags)
			var grace durationFlag
			replace := flags.Bool("replace", false,
				"revoke the key of an earlier roll whose token was lost, if it was never used")
			flags.Var(&grace, "grace", "the `TIME` for which the old key remains valid: 24h, 7d (default: none)")
			return func(ctx context.Context, args []string) error {
				if len(args) != 1 {
					return usagef("want the id of one key, got %d arguments", len(args))
				}
				s, ctx, err := db.open(ctx, true)
				if err != nil {
					return err
				}
				defer s.close()
				ctx, cancel, err := detached(ctx)
				if err != nil {
					return err
				}
				defer cancel()
				made, err := s.keys.Roll(ctx, args[0], store.RollOptions{Grace: grace.length, Replace: *replace})
				if err != nil {
					return explain(err, "if the key was rolled, roll it again with -replace, because the first token is lost")
				}
				return output.showCreated(made)
			}
		},
	}
}
