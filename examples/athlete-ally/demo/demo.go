// Package demo shows a migration as an operator sees it: it brings the system
// up, puts load on it, lets segue carry the runbook out, counts what became of
// every message, and takes the system down again.
package demo

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/google/renameio/v2"

	"github.com/segue-run/segue/examples/athlete-ally/ledger"
	"github.com/segue-run/segue/examples/athlete-ally/load"
	"github.com/segue-run/segue/examples/athlete-ally/system"
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
	Phases    []string `json:"phases"` // that are done and have changed something
	Status    string   `json:"result"`
}

// Line is the result for machines.
func (r Result) Line() string {
	return fmt.Sprintf("demo: lost=%d doubled=%d ingest_5xx=%d phases=%s result=%s", r.Lost, r.Doubled, r.Ingest5xx, strings.Join(r.Phases, ","), r.Status)
}

// OK reports whether nothing was lost, doubled or refused, and the run is done.
func (r Result) OK() bool {
	return r.Lost == 0 && r.Doubled == 0 && r.Ingest5xx == 0 && r.Status == "completed"
}

const (
	attestation = "The team was told, and the rollback plan was reviewed"
	warmUp      = 3 * time.Second // of load before the migration begins
	settle      = 45 * time.Second
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
	o.say("Bringing the system up: NATS ×3, PostgreSQL, Prometheus, ingest, normalize ×2 …")
	began := time.Now()
	sys, err := system.Start(ctx, system.Options{})
	if err != nil {
		return res, fmt.Errorf("bring the system up: %w", err)
	}
	defer func() {
		o.say("Taking the system down …")
		if downErr := sys.Stop(context.WithoutCancel(ctx)); downErr != nil {
			err = errors.Join(err, fmt.Errorf("take the system down: %w", downErr))
		}
	}()
	o.say(fmt.Sprintf("It is up after %.1f s. Load begins: %.0f messages a second.", time.Since(began).Seconds(), o.Rate))

	s := session{o: o, dir: dir, sys: sys}
	if err := s.underLoad(ctx); err != nil {
		return res, err
	}
	count, err := s.count(ctx)
	if err != nil {
		return res, err
	}
	rep, err := s.report(ctx)
	if err != nil {
		return res, err
	}
	return result(count, rep), nil
}

func (o Options) say(text string) { fmt.Fprintln(o.Out, text) }

// session is a demonstration while it goes on.
type session struct {
	o   Options
	dir string
	sys *system.System
}

func (s *session) path(name string) string { return filepath.Join(s.dir, name) }

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
			Rate: s.o.Rate, Seed: s.o.Seed, Journal: s.path("load.jsonl"), Run: "demo",
			Users: 200, BadShare: 0.01, RepeatShare: 0.01,
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
	runErr := s.migrate(ctx)
	stopLoad()
	if err := <-loaded; err != nil {
		return fmt.Errorf("load: %w", err)
	}
	s.o.say(last.Line())
	return runErr
}

// beside writes the line that the live view shows beside the run.
func (s *session) beside(st load.Stats) error {
	return renameio.WriteFile(s.path("beside"), []byte(st.Line()+"\n"), 0o600)
}

// count takes the ledger.
func (s *session) count(ctx context.Context) (ledger.Result, error) {
	s.o.say("Counting every message …")
	records, err := load.ReadJournal(s.path("load.jsonl"))
	if err != nil {
		return ledger.Result{}, err
	}
	src := ledger.Source{NATSURL: s.sys.Env.NATSURL, DatabaseURL: s.sys.Env.DatabaseURL}
	count, err := ledger.Take(ctx, src, records, settle)
	if err != nil {
		return ledger.Result{}, fmt.Errorf("take the ledger: %w", err)
	}
	if err := count.WriteTable(s.o.Out); err != nil {
		return ledger.Result{}, err
	}
	return count, nil
}

// reported is what the demonstration reads of segue's report.
type reported struct {
	Status string `json:"status"`
	Phases []struct {
		Name  string `json:"name"`
		Stage string `json:"stage"`
	} `json:"phases"`
	Steps []struct {
		Phase string `json:"phase"`
	} `json:"steps"`
}

// report keeps segue's report beside the runbook's results and reads it.
func (s *session) report(ctx context.Context) (reported, error) {
	var rep reported
	raw, err := s.segue(ctx, "report", "--format", "json").Output()
	if err != nil {
		return rep, fmt.Errorf("segue report: %w", err)
	}
	if err := json.Unmarshal(raw, &rep); err != nil {
		return rep, fmt.Errorf("read segue's report: %w", err)
	}
	md, err := s.segue(ctx, "report", "--format", "md").Output()
	if err != nil {
		return rep, fmt.Errorf("segue report: %w", err)
	}
	if s.o.Keep {
		if err := os.WriteFile(s.path("report.md"), md, 0o600); err != nil {
			return rep, fmt.Errorf("keep the report: %w", err)
		}
		s.o.say("The report is " + s.path("report.md"))
	}
	_, err = io.WriteString(s.o.Out, summary(string(md)))
	return rep, err
}

// summary is the report up to its timeline, which would fill the screen.
func summary(md string) string {
	head, _, _ := strings.Cut(md, "\n## Timeline")
	return "\n" + head + "\n"
}

func result(count ledger.Result, rep reported) Result {
	res := Result{Lost: count.Lost, Doubled: count.Doubled, Ingest5xx: count.Ingest5xx, Status: rep.Status}
	for _, p := range rep.Phases {
		steps := 0
		for _, st := range rep.Steps {
			if st.Phase == p.Name {
				steps++
			}
		}
		if steps > 0 && p.Stage == "done" {
			res.Phases = append(res.Phases, p.Name)
		}
	}
	return res
}
