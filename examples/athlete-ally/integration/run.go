package integration

import (
	"cmp"
	"context"
	"fmt"
	"sync"
	"time"
)

// Run asks what was chosen and takes back what was made for it. The error says
// that nothing could be asked; how the tests went is in the report.
func Run(ctx context.Context, target Target, o Options) (Report, error) {
	tests := Tests()
	chosen, err := choose(tests, o.Run)
	if err != nil {
		return Report{}, err
	}
	began := time.Now()
	rep := Report{Tests: make([]Result, len(tests))}
	for i, t := range tests {
		rep.Tests[i] = Result{Name: t.Name, Verdict: Skipped}
		if chosen[i] {
			rep.chosen++
		}
	}
	b, err := open(ctx, target)
	if err != nil {
		return Report{}, err
	}
	defer b.close()

	var running sync.WaitGroup
	places := make(chan struct{}, atOnce)
	probes := make([]*probe, len(tests))
	for i, t := range tests {
		if !chosen[i] {
			continue
		}
		select {
		case places <- struct{}{}:
		case <-ctx.Done():
		}
		if ctx.Err() != nil {
			break
		}
		probes[i] = b.probe(i)
		running.Go(func() {
			defer func() { <-places }()
			rep.Tests[i] = ask(ctx, t, probes[i], cmp.Or(o.Within, defaultWithin))
			if o.Tell != nil {
				o.Tell(rep.Tests[i])
			}
		})
	}
	running.Wait()

	cleaning, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanWithin)
	defer cancel()
	for i, why := range b.takeBack(cleaning, probes) {
		rep.Tests[i].fail("it left something behind: " + why)
		if o.Tell != nil {
			o.Tell(rep.Tests[i])
		}
	}
	rep.count()
	rep.Seconds = time.Since(began).Seconds()
	return rep, nil
}

// ask runs one test; one that panics has failed.
func ask(ctx context.Context, t Test, p *probe, within time.Duration) (r Result) {
	began := time.Now()
	r = Result{Name: t.Name, Verdict: Passed}
	defer func() {
		if v := recover(); v != nil {
			r.fail(fmt.Sprintf("it panicked: %v", v))
		}
		r.Seconds = time.Since(began).Seconds()
	}()
	ctx, cancel := context.WithTimeoutCause(ctx, within, overdue(within))
	defer cancel()
	if err := t.run(ctx, p); err != nil {
		r.fail(err.Error())
	}
	return r
}

// overdue is the cause of a test's end.
type overdue time.Duration

func (o overdue) Error() string { return "not within " + time.Duration(o).String() }

func (o overdue) Unwrap() error { return context.DeadlineExceeded }

func (r *Result) fail(why string) {
	if r.Verdict == Failed {
		why = r.Why + "; " + why
	}
	r.Verdict, r.Why = Failed, why
}
