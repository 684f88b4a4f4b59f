package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"strings"

	"github.com/latchkey-go/latchkey/store"
)

// command is a command of the program.
type command struct {
	name  string
	args  string // the arguments after the flags
	short string // one line for the list of commands
	long  string // the help of the command
	// flags defines the flags and returns the function to call with the arguments once they are
	// parsed.
	flags func(*program, *flag.FlagSet) func(context.Context, []string) error
}

// commands returns all commands, in the order of the list.
func commands() []command {
	return []command{
		createCommand(), listCommand(), revokeCommand(), rollCommand(), verifyCommand(), eventsCommand(),
		importCommand(), migrateCommand(), peppersCommand(), pruneCommand(), scanRulesCommand(),
	}
}

// run runs the command of args[0] and returns the exit status.
func (p *program) run(ctx context.Context, args []string) int {
	if len(args) > 0 && isHelp(args[0]) {
		if args = args[1:]; len(args) == 0 {
			printCommands(p.stdout)
			return exitOK
		}
		args = []string{args[0], "-h"}
	}
	if len(args) == 0 {
		printCommands(p.stderr)
		return exitUsage
	}
	for _, c := range commands() {
		if c.name == args[0] {
			return p.runCommand(ctx, c, args[1:])
		}
	}
	if secretLike.MatchString(args[0]) {
		args[0] = "…"
	}
	fmt.Fprintf(p.stderr, "latchkey: there is no command %q\n\n", args[0])
	printCommands(p.stderr)
	return exitUsage
}

func isHelp(arg string) bool {
	return arg == "help" || arg == "-h" || arg == "-help" || arg == "--help"
}

func (p *program) runCommand(ctx context.Context, c command, args []string) int {
	flags := flag.NewFlagSet(c.name, flag.ContinueOnError)
	flags.SetOutput(io.Discard) // errors and help are printed below
	do := c.flags(p, flags)
	err := checkNoSecrets(args)
	var rest []string
	if err == nil {
		if rest, err = parse(flags, args); err != nil && !errors.Is(err, flag.ErrHelp) {
			err = usageError{err}
		}
	}
	if err == nil {
		err = do(ctx, rest)
	}
	var wrong usageError
	switch {
	case err == nil:
		return exitOK
	case errors.Is(err, flag.ErrHelp):
		printHelp(p.stdout, c, flags)
		return exitOK
	case errors.As(err, &wrong):
		fmt.Fprintf(p.stderr, "latchkey %s: %s\nSee: latchkey %s -h\n", c.name, oneLine(err), c.name)
		return exitUsage
	default:
		fmt.Fprintf(p.stderr, "latchkey %s: %s\n", c.name, oneLine(err))
		return exitFailed
	}
}

// parse parses flags before and after other arguments, which it returns.
func parse(flags *flag.FlagSet, args []string) (rest []string, err error) {
	for {
		if err := flags.Parse(args); err != nil {
			return nil, err
		}
		if flags.NArg() == 0 {
			return rest, nil
		}
		rest, args = append(rest, flags.Arg(0)), flags.Args()[1:]
	}
}

// usageError is a wrong flag, argument or variable. Nothing was done.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

func usagef(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

// invalid returns an error of the store about the values of flags as a usageError.
func invalid(err error) error {
	if errors.Is(err, store.ErrInvalid) {
		return usageError{err}
	}
	return err
}

// noArguments is for commands that have only flags.
func noArguments(args []string) error {
	if len(args) > 0 {
		return usagef("%q: this command has only flags", args[0])
	}
	return nil
}

func oneLine(err error) string { return strings.ReplaceAll(err.Error(), "\n", "; ") }

func printCommands(w io.Writer) {
	fmt.Fprint(w, "Latchkey manages the API keys in the database at DATABASE_URL.\n\n"+
		"Usage: latchkey COMMAND [flags] [arguments]\n\n")
	for _, c := range commands() {
		fmt.Fprintf(w, "  %-12s%s\n", c.name, c.short)
	}
	fmt.Fprint(w, `
"latchkey COMMAND -h" explains a command and lists its flags.

Environment, as that of the running instances:
  DATABASE_URL        sqlite:PATH or postgres://user:password@host:port/database
  REDIS_URL           their Redis, if they use one: redis://…, rediss://…
  LATCHKEY_PEPPERS    their peppers, separated by commas, the current one first
  LATCHKEY_NAMESPACE  namespace of new tokens, sk_NAME_…: their store.Options.Namespace

Exit status: 0 done; 1 failed, or verify refuses the token; 2 flags, arguments or environment are
wrong and nothing was done.
`)
}

func printHelp(w io.Writer, c command, flags *flag.FlagSet) {
	line := "latchkey " + c.name + " [flags]"
	if c.args != "" {
		line += " " + c.args
	}
	fmt.Fprintf(w, "Usage: %s\n\n%s\n\nFlags:\n", line, strings.TrimSpace(c.long))
	flags.SetOutput(w)
	flags.PrintDefaults()
}
