package main

import (
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/segue-run/segue/examples/athlete-ally/demo"
	"github.com/segue-run/segue/examples/sandbox/stage"
)

var errDemo = errors.New("the demonstration did not end as it should")

func newDemo() *cobra.Command {
	var o demo.Options
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Bring the system up, migrate it under load, count every message, take it down",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if o.Segue == "" {
				var err error
				if o.Segue, err = stage.Beside("segue"); err != nil {
					return err
				}
			}
			o.Out = os.Stdout
			res, err := demo.Run(cmd.Context(), o)
			if err != nil {
				return err
			}
			fmt.Println(res.Line())
			if !res.OK() {
				return errDemo
			}
			return nil
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.Runbook, "runbook", "examples/athlete-ally/runbook.yaml", "the runbook")
	f.StringVar(&o.Values, "values", "examples/athlete-ally/demo.yaml", "its inputs")
	f.StringVar(&o.Segue, "segue", "", "the segue program (default: beside this one)")
	f.Float64Var(&o.Rate, "rate", 520, "messages a second")
	f.Uint64Var(&o.Seed, "seed", 1, "seed of the load")
	f.BoolVar(&o.Keep, "keep", false, "keep the run's journal, the report and the load's journal")
	return cmd
}
