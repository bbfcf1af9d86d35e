package process

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"

	"github.com/segue-run/segue/driver"
)

// process-compose (1.64.1) has no call that removes a process. Given a whole
// project it removes what is not in that, but restarts the rest: it compares
// numbers that it read from YAML with those that come back by JSON, and takes
// every process for changed. Reloading its file undoes what was changed since.
//
// What it does remove are replicas: scaling a process to n takes away, with
// their definitions, those that are numbered n and above. So the service's
// stopped processes are made the replicas of one process, numbered far above,
// and that is scaled to 1: there are none below. It scales down only where there
// are two at least, so a single one is given a companion that never runs.
// Nobody else is touched, and whoever looks in between finds a service that is
// stopped.

// numberedFrom is the first number of those that are to go.
const numberedFrom = 1000

// retire removes a service's processes, none of which runs.
func (c *Conn) retire(ctx context.Context, mine func() error, service string, replicas []replica) error {
	for i, rep := range replicas {
		next := rep.definition.held().with("Name", service).with("ReplicaNum", numberedFrom+i)
		if len(replicas) == 1 {
			next = next.withCompanion(service)
		}
		if err := mine(); err != nil {
			return err
		}
		if err := c.update(ctx, next.renewed()); err != nil {
			return err
		}
	}
	found, err := c.named(ctx, service)
	if err != nil || len(found) == 0 {
		return err
	}
	for _, s := range found {
		if err := c.retired(ctx, s, service); err != nil {
			return fmt.Errorf("%s: it is left there: %w", s.Name, err)
		}
	}
	if _, err := c.around(ctx, service); err != nil {
		return err
	}
	if err := mine(); err != nil {
		return err
	}
	return c.call(ctx, c.timeout, http.MethodPatch, "/process/scale/"+url.PathEscape(found[0].Name)+"/1", nil, nil)
}

// retired looks whether scaling down takes this process, and stops nobody.
func (c *Conn) retired(ctx context.Context, s status, service string) error {
	d, err := c.definition(ctx, s.Name)
	if err != nil {
		return err
	}
	var name string
	var number int
	d.get("Name", &name)
	d.get("ReplicaNum", &number)
	switch {
	case name != service || number < 1:
		return errors.New("somebody else has changed its definition")
	case !s.stopped() || s.Running:
		return fmt.Errorf("somebody has started it (%s)", s)
	}
	return nil
}

// withCompanion has process-compose add a replica, which is disabled, too.
func (d definition) withCompanion(service string) definition {
	replicas, namespace := 1, ""
	d.get("Replicas", &replicas)
	d.get("Namespace", &namespace)
	copied, err := json.Marshal(map[string]any{"Name": service, "Namespace": namespace, "Disabled": true, "Command": "exit 1"})
	if err != nil {
		panic("process: a companion: " + err.Error())
	}
	return d.with("Replicas", replicas+1).with("OriginalConfig", string(copied))
}

// named finds a service's processes by name alone, in order.
func (c *Conn) named(ctx context.Context, service string) ([]status, error) {
	if err := c.settle(ctx); err != nil {
		return nil, err
	}
	all, err := c.list(ctx)
	if err != nil {
		return nil, err
	}
	found := slices.DeleteFunc(all, func(s status) bool { return !isReplica(s.Name, service) })
	slices.SortFunc(found, func(a, b status) int { return inOrder(a.Name, b.Name) })
	return found, nil
}

// around looks at the other processes, and returns those that wait for the
// service when they start. It refuses where one of them would go with it.
func (c *Conn) around(ctx context.Context, service string) (needing []string, err error) {
	all, err := c.list(ctx)
	if err != nil {
		return nil, err
	}
	for _, s := range all {
		if isReplica(s.Name, service) {
			continue
		}
		d, err := c.definition(ctx, s.Name)
		if err != nil {
			return nil, err
		}
		var name string
		var on map[string]json.RawMessage
		d.get("Name", &name)
		d.get("DependsOn", &on)
		if name == service {
			return nil, &driver.Refusal{
				System: c.String(), Reason: fmt.Sprintf("it takes %s for a replica of %s, and would remove it, too", s.Name, service),
				Remedy: "take the service out of the project's file, and reload that",
			}
		}
		if slices.ContainsFunc(slices.Collect(maps.Keys(on)), func(other string) bool { return isReplica(other, service) }) {
			needing = append(needing, s.Name)
		}
	}
	slices.SortFunc(needing, inOrder)
	return needing, nil
}
