package view

import (
	"context"
	"fmt"
	"time"

	"github.com/segue-run/segue/journal"
	"github.com/segue-run/segue/report"
	"github.com/segue-run/segue/runbook"
	"github.com/segue-run/segue/runner"
)

// A Source is a run to look at.
type Source interface {
	// Follow calls fn with the history so far, and again whenever it has
	// grown, until ctx ends or fn fails. A history given to fn never changes.
	Follow(ctx context.Context, fn func(*runner.History) error) error
	// Readings are those stored since a time, oldest first.
	Readings(ctx context.Context, since time.Time) ([]report.Seen, error)
	// Holder is who carries the run out, "" when nobody does.
	Holder(ctx context.Context) (string, error)
}

// Journal is a run in a journal.
type Journal struct {
	Reader  journal.Reader
	Catalog runbook.Catalog
	Run     string
	// Dead, if set, reports whether a holder is a process that is no more.
	Dead func(holder string) bool
}

var _ Source = Journal{}

// Follow implements Source.
func (j Journal) Follow(ctx context.Context, fn func(*runner.History) error) error {
	h, err := runner.Load(ctx, j.Reader, j.Catalog, j.Run)
	if err != nil {
		return err
	}
	if err := fn(frozen(h)); err != nil {
		return err
	}
	return j.Reader.Follow(ctx, j.Run, h.Seq, func(rec journal.Record) error {
		if err := h.Take(j.Catalog, rec); err != nil {
			return err
		}
		return fn(frozen(h))
	})
}

// frozen is the history as it is now. Its events never change; the state does,
// and whoever needs one folds it.
func frozen(h *runner.History) *runner.History {
	n := len(h.Events)
	return &runner.History{Run: h.Run, Runbook: h.Runbook, Events: h.Events[:n:n], Seq: h.Seq}
}

// Readings implements Source.
func (j Journal) Readings(ctx context.Context, since time.Time) ([]report.Seen, error) {
	stored, err := j.Reader.Readings(ctx, j.Run, "", since)
	if err != nil {
		return nil, fmt.Errorf("read the readings of run %s: %w", j.Run, err)
	}
	return report.Readings(stored), nil
}

// Holder implements Source.
func (j Journal) Holder(ctx context.Context) (string, error) {
	runs, err := j.Reader.Runs(ctx, time.Now())
	if err != nil {
		return "", err
	}
	for _, run := range runs {
		if run.Run == j.Run && (j.Dead == nil || !j.Dead(run.Holder)) {
			return run.Holder, nil
		}
	}
	return "", nil
}
