// Package demo shows a migration as an operator sees it: it brings the system
// up, puts load on it, lets segue carry the runbook out, counts what became of
// every message, and takes the system down again.
package demo

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/google/renameio/v2"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"golang.org/x/sync/errgroup"

	"github.com/segue-run/segue/examples/athlete-ally/event"
	"github.com/segue-run/segue/examples/athlete-ally/ledger"
	"github.com/segue-run/segue/examples/athlete-ally/load"
	"github.com/segue-run/segue/examples/athlete-ally/system"
	"github.com/segue-run/segue/examples/sandbox/stage"
)

// Options of a demonstration.
type Options struct {
	Runbook string  // file
	Values  string  // file
	Segue   string  // the program
	Rate    float64 // messages a second
	Seed    uint64
	Keep    bool // leave the files: journals, report, ledger
	Out     *os.File
}

// Result is what the last line is made of.
type Result struct {
	Lost      int      `json:"lost"`
	Doubled   int      `json:"doubled"`
	Ingest5xx int      `json:"ingest_5xx"`
	Streams   []string `json:"streams"` // that there are in the end
	Status    string   `json:"result"`
}

// Line is the result for machines.
func (r Result) Line() string {
	return fmt.Sprintf("demo: lost=%d doubled=%d ingest_5xx=%d streams=%s result=%s", r.Lost, r.Doubled, r.Ingest5xx, strings.Join(r.Streams, ","), r.Status)
}

// OK reports whether nothing was lost, doubled or refused, and the run is done:
// three streams, and no other.
func (r Result) OK() bool {
	return r.Lost == 0 && r.Doubled == 0 && r.Ingest5xx == 0 && r.Status == "completed" &&
		slices.Equal(r.Streams, []string{event.StreamCore, event.StreamDLQ, event.StreamVendor})
}

const (
	// warmUp is how long the load goes on before the migration begins: longer than
	// the window of rates, so that the baseline is one.
	warmUp = 12 * time.Second
	settle = 45 * time.Second
)

// Run gives the demonstration. The error says what went wrong with giving it;
// how the migration went is in the result.
func Run(ctx context.Context, o Options) (res Result, err error) {
	dir, err := os.MkdirTemp("", "segue-demo-")
	if err != nil {
		return res, fmt.Errorf("make a directory: %w", err)
	}
	if !o.Keep {
		defer os.RemoveAll(dir)
	}
	s := session{o: o, Stage: stage.Stage{Segue: o.Segue, Runbook: o.Runbook, Values: o.Values, Dir: dir, Keep: o.Keep, Out: o.Out}}
	s.Say("Bringing production up (NATS ×3, PostgreSQL, Prometheus, ingest, normalize ×2), and staging beside it …")
	began := time.Now()
	defer func() {
		s.Say("Taking both down …")
		if downErr := s.down(context.WithoutCancel(ctx)); downErr != nil {
			err = errors.Join(err, fmt.Errorf("take the systems down: %w", downErr))
		}
	}()
	if err := s.up(ctx); err != nil {
		return res, fmt.Errorf("bring the systems up: %w", err)
	}
	s.Say(fmt.Sprintf("They are up after %.1f s. Load begins: %.0f messages a second.", time.Since(began).Seconds(), o.Rate))

	if err := s.underLoad(ctx); err != nil {
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
	streams, err := s.streams(ctx)
	if err != nil {
		return res, err
	}
	return Result{Lost: count.Lost, Doubled: count.Doubled, Ingest5xx: count.Ingest5xx, Streams: streams, Status: status}, nil
}

// session is a demonstration while it goes on.
type session struct {
	stage.Stage
	o            Options
	sys, staging *system.System
}

// up brings both environments up at once.
func (s *session) up(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() (err error) {
		s.sys, err = system.Start(ctx, system.Options{})
		return err
	})
	group.Go(func() (err error) {
		s.staging, err = system.Start(ctx, system.Options{Environment: system.Staging})
		return err
	})
	if err := group.Wait(); err != nil {
		return err
	}
	s.Env = append(s.sys.Env.Pairs(), s.staging.Env.Pairs()...)
	return nil
}

func (s *session) down(ctx context.Context) error {
	var errs []error
	for _, sys := range []*system.System{s.sys, s.staging} {
		if sys != nil {
			errs = append(errs, sys.Stop(ctx))
		}
	}
	return errors.Join(errs...)
}

// streams are those that there are, in order.
func (s *session) streams(ctx context.Context) ([]string, error) {
	nc, err := nats.Connect(s.sys.Env.NATSURL, nats.Name("demo"))
	if err != nil {
		return nil, fmt.Errorf("list the streams: %w", err)
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		return nil, fmt.Errorf("list the streams: %w", err)
	}
	var out []string
	names := js.StreamNames(ctx)
	for name := range names.Name() {
		out = append(out, name)
	}
	if err := names.Err(); err != nil {
		return nil, fmt.Errorf("list the streams: %w", err)
	}
	slices.Sort(out)
	return out, nil
}

// underLoad carries the migration out while messages come.
func (s *session) underLoad(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	loadCtx, stopLoad := context.WithCancel(ctx)
	defer stopLoad()
	loaded := make(chan error, 1)
	var last load.Stats
	go func() {
		stats, err := load.Run(loadCtx, load.Config{
			Rate: s.o.Rate, Seed: s.o.Seed, Journal: s.Path("load.jsonl"), Run: "demo",
			Users: 200, BadShare: 0.005, RepeatShare: 0.01,
			IngestURL: s.sys.Env.IngestURL, OuraSecret: s.sys.Env.OuraSecret, NATSURL: s.sys.Env.NATSURL,
			Progress: func(st load.Stats) { _ = s.beside(st) }, // only shown
		})
		last = stats
		loaded <- err
	}()
	select {
	case <-time.After(warmUp):
	case err := <-loaded:
		return fmt.Errorf("load: %w", err)
	}
	runErr := s.Migrate(ctx, "--beside", s.Path("beside"))
	stopLoad()
	if err := <-loaded; err != nil {
		return fmt.Errorf("load: %w", err)
	}
	s.Say(last.Line())
	return runErr
}

// beside writes the line that the live view shows beside the run.
func (s *session) beside(st load.Stats) error {
	return renameio.WriteFile(s.Path("beside"), []byte(st.Line()+"\n"), 0o600)
}

// count takes the ledger.
func (s *session) count(ctx context.Context) (ledger.Result, error) {
	s.Say("Counting every message …")
	records, err := load.ReadJournal(s.Path("load.jsonl"))
	if err != nil {
		return ledger.Result{}, err
	}
	src := ledger.Source{NATSURL: s.sys.Env.NATSURL, DatabaseURL: s.sys.Env.DatabaseURL, Backups: s.sys.Env.PostgresBackup}
	count, err := ledger.Take(ctx, src, records, settle)
	if err != nil {
		return ledger.Result{}, fmt.Errorf("take the ledger: %w", err)
	}
	if err := count.WriteTable(s.Out); err != nil {
		return ledger.Result{}, err
	}
	return count, nil
}
