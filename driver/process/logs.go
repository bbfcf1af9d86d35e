package process

import (
	"context"
	"fmt"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/segue-run/segue/driver"
	"github.com/segue-run/segue/evidence"
	"github.com/segue-run/segue/runbook"
)

type logsParams struct {
	Service string        `param:"service,required" doc:"The service: its processes are called NAME, NAME-0, NAME-1 …, or are of the namespace NAME."`
	Says    string        `param:"says" doc:"A regular expression that a line of every replica must match: of the last 1000 that its present process has written, and not one before it. Those that the project defines as disabled, and nobody has started, need not."`
	Any     bool          `param:"any" doc:"One replica that says so is enough."`
	Since   string        `param:"since" doc:"A regular expression for the line that a process writes when it starts; only what follows the last such line counts. process-compose keeps the lines of a process that somebody stopped and started by hand, and this tells them apart. Segue's own starts, and restarts after a crash, are told apart without it."`
	Within  time.Duration `param:"within" doc:"How long it may take until it says so, from the first look at it, or at the process that took its place; unknown until then, and fail after it." default:"1m"`
	Never   string        `param:"never" doc:"A regular expression that no line may match that is written after the first look."`
	For     time.Duration `param:"for" doc:"How long back a line counts, and must have been watched for it to pass; without it every line counts, and it passes at once."`
}

// Validate implements what types cannot say.
func (p logsParams) Validate() error {
	if (p.Says == "") == (p.Never == "") {
		return &runbook.FieldError{Field: "says", Problem: "it takes one of says and never", Remedy: "write says: 'bound to AA_CORE_HOT', or never: 'ERROR'"}
	}
	if p.Never != "" && (p.Any || p.Since != "") {
		field := "any"
		if !p.Any {
			field = "since"
		}
		return &runbook.FieldError{Field: field, Problem: "it goes with says, not with never", Remedy: "leave it out: every replica is watched, from the first look on"}
	}
	for _, f := range []struct{ name, text string }{{"says", p.Says}, {"never", p.Never}, {"since", p.Since}} {
		if _, err := regexp.Compile(f.text); err != nil {
			return &runbook.FieldError{Field: f.name, Problem: err.Error(), Remedy: "write a regular expression of Go"}
		}
	}
	return nil
}

// logsCheck remembers what it has seen: process-compose's lines have no time.
type logsCheck struct {
	conn  *Conn
	p     logsParams
	line  *regexp.Regexp
	start *regexp.Regexp // of a process; nil if nobody says
	now   func() time.Time

	mu    sync.Mutex
	first time.Time
	heard map[string]*voice
}

func logsPart() driver.Part {
	return driver.Checks(driver.About{
		Name: "process.logs", On: kind,
		Doc: "What a service's replicas write to their logs: a line that each must have written, or that none may. Unknown when the logs cannot be had.",
	}, newLogs)
}

func newLogs(_ context.Context, conn *Conn, p logsParams) (driver.Check, error) {
	if err := p.Validate(); err != nil {
		return nil, fmt.Errorf("process.logs: %w", err)
	}
	line, err := regexp.Compile(p.Says + p.Never) // one is empty
	if err != nil {
		return nil, fmt.Errorf("process.logs: %w", err)
	}
	l := &logsCheck{conn: conn, p: p, line: line, now: time.Now, heard: map[string]*voice{}}
	if p.Since != "" {
		if l.start, err = regexp.Compile(p.Since); err != nil {
			return nil, fmt.Errorf("process.logs: %w", err)
		}
	}
	if l.p.Within <= 0 {
		l.p.Within = time.Minute
	}
	return l, nil
}

func (l *logsCheck) Read(ctx context.Context) evidence.Reading {
	logs, err := l.conn.tails(ctx, l.p.Service)
	var r evidence.Reading
	l.mu.Lock()
	switch {
	case err != nil:
		r = evidence.Unsure(err.Error())
	case l.p.Says != "":
		r = l.saying(logs)
	default:
		r = l.never(logs)
	}
	l.mu.Unlock()
	r.Source, r.Query, r.Bound = l.conn.String(), "logs of service "+l.p.Service, l.bound()
	return r
}

func (l *logsCheck) bound() string {
	switch {
	case l.p.Any:
		return fmt.Sprintf("a replica says %q", l.p.Says)
	case l.p.Says != "":
		return fmt.Sprintf("every replica says %q", l.p.Says)
	case l.p.For > 0:
		return fmt.Sprintf("no replica says %q for %s", l.p.Never, l.p.For)
	}
	return fmt.Sprintf("no replica says %q", l.p.Never)
}

// saying: the first look starts the time that it may take.
func (l *logsCheck) saying(logs []tail) evidence.Reading {
	now := l.now()
	if l.first.IsZero() {
		l.first = now
	}
	var silent, late []string
	left := l.p.Within - now.Sub(l.first)
	last, said := "", 0
	for _, t := range logs {
		v := l.hear(t, now)
		if t.status.idle() {
			continue
		}
		if !v.said {
			v.line, v.said = l.match(v.own(t, l.start))
		}
		if t.status.Running && v.said {
			last = t.status.Name + ": " + v.line
			said++
			continue
		}
		who := t.status.Name
		if !t.status.Running {
			who = fmt.Sprintf("%s (its status is %s)", who, t.status)
		}
		silent = append(silent, who)
		if spare := l.p.Within - now.Sub(v.since); spare <= 0 {
			late = append(late, who)
		} else if len(silent) == 1 || spare < left {
			left = spare
		}
	}
	switch {
	case said > 0 && (len(silent) == 0 || l.p.Any):
		r := evidence.Passed(last, "")
		r.Samples = int64(said)
		return r
	case len(silent) == 0 && left <= 0:
		return evidence.Failed("", "", "no replica runs that could say so")
	case len(silent) == 0:
		return evidence.Unsure("no replica runs that could say so")
	case len(late) == 0 || l.p.Any && len(late) < len(silent):
		return evidence.Unsure(fmt.Sprintf("%s did not say so yet; %s left", strings.Join(silent, ", "), left.Round(time.Second)))
	}
	return evidence.Failed(last, "", fmt.Sprintf("%s did not say so within %s", strings.Join(late, ", "), l.p.Within))
}

// never: what stands in the logs at the first look is of the past.
func (l *logsCheck) never(logs []tail) evidence.Reading {
	now := l.now()
	begins := l.first.IsZero()
	if begins {
		l.first = now
	}
	var missed []string
	running := 0
	for _, t := range logs {
		if t.status.Running {
			running++
		}
		_, known := l.heard[t.status.Name]
		v := l.hear(t, now)
		if !known && begins {
			continue
		}
		if line, ok := l.match(v.fresh); ok {
			v.line, v.saidAt = line, now
		}
		if v.gap {
			missed = append(missed, t.status.Name)
			l.first = now
		}
	}
	for _, name := range inNameOrder(l.heard) {
		if v := l.heard[name]; !v.saidAt.IsZero() && (l.p.For <= 0 || now.Sub(v.saidAt) < l.p.For) {
			return evidence.Failed(name+": "+v.line, "", fmt.Sprintf("%s said so %s ago", name, now.Sub(v.saidAt).Round(time.Second)))
		}
	}
	switch watched := now.Sub(l.first); {
	case len(missed) > 0:
		return evidence.Unsure(fmt.Sprintf("%s wrote more than process-compose keeps since the last look: look more often; the watch begins anew", strings.Join(missed, ", ")))
	case running == 0:
		return evidence.Unsure("no replica runs that could say so")
	case watched < l.p.For:
		return evidence.Unsure(fmt.Sprintf("watched for %s of %s", watched.Round(time.Second), l.p.For))
	}
	return evidence.Passed("not said", "")
}

// match is the last line that does.
func (l *logsCheck) match(lines []string) (string, bool) {
	for i := len(lines) - 1; i >= 0; i-- {
		if l.line.MatchString(lines[i]) {
			return excerpt(lines[i]), true
		}
	}
	return "", false
}

func excerpt(line string) string {
	const most = 200
	line = strings.TrimSpace(strings.ToValidUTF8(line, "�"))
	if r := []rune(line); len(r) > most {
		return string(r[:most]) + "…"
	}
	return line
}
