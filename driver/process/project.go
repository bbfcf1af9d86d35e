package process

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"
)

// process-compose (1.64.1) has one way to remove a process: it is given a whole
// project, and removes what is not in it. It also adds what it does not have,
// and replaces, restarting it, what it finds to differ. So everything else must
// go back exactly as it is:
//
//   - It compares what it read from YAML with what comes back from JSON, and
//     there a number is another one (int, float64). Where it does so with free
//     values, a number or a time cannot be sent back unchanged.
//   - Who adds a process, or changes one, between the reading and the sending,
//     would lose that. All is read twice, right before it is sent.

// others are the definitions of all processes but a service's.
func (c *Conn) others(ctx context.Context, service string) (map[string]definition, error) {
	all, err := c.list(ctx)
	if err != nil {
		return nil, err
	}
	out := map[string]definition{}
	for _, s := range all {
		if isReplica(s.Name, service) {
			continue
		}
		if out[s.Name], err = c.definition(ctx, s.Name); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// without removes a service's processes, none of which runs.
func (c *Conn) without(ctx context.Context, mine func() error, service string) error {
	first, err := c.others(ctx, service)
	if err != nil {
		return err
	}
	for _, name := range inNameOrder(first) {
		if field := first[name].unstable(); field != "" {
			return fmt.Errorf("%s: process-compose would take %s for changed by its %s, and restart it: nothing was removed; write the numbers and times there as quoted text in the project, and reload it", c, name, field)
		}
	}
	if err := mine(); err != nil {
		return err
	}
	kept, err := c.others(ctx, service)
	if err != nil {
		return err
	}
	if !maps.EqualFunc(first, kept, definition.equal) {
		return fmt.Errorf("%s: somebody else changes its project at this moment; nothing was removed", c)
	}
	did := map[string]string{}
	if err := c.call(ctx, c.timeout, http.MethodPost, "/project", map[string]any{"Processes": kept}, &did); err != nil {
		return err
	}
	var more []string
	for _, name := range slices.Sorted(maps.Keys(did)) {
		if !isReplica(name, service) || did[name] != "removed" {
			more = append(more, name+": "+did[name])
		}
	}
	if len(more) > 0 {
		return fmt.Errorf("%s: it did more than it was to, or less: %s", c, strings.Join(more, ", "))
	}
	return nil
}

func (d definition) equal(other definition) bool {
	return maps.EqualFunc(d, other, func(a, b json.RawMessage) bool { return bytes.Equal(a, b) })
}

// dependsOn are the processes that one waits for when it starts.
func (d definition) dependsOn() []string {
	var on map[string]json.RawMessage
	d.get("DependsOn", &on)
	return slices.Sorted(maps.Keys(on))
}

// unstable is a field with free values that do not come back as they were, ""
// if there is none.
func (d definition) unstable() string {
	var own map[string]any
	d.get(extensions, &own)
	delete(own, marksKey) // it came by JSON
	if !stable(own) {
		return "extensions (x-…)"
	}
	var vars any
	d.get("Vars", &vars)
	if !stable(vars) {
		return "vars"
	}
	var on map[string]struct{ Extensions any }
	d.get("DependsOn", &on)
	for _, dependency := range on {
		if !stable(dependency.Extensions) {
			return "depends_on"
		}
	}
	return ""
}

func stable(v any) bool {
	switch v := v.(type) {
	case float64:
		return false
	case string:
		_, err := time.Parse(time.RFC3339Nano, v)
		return err != nil
	case []any:
		return !slices.ContainsFunc(v, func(e any) bool { return !stable(e) })
	case map[string]any:
		for _, e := range v {
			if !stable(e) {
				return false
			}
		}
	}
	return true
}
