package runner

import (
	"context"
	"fmt"
	"time"

	"github.com/segue-run/segue/evidence"
	"github.com/segue-run/segue/runbook"
)

// A Checked is a reading with its check's name.
type Checked struct {
	Check string `json:"check"`
	evidence.Reading
}

// Check reads the named checks of a runbook once, all at the same time; no
// name means all of them. The readings come in the order asked for.
func (r *Runner) Check(ctx context.Context, rb *runbook.Runbook, names []string) ([]Checked, error) {
	if len(names) == 0 {
		for _, c := range rb.Checks {
			names = append(names, c.Name)
		}
	}
	w := newWorld(r, rb)
	defer w.close()
	l := &loop{r: r, rb: rb, world: w}
	answers, longest := make([]chan evidence.Reading, len(names)), checkWithin
	for i, name := range names {
		def, ok := rb.Check(name)
		if !ok {
			return nil, fmt.Errorf("the runbook has no check %q", name)
		}
		answers[i] = make(chan evidence.Reading, 1)
		within := max(checkWithin, ownTime(def))
		longest = max(longest, within)
		go l.read(ctx, name, def.Kind.Health, within, answers[i])
	}
	out := make([]Checked, len(names))
	ctx, cancel := context.WithTimeout(ctx, longest+time.Second)
	defer cancel()
	for i, name := range names {
		out[i].Check = name
		select {
		case out[i].Reading = <-answers[i]:
		case <-ctx.Done():
			out[i].Reading = evidence.Unsure(fmt.Sprintf("no answer within %s", longest))
		}
		if out[i].At.IsZero() {
			out[i].At = time.Now()
		}
	}
	return out, nil
}

// checkWithin is how long one check may take when it is asked once, and says
// nothing else.
const checkWithin = 10 * time.Second
