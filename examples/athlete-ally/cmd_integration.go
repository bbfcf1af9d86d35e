package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/segue-run/segue/examples/athlete-ally/integration"
	"github.com/segue-run/segue/examples/athlete-ally/system"
)

var errIntegration = errors.New("not every integration test has passed")

func newIntegration() *cobra.Command {
	var (
		dir          string
		asJSON, list bool
		o            integration.Options
	)
	cmd := &cobra.Command{
		Use:   "integration --dir DIR",
		Short: "Run the integration tests against a system that is up",
		Long: `Asks a running system thirty questions, at any moment: under load, and in the middle
of a migration. What the tests send is synthetic, and is taken back.

The last line is "30 passed, 0 failed, 0 skipped". Exit status 1 when a test that was
asked for has not passed.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			out := cmd.OutOrStdout()
			if list {
				for _, t := range integration.Tests() {
					fmt.Fprintf(out, "%-28s %s\n", t.Name, t.Asks)
				}
				return nil
			}
			sys, err := system.Open(dir)
			if err != nil {
				return err
			}
			var turn sync.Mutex
			if !asJSON {
				o.Tell = func(r integration.Result) {
					turn.Lock()
					defer turn.Unlock()
					fmt.Fprintln(out, strings.TrimSpace(fmt.Sprintf("%-7s %-28s %5.2f s  %s", r.Verdict, r.Name, r.Seconds, r.Why)))
				}
			}
			rep, err := integration.Run(cmd.Context(), target(sys.Env), o)
			if err != nil {
				return err
			}
			if asJSON {
				enc := json.NewEncoder(out)
				enc.SetIndent("", "  ")
				if err := enc.Encode(rep); err != nil {
					return fmt.Errorf("print the report: %w", err)
				}
			} else {
				fmt.Fprintln(out, rep.Line())
			}
			if !rep.OK() {
				return errIntegration
			}
			return nil
		},
	}
	f := cmd.Flags()
	f.StringVar(&dir, "dir", "", "the system's directory")
	f.BoolVar(&asJSON, "json", false, "print the report as JSON, and nothing else")
	f.BoolVar(&list, "list", false, "list the tests")
	f.StringArrayVar(&o.Run, "run", nil, "run only this test, or group of tests (may be repeated); the others are skipped")
	f.DurationVar(&o.Within, "within", 20*time.Second, "how long each test may take")
	cmd.MarkFlagsOneRequired("dir", "list")
	return cmd
}

// target says what the tests need of a system. Blue and green of normalize are
// found by their variables; staging's begin with STAGING_.
func target(e system.Env) integration.Target {
	t := integration.Target{
		NATSURL: e.NATSURL, Monitors: e.NATSMonitors, DatabaseURL: e.DatabaseURL, IngestURL: e.IngestURL, OuraSecret: e.OuraSecret,
	}
	vars := map[string]string{}
	for _, pair := range e.Pairs() {
		name, value, _ := strings.Cut(pair, "=")
		vars[strings.TrimPrefix(name, "STAGING_")] = value
	}
	for _, s := range []struct{ name, urls, metrics string }{
		{"normalize", "NORMALIZE_URLS", "NORMALIZE_METRICS_URLS"},
		{"normalize-green", "NORMALIZE_GREEN_URLS", "NORMALIZE_GREEN_METRICS_URLS"},
	} {
		if vars[s.urls] == "" {
			continue
		}
		service := integration.Service{Name: s.name}
		metrics := strings.Split(vars[s.metrics], ",")
		for i, url := range strings.Split(vars[s.urls], ",") {
			service.Instances = append(service.Instances, integration.Instance{URL: url, Metrics: metrics[i]})
		}
		t.Normalizers = append(t.Normalizers, service)
	}
	return t
}
