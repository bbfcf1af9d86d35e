package main

import (
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/segue-run/segue/runbook"
)

func (a *app) schemaCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "schema",
		Short: "Print the JSON Schema of runbooks",
		RunE: func(*cobra.Command, []string) error {
			raw, err := runbook.Schema(a.catalog)
			if err != nil {
				return err
			}
			_, err = a.stdout.Write(raw)
			return err
		},
	}
}

// kindsCommand lists what a runbook can name, from the same catalog that
// parses it.
func (a *app) kindsCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "kinds [NAME]",
		Short: "List the connections, actions and checks that are built in, or show one",
		Args:  cobra.MaximumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			w := tabwriter.NewWriter(a.stdout, 0, 0, 2, ' ', 0)
			found := false
			for _, class := range []runbook.Class{runbook.Connection, runbook.Action, runbook.Check} {
				for _, k := range a.catalog.Kinds(class) {
					if len(args) == 0 {
						fmt.Fprintf(w, "%s\t%s\t%s\n", class, k.Name, k.Doc)
						continue
					}
					if k.Name != args[0] {
						continue
					}
					found = true
					fmt.Fprintf(w, "%s %s: %s\n", class, k.Name, k.Doc)
					if len(k.Provides) > 0 {
						fmt.Fprintf(w, "  (it has %s)\n", strings.Join(k.Provides, ", "))
					}
					for _, f := range k.Fields {
						fmt.Fprintf(w, "  %s\t%s\t%s\n", f.Name, fieldType(f), f.Doc)
					}
				}
			}
			if err := w.Flush(); err != nil {
				return err
			}
			if len(args) > 0 && !found {
				return usage(fmt.Errorf("no connection, action or check is called %q (segue kinds lists them)", args[0]))
			}
			return nil
		},
	}
}

func fieldType(f runbook.Field) string {
	t := string(f.Type)
	if f.Elem != "" {
		t += " of " + string(f.Elem)
	}
	if f.Needs != "" {
		t += " with " + f.Needs
	}
	if f.Required {
		t += ", required"
	}
	if f.Default != "" {
		t += ", default " + f.Default
	}
	return t
}
