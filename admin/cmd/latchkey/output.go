package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"strings"
	"text/tabwriter"
	"unicode"
)

// output is the flag -o, and how a command writes its result to standard output; everything else it says goes to standard error.
type output struct {
	*program
	form oneOf
}

func (p *program) output(flags *flag.FlagSet) *output {
	o := &output{program: p, form: oneOf{value: "table", allowed: []string{"table", "json"}}}
	flags.Var(&o.form, "o", "output as `FORM`: table or json")
	return o
}

// write writes the result: as JSON, v; as a table, rows.
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

// table sets rows in columns.
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
	w.Flush() // into memory
	var trimmed strings.Builder
	for line := range strings.Lines(b.String()) {
		trimmed.WriteString(strings.TrimRight(line, " \n") + "\n")
	}
	return trimmed.String()
}

// plain shows what would move the cursor, or write on a terminal what nobody sees, as what it is: titles come from anybody.
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
