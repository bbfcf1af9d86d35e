package process

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/segue-run/segue/driver"
	"github.com/segue-run/segue/runbook"
	"github.com/segue-run/segue/state"
)

// witnessing says how replicas tell by themselves what they run with.
type witnessing struct {
	Shows map[string]string `param:"shows" doc:"Which field of the JSON at the health URL shows which variable: {RELEASE: version}; a dot leads into an object. With it the replicas' own answers verify the change and its undo, not the orchestrator's configuration."`
}

func (w witnessing) validate(owned []string) error {
	for _, name := range slices.Sorted(maps.Keys(w.Shows)) {
		if !slices.Contains(owned, name) {
			return &runbook.FieldError{Field: "shows", Problem: "the step does not change " + name, Remedy: "name only variables that it changes: " + strings.Join(slices.Sorted(slices.Values(owned)), ", ")}
		}
	}
	return nil
}

// over gives a change its witness if there is one.
func (w witnessing) over(c *change) driver.Action {
	if len(w.Shows) == 0 {
		return c
	}
	return &witnessed{c, w.Shows}
}

// witnessed is a change that can be seen from outside.
type witnessed struct {
	*change
	shows map[string]string
}

// Witness asks each replica at its health URL what it runs with. What is not
// set shows as the service's own default, which nobody can know here: then the
// replica only has to answer.
func (w *witnessed) Witness(ctx context.Context, want state.State) error {
	t, err := targetOf(want, w.resource.ID, w.parts())
	if err != nil {
		return fmt.Errorf("witness: %w", err)
	}
	replicas, err := w.conn.service(ctx, w.p.Service)
	if err != nil {
		return fmt.Errorf("witness: %w", err)
	}
	var wrong []error
	for _, r := range replicas {
		if t.apart(r.name) {
			continue
		}
		if err := w.see(ctx, r, t); err != nil {
			wrong = append(wrong, fmt.Errorf("%s: service %s: %s: %w", w.conn, w.p.Service, r.name, err))
		}
	}
	return errors.Join(wrong...)
}

func (w *witnessed) see(ctx context.Context, r replica, t target) error {
	if r.definition == nil {
		return errors.New("it is being replaced")
	}
	at, err := w.p.url(r.definition)
	if err != nil {
		return err
	}
	if at == "" {
		return errors.New("it has no health URL to be asked at")
	}
	body, err := ask(ctx, at)
	// One that is not well, as its database is away, shows what it runs with
	// all the same.
	if _, answered := errors.AsType[*statusError](err); err != nil && !answered {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(w.shows)) {
		raw, ok := t.fields[environ(name).field()].on(r.name)
		if !ok || string(raw) == "null" {
			continue
		}
		want, err := text(raw)
		if err != nil {
			return fmt.Errorf("variable %s: %w", name, err)
		}
		if is, ok := shown(body, w.shows[name]); !ok || is != want {
			return fmt.Errorf("its health page does not show the wanted %s in %s%s", name, w.shows[name], instead(name, is, want, ok))
		}
	}
	return nil
}

// instead tells what was seen, unless that is a secret.
func instead(name, is, want string, ok bool) string {
	if !ok {
		return ", which is not there"
	}
	if string(environ(name).encode(want))[0] == '{' || string(environ(name).encode(is))[0] == '{' {
		return ""
	}
	return fmt.Sprintf(": %q, not %q", is, want)
}

// shown finds a field of a JSON object; text as it is, anything else as JSON.
func shown(body []byte, path string) (string, bool) {
	raw := json.RawMessage(body)
	for name := range strings.SplitSeq(path, ".") {
		var object map[string]json.RawMessage
		if json.Unmarshal(raw, &object) != nil {
			return "", false
		}
		next, ok := object[name]
		if !ok {
			return "", false
		}
		raw = next
	}
	var s string
	if json.Unmarshal(raw, &s) == nil {
		return s, true
	}
	return string(bytes.TrimSpace(raw)), true
}
