package process

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/segue-run/segue/driver"
	"github.com/segue-run/segue/state"
)

type removeParams struct {
	Service string `param:"service,required" doc:"The service: its processes are called NAME, NAME-0, NAME-1 …. None of them may run."`
}

// remove takes a service's definitions out of the running process-compose. It
// goes by names alone: once they are gone, other processes must not be taken
// for the service because they are of a namespace that is called so.
type remove struct {
	conn     *Conn
	service  string
	resource driver.Resource
}

func removeAction() driver.Part {
	return driver.Acts(driver.About{
		Name: "process.remove", On: kind, Resumable: true, Irreversible: true,
		Doc: "Takes a stopped service out of process-compose for good: nothing can start it any more. Its file still defines it: take it out there, or a reload brings it back.",
	}, newRemove)
}

func newRemove(ctx context.Context, conn *Conn, p removeParams) (driver.Action, error) {
	resource, err := conn.resource(ctx, p.Service)
	if err != nil {
		return nil, err
	}
	return &remove{conn, p.Service, resource}, nil
}

func (r *remove) Resources() []driver.Resource { return []driver.Resource{r.resource} }

// Loses implements driver.Irreversible.
func (r *remove) Loses() string {
	return fmt.Sprintf("the definition of %s: what its replicas ran, with which variables, and what they wrote to their logs; only the file of the project can bring it back, as it stands there", r.resource.Name)
}

func (r *remove) Observe(ctx context.Context) (state.State, error) {
	found, err := r.conn.named(ctx, r.service)
	if err != nil {
		return nil, err
	}
	if len(found) == 0 {
		return r.gone(), nil
	}
	stopped := []string{}
	for _, s := range found {
		if s.stopped() {
			stopped = append(stopped, s.Name)
		}
	}
	return state.State{r.resource.ID: {stoppedField: encode(stopped)}}, nil
}

func (r *remove) gone() state.State {
	return state.State{r.resource.ID: {stoppedField: json.RawMessage(removed)}}
}

// neededField: the processes that depend on the service.
const neededField = "needed-by"

// Survey implements driver.Surveyor. It tells a service that was removed from
// one that never was.
func (r *remove) Survey(ctx context.Context) (state.State, error) {
	found, err := r.conn.named(ctx, r.service)
	if err != nil {
		return nil, err
	}
	if len(found) == 0 {
		return state.State{}, r.wasThere(ctx)
	}
	defined := []string{}
	for _, s := range found {
		defined = append(defined, s.Name)
	}
	needing, err := r.conn.around(ctx, r.service)
	if err != nil {
		return nil, err
	}
	return state.State{r.resource.ID: {definedField: encode(defined), neededField: encode(needing)}}, nil
}

// wasThere asks for what process-compose goes on telling of removed processes.
func (r *remove) wasThere(ctx context.Context) error {
	for _, name := range []string{r.service, r.service + "-0", r.service + "-1"} {
		switch _, err := r.conn.status(ctx, name); {
		case err == nil:
			return nil
		case !unknown(err):
			return err
		}
	}
	all, err := r.conn.list(ctx)
	if err != nil {
		return err
	}
	return &driver.Refusal{
		System: r.conn.String(), Reason: fmt.Sprintf("has no processes called %s, and had none (it has %s)", r.service, strings.Join(services(all), ", ")),
		Remedy: "name a service by its processes; or take the step out, if it is gone already",
	}
}

func (r *remove) Plan(before state.State) (state.State, error) { return r.PlanAmong(before, nil) }

// PlanAmong implements driver.Surveyor.
func (r *remove) PlanAmong(before, others state.State) (state.State, error) {
	stopped := names(before, r.resource.ID, stoppedField)
	var running []string
	for _, name := range names(others, r.resource.ID, definedField) {
		if !slices.Contains(stopped, name) {
			running = append(running, name)
		}
	}
	needed := names(others, r.resource.ID, neededField)
	switch {
	case string(before[r.resource.ID][stoppedField]) == removed:
	case len(running) > 0:
		return nil, &driver.Refusal{
			System: r.conn.String(), Reason: fmt.Sprintf("service %s still runs: %s", r.service, strings.Join(running, ", ")),
			Remedy: fmt.Sprintf("let an earlier step do process.scale: {service: %s, replicas: 0}", r.service),
		}
	case len(needed) > 0:
		return nil, &driver.Refusal{
			System: r.conn.String(), Reason: fmt.Sprintf("%s depends on service %s", strings.Join(needed, ", "), r.service),
			Remedy: "take that out of its depends_on in the project, and reload it",
		}
	}
	return r.gone(), nil
}

func (r *remove) Apply(ctx context.Context, e driver.Effect) (state.State, error) {
	if err := r.take(ctx, e.Mine); err != nil {
		return nil, fmt.Errorf("remove service %s: %w", r.service, err)
	}
	return r.Observe(ctx)
}

// Resume implements driver.Resumable: what is left is removed.
func (r *remove) Resume(ctx context.Context, e driver.Effect) (state.State, error) {
	return r.Apply(ctx, e)
}

func (r *remove) take(ctx context.Context, mine func() error) error {
	found, err := r.conn.named(ctx, r.service)
	if err != nil || len(found) == 0 {
		return err
	}
	for _, s := range found {
		if !s.stopped() || s.Running {
			return fmt.Errorf("%s: %s runs again (%s), and nothing was removed", r.conn, s.Name, s)
		}
	}
	replicas := make([]replica, len(found))
	for i, s := range found {
		d, err := r.conn.definition(ctx, s.Name)
		if err != nil {
			return err
		}
		replicas[i] = replica{s.Name, s, d}
	}
	if err := r.conn.retire(ctx, mine, r.service, replicas); err != nil {
		return err
	}
	left, err := r.conn.named(ctx, r.service)
	if err == nil && len(left) > 0 {
		err = fmt.Errorf("%s: it was asked to remove the service, and still has %s", r.conn, statuses(left))
	}
	return err
}

// Undo cannot be.
func (r *remove) Undo(context.Context, driver.Effect) error {
	return errors.New("a removal cannot be undone; it loses " + r.Loses())
}
