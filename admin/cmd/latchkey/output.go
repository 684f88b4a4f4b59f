package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"strings"
	"text/tabwriter"
	"unicode"
)

// output is the flag -o. It writes results to standard output; all other text goes to standard
// error.
type output struct {
	*program
	form choiceFlag
}

func (p *program) output(flags *flag.FlagSet) *output {
	o := &output{program: p, form: choiceFlag{value: "table", allowed: []string{"table", "json"}}}
	flags.Var(&o.form, "o", "output as `FORM`: table or json")
	return o
}

// write writes the result, v as JSON or rows as a table.
func (o *output) write(v any, rows func() [][]string) error {
	var text string
	if o.form.value == "json" {
		indented, err := json.MarshalIndent(v, "", "  ")
		if err != nil {
			return err
		}
		text = string(indented) + "\n"
	} else {
		text = table(rows())
	}
	if _, err := o.stdout.Write([]byte(text)); err != nil {
		return fmt.Errorf("the result could not be written: %w", err)
	}
	return nil
}

// table formats rows in columns.
func table(rows [][]string) string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 8, 2, ' ', 0)
	for _, row := range rows {
		for i, cell := range row {
			if i > 0 {
				fmt.Fprint(w, "\t")
			}
			fmt.Fprint(w, plain(cell))
		}
		fmt.Fprintln(w)
	}
	w.Flush() // cannot fail in memory
	var trimmed strings.Builder
	for line := range strings.Lines(b.String()) {
		trimmed.WriteString(strings.TrimRight(line, " \n") + "\n")
	}
	return trimmed.String()
}

// plain escapes control and invisible characters: a title could otherwise control the terminal.
func plain(s string) string {
	var b strings.Builder
	for _, r := range s {
		if unicode.IsPrint(r) {
			b.WriteRune(r)
			continue
		}
		fmt.Fprintf(&b, `\u%04x`, r)
	}
	return b.String()
}
