package main

import (
	"context"
	"flag"
	"fmt"

	"github.com/latchkey-go/latchkey/store"
	"github.com/latchkey-go/latchkey/store/dburl"
	"github.com/latchkey-go/latchkey/store/medusa"
)

func importCommand() command {
	return command{
		name: "import", short: "import the keys of a Medusa database",
		long: `Imports the API keys of a live Medusa database. Try it with -dry-run first. Tokens do not change.
You can run it again at any time: it skips keys that were imported before, also if they have been
deleted since. docs/medusa.md is the guide.

  latchkey import -from postgres://…/medusa -dry-run
  latchkey import -from postgres://…/medusa`,
		flags: func(p *program, flags *flag.FlagSet) func(context.Context, []string) error {
			i := &importRun{dbFlags: p.writeFlags(flags), output: p.output(flags)}
			i.createsFile = true
			flags.StringVar(&i.from, "from", "", "`URL` of Medusa's database, postgres://… (default $MEDUSA_DATABASE_URL)")
			flags.StringVar(&i.options.Schema, "schema", "", "`SCHEMA` of Medusa's tables (default: the search_path's)")
			flags.BoolVar(&i.options.DryRun, "dry-run", false, "read and check everything, but write nothing")
			flags.IntVar(&i.options.BatchSize, "batch", 500, "`N` keys per change, 1 to 1000")
			flags.StringVar(&i.options.After, "after", "", "continue after the key with this `ID`")
			return i.run
		},
	}
}

// importRun is one run of import.
type importRun struct {
	*dbFlags
	output  *output
	from    string
	options medusa.Options
}

// importView is what import prints as JSON.
type importView struct {
	DryRun   bool          `json:"dry_run"`
	Read     int           `json:"read"`
	Imported int           `json:"imported"`
	Known    int           `json:"known"`
	Gone     int           `json:"gone"`
	Refused  []refusalView `json:"refused"`
	LastID   string        `json:"last_id"`
}

type refusalView struct {
	ID     string `json:"id"`
	Reason string `json:"reason"`
}

func (i *importRun) run(ctx context.Context, args []string) error {
	if err := noArguments(args); err != nil {
		return err
	}
	address, name := i.address(i.from, "-from", "MEDUSA_DATABASE_URL")
	if address == "" {
		return usagef("from where? Set -from or MEDUSA_DATABASE_URL: postgres://user:password@host:port/database")
	}
	source, err := dburl.Parse(address)
	if err != nil {
		return usagef("%s: %w", name, err)
	}
	if !source.IsPostgres() {
		return usagef("%s: Medusa uses PostgreSQL: postgres://…", name)
	}
	if i.options.BatchSize < 1 || i.options.BatchSize > store.MaxImport {
		return usagef("-batch must be between 1 and %d", store.MaxImport)
	}
	from, err := source.Connect()
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	defer from.Close()
	s, ctx, err := i.open(ctx, true)
	if err != nil {
		return err
	}
	defer s.close()

	i.options.Progress = func(p medusa.Progress) {
		fmt.Fprintf(i.stderr, "%d of %d keys, up to %s\n", p.Done, p.Total, p.LastID)
	}
	summary, err := medusa.Import(ctx, from, s.keys, i.options)
	if err != nil && summary.Read == 0 {
		return explain(err, "run the command again")
	}
	if err := i.report(summary); err != nil {
		return err
	}
	if err != nil {
		err = fmt.Errorf("stopped: %w (continue with -after %s or start again: both are safe)", err, summary.LastID)
		return explain(err, "continue or start again")
	}
	return nil
}

func (i *importRun) report(s medusa.Summary) error {
	v := importView{
		DryRun: i.options.DryRun, Read: s.Read, Imported: s.Imported, Known: s.Known, Gone: s.Gone,
		Refused: []refusalView{}, LastID: s.LastID,
	}
	for _, r := range s.Refused {
		v.Refused = append(v.Refused, refusalView(r))
	}
	return i.output.write(v, func() [][]string {
		verb := "imported"
		if i.options.DryRun {
			verb = "would be imported"
		}
		rows := [][]string{{fmt.Sprintf("%d keys read: %d %s, %d exist already, %d were deleted here, %d cannot be imported",
			s.Read, s.Imported, verb, s.Known, s.Gone, len(s.Refused))}}
		for _, r := range s.Refused {
			rows = append(rows, []string{"  " + r.ID + ": " + r.Reason})
		}
		return rows
	})
}
