package main

import (
	"bytes"
	"encoding/json"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/segue-run/segue/runbook"
)

func (a *app) lintCommand() *cobra.Command {
	var vals values
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "lint RUNBOOK…",
		Short: "Check runbooks; needs no live system",
		Args:  cobra.MinimumNArgs(1),
		RunE: func(_ *cobra.Command, files []string) error {
			bad := 0
			for _, file := range files {
				rb, err := a.parse(file, vals, true)
				if err != nil {
					bad++
					if len(files) == 1 {
						return err
					}
					fmt.Fprintln(a.stderr, err)
					continue
				}
				if err := a.linted(rb, asJSON); err != nil {
					return err
				}
			}
			if bad > 0 {
				return usage(fmt.Errorf("%d of %d runbooks are not right", bad, len(files)))
			}
			return nil
		},
	}
	vals.flags(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print warnings as JSON")
	return cmd
}

func (a *app) linted(rb *runbook.Runbook, asJSON bool) error {
	warnings := runbook.Lint(rb)
	if asJSON {
		return a.printJSON(map[string]any{"runbook": rb.Name, "file": rb.File, "digest": rb.Digest(), "warnings": warnings, "left_out": rb.LeftOut})
	}
	for _, w := range warnings {
		fmt.Fprintln(a.stdout, w)
	}
	steps := 0
	for _, p := range rb.Phases {
		steps += len(p.Steps)
	}
	fmt.Fprintf(a.stdout, "%s: %s is right: %d phases, %d steps, %d checks, %d guards", rb.File, rb.Name, len(rb.Phases), steps, len(rb.Checks), len(rb.Guards))
	if n := len(rb.LeftOut); n > 0 {
		fmt.Fprintf(a.stdout, "; %d parts left out by when", n)
	}
	if n := len(warnings); n > 0 {
		fmt.Fprintf(a.stdout, "; %d warnings", n)
	}
	fmt.Fprintln(a.stdout)
	return nil
}

func (a *app) printJSON(v any) error {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return err
	}
	_, err := a.stdout.Write(a.secrets.RedactJSON(b.Bytes(), nil))
	return err
}
