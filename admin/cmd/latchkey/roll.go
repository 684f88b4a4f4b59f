package main

import (
	"context"
	"flag"

	"github.com/latchkey-go/latchkey/store"
)

func rollCommand() command {
	return command{
		name: "roll", args: "ID", short: "replace a key by a new one and show its token, once",
		long: `Replaces a key: a new one takes over its title, type, scopes, channels, limits and expiry, and is printed with its token, the only
time that the token of a secret key is shown. The old one is revoked in the same transaction, now or after a grace period in which both work.

  latchkey roll -grace 24h apk_01M82NJBTYECRRGD8R7R7012W4`,
		flags: func(p *program, flags *flag.FlagSet) func(context.Context, []string) error {
			access, output := p.minting(flags), p.output(flags)
			var grace span
			replace := flags.Bool("replace", false, "end the key that an earlier roll has made, if it has not been used: its token was lost")
			flags.Var(&grace, "grace", "the `TIME` that the old key goes on working: 24h, 7d (default: none)")
			return func(ctx context.Context, args []string) error {
				if len(args) != 1 {
					return usagef("want the id of one key, got %d arguments", len(args))
				}
				s, ctx, err := access.open(ctx, true)
				if err != nil {
					return err
				}
				defer s.close()
				ctx, cancel, err := uninterrupted(ctx)
				if err != nil {
					return err
				}
				defer cancel()
				made, err := s.keys.Roll(ctx, args[0], store.RollOptions{Grace: grace.length, Replace: *replace})
				if err != nil {
					return explain(err, "if it was rolled all the same, roll it again with -replace: the token of the first roll is lost")
				}
				return output.showMade(made)
			}
		},
	}
}
