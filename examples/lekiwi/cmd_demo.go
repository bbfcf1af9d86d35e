package main

import (
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/segue-run/segue/examples/lekiwi/demo"
	"github.com/segue-run/segue/examples/sandbox/stage"
)

var errDemo = errors.New("the demonstration did not end as it should")

func newDemo() *cobra.Command {
	var o demo.Options
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Bring the legacy system up, migrate it under load, compare everything, take it down",
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
	f.StringVar(&o.Runbook, "runbook", "examples/lekiwi/runbook.yaml", "the runbook")
	f.StringVar(&o.Values, "values", "examples/lekiwi/demo.yaml", "its inputs")
	f.StringVar(&o.Segue, "segue", "", "the segue program (default: beside this one)")
	f.StringVar(&o.JSON, "json", "", "file that gets the result as JSON")
	f.Uint64Var(&o.Fleet.Seed, "seed", 1, "seed of the fleet and its schedule")
	f.IntVar(&o.Fleet.Robots, "robots", 2000, "number of robots")
	f.Float64Var(&o.Fleet.WebSocketShare, "websocket", 0.5, "share of the robots that report over WebSocket")
	f.Float64Var(&o.Fleet.Heartbeats, "heartbeats", 400, "heartbeats a second, of all robots together")
	f.Float64Var(&o.Fleet.Polls, "polls", 50, "questions of operators a second")
	f.Float64Var(&o.Fleet.Drives, "drives", 2, "teleoperation sessions begun a second")
	f.IntVar(&o.Fleet.Watchers, "watchers", 50, "operators who watch over WebSocket")
	f.DurationVar(&o.Fleet.Renew, "renew", 20*time.Second, "how long a robot keeps a WebSocket, about")
	f.BoolVar(&o.Keep, "keep", false, "keep the run's journal, the report and the fleet's journal")
	return cmd
}
