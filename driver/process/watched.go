package process

import (
	"context"
	"errors"
	"fmt"

	"github.com/segue-run/segue/driver"
	"github.com/segue-run/segue/state"
)

// watched is a scale whose replicas have a URL of their own: who answers there
// runs, whatever process-compose says.
type watched struct{ *scale }

var _ driver.Witness = (*watched)(nil)

// Witness asks each replica at its health URL. One that is to run must answer,
// well or not: it may not have been well before. One that is stopped must not,
// unless its address belongs to one that runs.
func (w *watched) Witness(ctx context.Context, want state.State) error {
	r, err := w.rollTo(driver.Effect{}, want, false)
	if err != nil {
		return fmt.Errorf("witness: %w", err)
	}
	replicas, err := w.conn.service(ctx, w.p.Service)
	if err != nil {
		return fmt.Errorf("witness: %w", err)
	}
	var wrong []error
	urls, taken := map[string]string{}, map[string]bool{}
	for _, rep := range replicas {
		at, err := w.where(rep)
		if err != nil {
			wrong = append(wrong, r.wrap(rep.name, err))
			continue
		}
		urls[rep.name] = at
		taken[at] = taken[at] || !r.to.apart(rep.name)
	}
	for _, rep := range replicas {
		at, known := urls[rep.name]
		if !known {
			continue
		}
		answers, err := answersAt(ctx, at)
		switch apart := r.to.apart(rep.name); {
		case !apart && !answers:
			wrong = append(wrong, r.wrap(rep.name, fmt.Errorf("it is to run and does not answer: %w", err)))
		case apart && answers && !taken[at]:
			wrong = append(wrong, r.wrap(rep.name, errors.New("it is to be stopped, and somebody answers at its health URL")))
		case apart && errors.Is(err, errSilent):
			wrong = append(wrong, r.wrap(rep.name, fmt.Errorf("it is to be stopped, and may be there: %w", err)))
		}
	}
	return errors.Join(wrong...)
}

func (w *watched) where(rep replica) (string, error) {
	if rep.definition == nil {
		return "", errors.New("it is being replaced")
	}
	return w.p.url(rep.definition)
}

// answersAt reports whether anybody answers, with whatever status.
func answersAt(ctx context.Context, at string) (bool, error) {
	_, err := ask(ctx, at)
	_, answered := errors.AsType[*statusError](err)
	return err == nil || answered, err
}
