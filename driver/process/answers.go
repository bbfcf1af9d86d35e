package process

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/segue-run/segue/runbook"
)

// answering says what replicas must say of themselves; an action and a check
// embed it.
type answering struct {
	Answers map[string]string `param:"answers" doc:"Fields of the JSON at each replica's health URL, and what they must be: {version: phase2-migration}; a dot leads into an object."`
}

func (a answering) validate() error {
	for _, field := range slices.Sorted(maps.Keys(a.Answers)) {
		if slices.Contains(strings.Split(field, "."), "") {
			return &runbook.FieldError{Field: "answers", Problem: fmt.Sprintf("%q is no field", field), Remedy: "write answers: {version: v2}, or {build.version: v2} for a field of an object"}
		}
	}
	return nil
}

// judge says how a page differs from what it must say.
func (a answering) judge(page []byte) error {
	if len(a.Answers) == 0 {
		return nil
	}
	if page == nil {
		return errors.New("it has no health URL to be asked at: give health, or define a readiness probe over HTTP")
	}
	for _, field := range slices.Sorted(maps.Keys(a.Answers)) {
		want := a.Answers[field]
		if is, ok := shown(page, field); !ok || is != want {
			return fmt.Errorf("its health page does not show the wanted %s%s", field, instead(field, is, want, ok))
		}
	}
	return nil
}

// answers asks a replica whether it works and says what it must.
func (c *Conn) answers(ctx context.Context, a asking, what answering, name string) error {
	page, err := c.page(ctx, a, name)
	if err != nil {
		return err
	}
	return what.judge(page)
}
