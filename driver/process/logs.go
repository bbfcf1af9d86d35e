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
	Says    string        `param:"says" doc:"A regular expression that a line of every replica must match, of the last 1000 since the replica was last changed."`
	Within  time.Duration `param:"within" doc:"How long from the first look it may take until it says so; unknown until then, and fail after it." default:"1m"`
	Never   string        `param:"never" doc:"A regular expression that no line may match that is written after the first look."`
	For     time.Duration `param:"for" doc:"How long back a line counts, and must have been watched for it to pass; without it every line counts, and it passes at once."`
}

// Validate implements what types cannot say.
func (p logsParams) Validate() error {
	if (p.Says == "") == (p.Never == "") {
		return &runbook.FieldError{Field: "says", Problem: "it takes one of says and never", Remedy: "write says: 'bound to AA_CORE_HOT', or never: 'ERROR'"}
	}
	if _, err := regexp.Compile(p.Says); err != nil {
		return &runbook.FieldError{Field: "says", Problem: err.Error(), Remedy: "write a regular expression of Go"}
	}
	if _, err := regexp.Compile(p.Never); err != nil {
		return &runbook.FieldError{Field: "never", Problem: err.Error(), Remedy: "write a regular expression of Go"}
	}
	return nil
}

// tailLength is how much process-compose keeps of each replica.
const tailLength = 1000

// logsCheck remembers what it has seen: process-compose's lines have no time.
type logsCheck struct {
	conn *Conn
	p    logsParams
	line *regexp.Regexp
	now  func() time.Time

	mu    sync.Mutex
	first time.Time
	tails map[string][]string
	said  map[string]saying // never: the last line of each replica that matches
}

type saying struct {
	at   time.Time
	line string
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
	if p.Within <= 0 {
		p.Within = time.Minute
	}
	return &logsCheck{conn: conn, p: p, line: line, now: time.Now, said: map[string]saying{}}, nil
}

func (l *logsCheck) Read(ctx context.Context) evidence.Reading {
	tails, err := l.read(ctx)
	var r evidence.Reading
	l.mu.Lock()
	switch {
	case err != nil:
		r = evidence.Unsure(err.Error())
	case l.p.Says != "":
		r = l.saying(tails)
	default:
		r = l.never(tails)
	}
	l.mu.Unlock()
	r.Source, r.Query, r.Bound = l.conn.String(), "logs of service "+l.p.Service, l.bound()
	return r
}

func (l *logsCheck) bound() string {
	switch {
	case l.p.Says != "":
		return fmt.Sprintf("every replica says %q", l.p.Says)
	case l.p.For > 0:
		return fmt.Sprintf("no replica says %q for %s", l.p.Never, l.p.For)
	}
	return fmt.Sprintf("no replica says %q", l.p.Never)
}

func (l *logsCheck) read(ctx context.Context) (map[string][]string, error) {
	all, err := l.conn.list(ctx)
	if err != nil {
		return nil, err
	}
	found := members(all, l.p.Service)
	if len(found) == 0 {
		return nil, l.conn.nobody(all, l.p.Service)
	}
	tails := map[string][]string{}
	for _, s := range found {
		if tails[s.Name], err = l.conn.logs(ctx, s.Name, tailLength); err != nil {
			return nil, err
		}
	}
	return tails, nil
}

// saying: the first look starts the time that it may take.
func (l *logsCheck) saying(tails map[string][]string) evidence.Reading {
	if l.first.IsZero() {
		l.first = l.now()
	}
	var silent []string
	last := ""
	for _, name := range inNameOrder(tails) {
		line, ok := l.match(tails[name])
		if !ok {
			silent = append(silent, name)
			continue
		}
		last = name + ": " + line
	}
	waited := l.now().Sub(l.first)
	switch {
	case len(silent) == 0:
		r := evidence.Passed(last, "")
		r.Samples = int64(len(tails))
		return r
	case waited >= l.p.Within:
		return evidence.Failed(last, "", fmt.Sprintf("%s did not say so within %s", strings.Join(silent, ", "), l.p.Within))
	default:
		return evidence.Unsure(fmt.Sprintf("%s did not say so yet; %s left", strings.Join(silent, ", "), (l.p.Within - waited).Round(time.Second)))
	}
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

// never: what stands in the logs at the first look is of the past.
func (l *logsCheck) never(tails map[string][]string) evidence.Reading {
	now := l.now()
	if l.first.IsZero() {
		l.first = now
	} else {
		for name, tail := range tails {
			if line, ok := l.match(news(l.tails[name], tail)); ok {
				l.said[name] = saying{now, line}
			}
		}
	}
	l.tails = tails
	for _, name := range inNameOrder(l.said) {
		if s := l.said[name]; l.p.For <= 0 || now.Sub(s.at) < l.p.For {
			return evidence.Failed(name+": "+s.line, "", fmt.Sprintf("%s said so %s ago", name, now.Sub(s.at).Round(time.Second)))
		}
	}
	if watched := now.Sub(l.first); watched < l.p.For {
		return evidence.Unsure(fmt.Sprintf("watched for %s of %s", watched.Round(time.Second), l.p.For))
	}
	return evidence.Passed("not said", "")
}

// news are the lines of a tail that were not in the one before: what follows
// the longest end of the old one that the new one begins with.
func news(old, tail []string) []string {
	for n := min(len(old), len(tail)); n > 0; n-- {
		if sameLines(old[len(old)-n:], tail[:n]) {
			return tail[n:]
		}
	}
	return tail
}

func sameLines(a, b []string) bool {
	for i := len(a) - 1; i >= 0; i-- { // the ends differ first
		if a[i] != b[i] {
			return false
		}
	}
	return true
}

func excerpt(line string) string {
	const most = 200
	line = strings.TrimSpace(strings.ToValidUTF8(line, "�"))
	if r := []rune(line); len(r) > most {
		return string(r[:most]) + "…"
	}
	return line
}
