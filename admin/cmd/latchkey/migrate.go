package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
)

func migrateCommand() command {
	return command{
		name: "migrate", short: "bring the database's schema up to date",
		long: `Brings the schema of the keys' tables up to date in one transaction, creates missing indexes, and
prints the versions before and after. Instances can serve meanwhile. An index of a large table may
take minutes, and long transactions delay it. Every instance does the same at start if its role may.
Where only the owner of the tables may, run this before you start instances of a new version;
docs/operations.md lists the rights of both roles. You can run it again.

  latchkey migrate -check
  latchkey migrate`,
		flags: func(p *program, flags *flag.FlagSet) func(context.Context, []string) error {
			r := &migrateRun{dbFlags: p.readFlags(flags), output: p.output(flags)}
			flags.BoolVar(&r.check, "check", false, "change nothing; the exit status is 1 if the schema is not up to date")
			return r.run
		},
	}
}

// migrateRun is one run of migrate.
type migrateRun struct {
	*dbFlags
	output *output
	check  bool
}

// migrationView is what migrate prints as JSON.
type migrationView struct {
	Check bool `json:"check"`
	From  int  `json:"from"` // 0 if there were no tables
	To    int  `json:"to"`
	// Indexes are the missing ones, without those of new tables.
	Indexes []string `json:"indexes"`
}

func (r *migrateRun) run(ctx context.Context, args []string) error {
	if err := noArguments(args); err != nil {
		return err
	}
	r.createsFile = !r.check
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
		return errors.New("the schema is not up to date: run latchkey migrate")
	}
	return nil
}

func (v migrationView) sentence() string {
	from := "schema version " + strconv.Itoa(v.From)
	if v.From == 0 {
		from = "no tables"
	}
	migrated, created := "migrated", "created"
	if v.Check {
		migrated, created = "would be migrated", "would be created"
	}
	var done []string
	if v.From != v.To {
		done = append(done, fmt.Sprintf("%s to version %d", migrated, v.To))
	}
	for _, name := range v.Indexes {
		done = append(done, "index "+name+" "+created)
	}
	if len(done) == 0 {
		done = []string{"up to date, nothing to do"}
	}
	return from + ": " + strings.Join(done, ", ")
}
