package main

import (
	"context"
	"flag"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
)

func migrateCommand() command {
	return command{
		name: "migrate", short: "bring the database's schema up to date",
		long: `Brings the schema of the keys' tables up to date, in one transaction, makes the indexes that are
missing, and prints the versions before and after. Programs serve meanwhile: an index of a large table may take minutes,
and a transaction that has been open for long is waited for. Every instance does the same when it starts, if its role may. This is for databases where only another
role may, the owner of the tables: run it before you start instances of a new version. docs/operations.md lists the rights
of both roles. It can be run again.

  latchkey migrate -check
  latchkey migrate`,
		flags: func(p *program, flags *flag.FlagSet) func(context.Context, []string) error {
			r := &migrating{access: p.reading(flags), output: p.output(flags)}
			flags.BoolVar(&r.check, "check", false, "change nothing; exit status 1 if there is something to do")
			return r.run
		},
	}
}

// migrating is one run of migrate.
type migrating struct {
	*access
	output *output
	check  bool
}

// migrationView is what migrate prints as JSON.
type migrationView struct {
	Check bool `json:"check"`
	From  int  `json:"from"` // 0: there were no tables
	To    int  `json:"to"`
	// Indexes are those that were missing, beside those of new tables.
	Indexes []string `json:"indexes"`
}

func (r *migrating) run(ctx context.Context, args []string) error {
	if err := none(args); err != nil {
		return err
	}
	r.makesFile = !r.check
	s, err := r.settings()
	if err != nil {
		return err
	}
	db, err := s.database.Connect()
	if err != nil {
		return fmt.Errorf("database: %w", err)
	}
	defer db.Close()
	log := slog.New(slog.NewTextHandler(r.stderr, nil))
	from, to, indexes, err := s.database.Migrate(ctx, db, log, r.check)
	if err != nil {
		return fmt.Errorf("database: %w", err)
	}
	v := migrationView{Check: r.check, From: from, To: to, Indexes: append([]string{}, indexes...)}
	if err := r.output.write(v, func() [][]string { return [][]string{{v.sentence()}} }); err != nil {
		return err
	}
	if r.check && (v.From != v.To || len(v.Indexes) > 0) {
		return fmt.Errorf("the schema is not up to date: run latchkey migrate")
	}
	return nil
}

func (v migrationView) sentence() string {
	from := "schema version " + strconv.Itoa(v.From)
	if v.From == 0 {
		from = "no tables"
	}
	migrated, made := "migrated", "made"
	if v.Check {
		migrated, made = "would be migrated", "would be made"
	}
	var done []string
	if v.From != v.To {
		done = append(done, fmt.Sprintf("%s to version %d", migrated, v.To))
	}
	for _, name := range v.Indexes {
		done = append(done, "index "+name+" "+made)
	}
	if len(done) == 0 {
		done = []string{"up to date, nothing to do"}
	}
	return from + ": " + strings.Join(done, ", ")
}
