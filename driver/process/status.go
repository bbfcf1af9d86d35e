package process

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/segue-run/segue/driver"
	"github.com/segue-run/segue/evidence"
	"github.com/segue-run/segue/runbook"
)

type statusParams struct {
	Service  string `param:"service,required" doc:"The service: its processes are called NAME, NAME-0, NAME-1 …, or are of the namespace NAME."`
	Replicas int    `param:"replicas" doc:"How many must be defined; as many as there are if it is not given."`
	Running  *int   `param:"running" doc:"How many of them run, no more and no fewer: 0 for a service that was scaled down. Those are to work; without it, all that are defined are to run and work."`
	AtLeast  int    `param:"at-least" doc:"How many must run and work at least, whatever the others do: 1 for a service that some replica still gives."`
	asking
	answering
}

// Validate implements what types cannot say.
func (p statusParams) Validate() error {
	if p.Replicas < 0 {
		return &runbook.FieldError{Field: "replicas", Problem: "there cannot be fewer than none", Remedy: "write how many there must be"}
	}
	if p.Running != nil {
		switch n := *p.Running; {
		case n < 0:
			return &runbook.FieldError{Field: "running", Problem: "there cannot be fewer than none", Remedy: "write how many must run; 0 for none"}
		case p.Replicas > 0 && n > p.Replicas:
			return &runbook.FieldError{Field: "running", Problem: fmt.Sprintf("of %d replicas %d cannot run", p.Replicas, n), Remedy: "write at most as many as replicas"}
		case n == 0 && len(p.Answers) > 0:
			return &runbook.FieldError{Field: "answers", Problem: "none is to run, so none can answer", Remedy: "leave it out, or write how many are running"}
		}
	}
	switch {
	case p.AtLeast < 0:
		return &runbook.FieldError{Field: "at-least", Problem: "there cannot be fewer than none", Remedy: "write how many must work at least, or leave it out"}
	case p.AtLeast > 0 && p.Running != nil:
		return &runbook.FieldError{Field: "at-least", Problem: "running says exactly how many", Remedy: "leave one of them out"}
	case p.Replicas > 0 && p.AtLeast > p.Replicas:
		return &runbook.FieldError{Field: "at-least", Problem: fmt.Sprintf("of %d replicas %d cannot work", p.Replicas, p.AtLeast), Remedy: "write at most as many as replicas"}
	}
	if err := p.asking.validate(); err != nil {
		return err
	}
	return p.answering.validate()
}

// statusCheck is a health check of a service.
type statusCheck struct {
	conn *Conn
	p    statusParams
}

func statusPart() driver.Part {
	return driver.Checks(driver.About{
		Name: "process.status", On: kind, Health: true,
		Doc: "Every replica of a service runs and works, or as many as are to; and says of itself what it must. Fails when it, or its orchestrator, cannot be reached.",
	}, newStatus)
}

func newStatus(_ context.Context, conn *Conn, p statusParams) (driver.Check, error) {
	if err := p.Validate(); err != nil {
		return nil, fmt.Errorf("process.status: %w", err)
	}
	return &statusCheck{conn, p}, nil
}

func (s *statusCheck) Read(ctx context.Context) evidence.Reading {
	r := s.judge(ctx)
	r.Source, r.Query, r.Samples = s.conn.String(), "service "+s.p.Service, 1
	return r
}

func (s *statusCheck) judge(ctx context.Context) evidence.Reading {
	bound := s.bound()
	all, err := s.conn.list(ctx)
	if err != nil {
		return evidence.Failed("unreachable", bound, err.Error())
	}
	found := members(all, s.p.Service)
	asked := found
	if s.p.Running != nil || s.p.AtLeast > 0 {
		asked = slices.DeleteFunc(slices.Clone(found), status.stopped)
	}
	works, wrong := s.ask(ctx, asked)
	value := fmt.Sprintf("%d of %d replicas work", works, len(found))
	if s.p.Running != nil {
		value = fmt.Sprintf("%d of %d replicas run, %d work", len(asked), len(found), works)
		if n := *s.p.Running; n != len(asked) {
			wrong = append(wrong, fmt.Sprintf("%d are to run (%s)", n, statuses(found)))
		}
	}
	switch n := s.p.AtLeast; {
	case n > 0 && works >= n:
		wrong = nil
	case n > 0 && len(wrong) == 0:
		wrong = append(wrong, fmt.Sprintf("%d are to work (%s)", n, statuses(found)))
	}
	if missing := s.p.Replicas - len(found); missing > 0 {
		wrong = append(wrong, fmt.Sprintf("%d of %d replicas are not there", missing, s.p.Replicas))
	} else if missing < 0 && s.p.Replicas > 0 {
		wrong = append(wrong, fmt.Sprintf("%d replicas are more than there should be", -missing))
	}
	if len(found) == 0 && s.p.Replicas == 0 { // nor is a service that is not there one that is scaled down
		wrong = []string{s.conn.nobody(all, s.p.Service).Error()}
	}
	r := evidence.Passed(value, bound)
	if len(wrong) > 0 {
		r = evidence.Failed(value, bound, strings.Join(wrong, "; "))
	}
	r.Instance = processes(asked)
	return r
}

// processes are those that run: others tell that some have restarted, however
// soon they worked again.
func processes(found []status) string {
	var out []string
	for _, s := range found {
		if s.PID > 0 {
			out = append(out, fmt.Sprintf("%s pid %d", s.Name, s.PID))
		}
	}
	slices.Sort(out)
	return strings.Join(out, ", ")
}

func (s *statusCheck) bound() string {
	bound := "every replica works"
	switch n := s.p.Running; {
	case n != nil && *n == 0:
		bound = "none runs"
	case n != nil:
		bound = fmt.Sprintf("%d run, and work", *n)
	case s.p.AtLeast > 0:
		bound = fmt.Sprintf("%d or more work", s.p.AtLeast)
	}
	if s.p.Replicas > 0 {
		bound = fmt.Sprintf("%d replicas, %s", s.p.Replicas, bound)
	}
	for _, field := range slices.Sorted(maps.Keys(s.p.Answers)) {
		if want := s.p.Answers[field]; instead(field, "", want, true) != "" { // else it is a secret
			bound += fmt.Sprintf(", %s is %q", field, want)
		}
	}
	return bound
}

// statuses tells how each replica is doing.
func statuses(found []status) string {
	texts := make([]string, len(found))
	for i, s := range found {
		texts[i] = s.Name + ": " + s.String()
	}
	return strings.Join(texts, ", ")
}

// ask asks all replicas at once.
func (s *statusCheck) ask(ctx context.Context, found []status) (works int, wrong []string) {
	answers := make([]error, len(found))
	var wg sync.WaitGroup
	for i, rep := range found {
		wg.Go(func() { answers[i] = s.conn.answers(ctx, s.p.asking, s.p.answering, rep.Name) })
	}
	wg.Wait()
	for i, err := range answers {
		if err != nil {
			wrong = append(wrong, found[i].Name+": "+err.Error())
			continue
		}
		works++
	}
	return works, wrong
}
