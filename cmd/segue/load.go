package main

import (
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/segue-run/segue/evidence"
	"github.com/segue-run/segue/load"
	"github.com/segue-run/segue/runbook"
)

func (a *app) loadCommand() *cobra.Command {
	var vals values
	var rps int
	var lasts string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "load RUNBOOK [CHECK]",
		Short: "Put a system under the load of a runbook's check, and judge how it bears it",
		Long: `Put a system under the load that a runbook's check of kind load describes, at another
rate or for another time if you say so. Only what the check's connection names as a
target is put under load. Requests are due at fixed times, and latencies are from
then on. Exits with 1 unless the load was borne: unknown is not success.`,
		Args: cobra.RangeArgs(1, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			rb, err := a.parse(args[0], vals, false)
			if err != nil {
				return err
			}
			params := runbook.Params{}
			if cmd.Flags().Changed("target-rps") {
				params["rps"] = int64(rps)
			}
			if lasts != "" {
				d, err := seconds(lasts)
				if err != nil {
					return usage(fmt.Errorf("--duration: %w", err))
				}
				params["duration"] = d
			}
			got, err := a.askOne(cmd.Context(), rb, load.Kind, arg(args[1:]), params)
			if err != nil {
				return err
			}
			if asJSON {
				var result load.Result
				if err := json.Unmarshal(got.Raw, &result); err != nil {
					return fmt.Errorf("check %s: %s", got.Check, got.Detail) // it never came to send
				}
				err = a.printJSON(result)
			} else {
				_, err = fmt.Fprintf(redacting{a.stdout, &a.secrets}, "%s  %s  %s\n", got.Check, got.Verdict, got.Value)
				if got.Detail != "" {
					_, err = fmt.Fprintln(redacting{a.stdout, &a.secrets}, got.Detail)
				}
			}
			if err == nil && got.Verdict != evidence.Pass {
				err = &exitError{code: codeFailed}
			}
			return err
		},
	}
	vals.flags(cmd)
	f := cmd.Flags()
	f.IntVar(&rps, "target-rps", 0, "how many requests are due in a second; the check's own number unless given")
	f.StringVar(&lasts, "duration", "", "for how long: `5m`, or a number of seconds; the check's own unless given")
	f.BoolVar(&asJSON, "json", false, "print the figures as JSON")
	return cmd
}

// seconds reads a duration; a bare number is of seconds.
func seconds(text string) (time.Duration, error) {
	if n, err := strconv.Atoi(text); err == nil {
		return time.Duration(n) * time.Second, nil
	}
	return runbook.ParseDuration(text)
}
