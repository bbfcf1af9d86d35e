package process

import (
	"context"
	"fmt"
	"strings"
	"sync"

	"github.com/segue-run/segue/driver"
	"github.com/segue-run/segue/evidence"
	"github.com/segue-run/segue/runbook"
)

type statusParams struct {
	Service  string `param:"service,required" doc:"The service: its processes are called NAME, NAME-0, NAME-1 …, or are of the namespace NAME."`
	Replicas int    `param:"replicas" doc:"How many there must be; as many as there are if it is not given."`
	asking
}

// Validate implements what types cannot say.
func (p statusParams) Validate() error {
	if p.Replicas < 0 {
		return &runbook.FieldError{Field: "replicas", Problem: "there cannot be fewer than none", Remedy: "write how many there must be"}
	}
	return p.asking.validate()
}

// statusCheck is a health check of a service.
type statusCheck struct {
	conn *Conn
	p    statusParams
}

func statusPart() driver.Part {
	return driver.Checks(driver.About{
		Name: "process.status", On: kind, Health: true,
		Doc: "Every replica of a service runs and works. Fails when it, or its orchestrator, cannot be reached.",
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
	bound := "every replica works"
	if s.p.Replicas > 0 {
		bound = fmt.Sprintf("%d replicas, %s", s.p.Replicas, bound)
	}
	all, err := s.conn.list(ctx)
	if err != nil {
		return evidence.Failed("unreachable", bound, err.Error())
	}
	found := members(all, s.p.Service)
	works, wrong := s.ask(ctx, found)
	value := fmt.Sprintf("%d of %d replicas work", works, len(found))
	if missing := s.p.Replicas - len(found); missing > 0 {
		wrong = append(wrong, fmt.Sprintf("%d of %d replicas are not there", missing, s.p.Replicas))
	} else if missing < 0 && s.p.Replicas > 0 {
		wrong = append(wrong, fmt.Sprintf("%d replicas are more than there should be", -missing))
	}
	if len(found) == 0 && len(wrong) == 0 {
		wrong = append(wrong, s.conn.nobody(all, s.p.Service).Error())
	}
	if len(wrong) > 0 {
		return evidence.Failed(value, bound, strings.Join(wrong, "; "))
	}
	return evidence.Passed(value, bound)
}

// ask asks all replicas at once.
func (s *statusCheck) ask(ctx context.Context, found []status) (works int, wrong []string) {
	answers := make([]error, len(found))
	var wg sync.WaitGroup
	for i, rep := range found {
		wg.Go(func() { answers[i] = s.conn.works(ctx, s.p.asking, rep.Name) })
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
