// Package demo shows a migration as an operator sees it: it brings the legacy
// system up, lets robots report to it and people watch and drive them, lets
// segue carry the runbook out, compares what became of every heartbeat, robot
// and session, and takes everything down again.
package demo

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/segue-run/segue/examples/lekiwi/fleet"
	"github.com/segue-run/segue/examples/lekiwi/ledger"
	"github.com/segue-run/segue/examples/lekiwi/system"
	"github.com/segue-run/segue/examples/sandbox/stage"
)

// Options of a demonstration.
type Options struct {
	Runbook string // file
	Values  string // file
	Segue   string // the program
	Fleet   fleet.Config
	JSON    string // file that gets the result; "" for none
	Keep    bool   // leave the files: journals, report, ledger
	Out     *os.File
}

// Result is what the last line is made of.
type Result struct {
	// Failed are requests and heartbeats that got 5xx or no answer, to the end of
	// their senders' patience. Repeats, which robots make, are beside it.
	Failed  int    `json:"failed_requests"`
	Repeats int    `json:"repeats"`
	Lost    int    `json:"lost_heartbeats"` // acknowledged, and not there or there twice
	Robots  bool   `json:"robots_equal"`    // each is in the new system as it said itself
	Driven  bool   `json:"teleoperation_equal"`
	Status  string `json:"result"`

	Ledger ledger.Result `json:"ledger"`
	Fleet  fleet.Stats   `json:"fleet"`
	Took   float64       `json:"seconds"` // the migration
}

// Line is the result for machines.
func (r Result) Line() string {
	return fmt.Sprintf("demo: failed_requests=%d lost_heartbeats=%d robots_equal=%t teleoperation_equal=%t result=%s", r.Failed, r.Lost, r.Robots, r.Driven, r.Status)
}

// OK reports whether nothing failed, was lost or differs, and the run is done.
func (r Result) OK() bool {
	return r.Failed == 0 && r.Lost == 0 && r.Robots && r.Driven && r.Status == "completed" && r.Ledger.OK()
}

// judge makes the result of what was counted.
func judge(stats fleet.Stats, count ledger.Result, status string, took time.Duration) Result {
	r := Result{
		Lost: count.Lost + count.Doubled + count.OutOfOrder + count.Unexpected + int(count.Gaps), Status: status,
		Ledger: count, Fleet: stats, Took: took.Seconds(),
	}
	for _, kind := range stats.Kinds {
		r.Failed += kind.Errors
		r.Repeats += kind.Repeats
	}
	n := count.New
	r.Robots = n != nil && n.Robots > 0 && n.Missing+n.Stale+n.Differ+n.Extra+count.NotRebuilt+count.SidesDiffer == 0
	r.Driven = count.Sessions > 0 && count.SessionsLost+count.SessionsDiffer+count.SessionsDoubled+count.SessionsExtra == 0
	return r
}

const settle = 45 * time.Second

// Run gives the demonstration. The error says what went wrong with giving it;
// how the migration went is in the result.
func Run(ctx context.Context, o Options) (res Result, err error) {
	dir, err := os.MkdirTemp("", "segue-lekiwi-demo-")
	if err != nil {
		return res, fmt.Errorf("make a directory: %w", err)
	}
	if !o.Keep {
		defer os.RemoveAll(dir)
	}
	s := session{o: o, Stage: stage.Stage{Segue: o.Segue, Runbook: o.Runbook, Values: o.Values, Dir: dir, Keep: o.Keep, Out: o.Out}}
	s.Say("Bringing the legacy system up behind NGINX, with PostgreSQL, Redis and Prometheus beside it …")
	began := time.Now()
	sys, err := system.Start(ctx, system.Options{LegacyOnly: true, Bin: filepath.Dir(o.Segue)})
	if err != nil {
		return res, fmt.Errorf("bring the system up: %w", err)
	}
	defer func() {
		s.Say("Taking it down …")
		if downErr := sys.Stop(context.WithoutCancel(ctx)); downErr != nil {
			err = errors.Join(err, fmt.Errorf("take the system down: %w", downErr))
		}
	}()
	s.sys, s.Env = sys, sys.Env.Pairs()
	s.Say(fmt.Sprintf("It is up after %.1f s. %d robots report and are watched: %.0f heartbeats and %.0f questions a second.",
		time.Since(began).Seconds(), o.Fleet.Robots, o.Fleet.Heartbeats, o.Fleet.Polls))
	stats, took, err := s.underLoad(ctx)
	if err != nil {
		return res, err
	}
	count, err := s.count(ctx)
	if err != nil {
		return res, err
	}
	status, err := s.Report(ctx)
	if err != nil {
		return res, err
	}
	return s.result(judge(stats, count, status, took))
}

// result is what was written of it, so that the last line says what the file
// says.
func (s *session) result(r Result) (Result, error) {
	raw, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return r, fmt.Errorf("print the result: %w", err)
	}
	if s.o.JSON != "" {
		if err := os.WriteFile(s.o.JSON, append(raw, '\n'), 0o600); err != nil {
			return r, fmt.Errorf("write the result: %w", err)
		}
	}
	var back Result
	if err := json.Unmarshal(raw, &back); err != nil {
		return r, fmt.Errorf("read the result: %w", err)
	}
	return back, nil
}

// count takes the ledger of the new system: the legacy one is gone.
func (s *session) count(ctx context.Context) (ledger.Result, error) {
	s.Say("Comparing every heartbeat, robot and session …")
	j, err := fleet.ReadJournal(s.Path("fleet.jsonl"))
	if err != nil {
		return ledger.Result{}, err //nolint:wrapcheck // it says what was done
	}
	count, err := ledger.Take(ctx, ledger.Source{DatabaseURL: s.sys.Env.DatabaseURL}, j, true, settle)
	if err != nil {
		return ledger.Result{}, fmt.Errorf("take the ledger: %w", err)
	}
	return count, count.WriteTable(s.Out) //nolint:wrapcheck // it says what was done
}
