package process

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// definition is a replica's whole configuration, as process-compose gives and
// takes it. What this driver does not know goes back as it came. It holds
// secrets: no error, log or state may show it.
type definition map[string]json.RawMessage

func (d definition) get(field string, into any) {
	_ = json.Unmarshal(d[field], into) // another type than process-compose's own stays zero
}

// with is a copy with one field set.
func (d definition) with(field string, value any) definition {
	raw, err := json.Marshal(value)
	if err != nil {
		panic(fmt.Sprintf("process: field %s: %v", field, err))
	}
	out := maps.Clone(d)
	out[field] = raw
	return out
}

// shutdownTime is how long the replica may take to end.
func (d definition) shutdownTime() time.Duration {
	var p struct{ ShutDownTimeout int }
	d.get("ShutDownParams", &p)
	return time.Duration(p.ShutDownTimeout) * time.Second
}

func (d definition) environment() []string {
	var env []string
	d.get("Environment", &env)
	return env
}

// variable is a variable's value; of several the last one holds.
func (d definition) variable(name string) (string, bool) {
	for _, pair := range slices.Backward(d.environment()) {
		if key, value, _ := strings.Cut(pair, "="); key == name {
			return value, true
		}
	}
	return "", false
}

// withVariable sets a variable where it stands, or takes it out (nil).
func (d definition) withVariable(name string, value *string) definition {
	env := []string{}
	placed := value == nil
	for _, pair := range d.environment() {
		key, _, _ := strings.Cut(pair, "=")
		switch {
		case key != name:
			env = append(env, pair)
		case !placed:
			env, placed = append(env, name+"="+*value), true
		}
	}
	if !placed {
		env = append(env, name+"="+*value)
	}
	return d.with("Environment", env)
}

// command is what a replica runs: an argv, or a line for the shell.
type command struct {
	argv  []string
	shell string
}

func (d definition) command() command {
	var c command
	d.get("Command", &c.shell)
	if c.shell == "" {
		d.get("Entrypoint", &c.argv)
	}
	return c
}

func (d definition) withCommand(c command) definition {
	return d.with("Command", c.shell).with("Entrypoint", c.argv)
}

// marks are what Segue notes in a definition.
type marks struct {
	// Updates counts all of Segue's updates. It makes each one differ:
	// process-compose takes two definitions for the same that only differ in
	// the executable.
	Updates int `json:"updates"`
	// Restarts counts those that process.restart made.
	Restarts int `json:"restarts"`
	// Held: it is disabled only so that an update did not start it.
	Held bool `json:"held,omitempty"`
}

const (
	extensions = "Extensions"
	marksKey   = "x-segue"
)

func (d definition) marks() marks {
	var all struct {
		Marks marks `json:"x-segue"`
	}
	d.get(extensions, &all)
	return all.Marks
}

func (d definition) withMarks(m marks) definition {
	all := map[string]any{}
	d.get(extensions, &all)
	if all == nil {
		all = map[string]any{}
	}
	all[marksKey] = m
	return d.with(extensions, all)
}

// disabled reports whether the project defines the replica as one that does
// not run unless somebody starts it.
func (d definition) disabled() bool { return d.deferred() && !d.marks().Held }

// deferred reports whether an update does not start it.
func (d definition) deferred() bool {
	var disabled bool
	d.get("Disabled", &disabled)
	return disabled
}

// held is one that an update does not start.
func (d definition) held() definition {
	if d.deferred() {
		return d
	}
	m := d.marks()
	m.Held = true
	return d.with("Disabled", true).withMarks(m)
}

// released is one that is held no more.
func (d definition) released() definition {
	m := d.marks()
	if !m.Held {
		return d
	}
	m.Held = false
	return d.with("Disabled", false).withMarks(m)
}

// renewed differs from d in the count of updates.
func (d definition) renewed() definition {
	m := d.marks()
	m.Updates++
	return d.withMarks(m)
}

// readiness is the URL of the readiness probe, "" if it has none over HTTP.
func (d definition) readiness() string {
	var p struct {
		HttpGet *struct { //nolint:revive,staticcheck // process-compose's name
			Scheme, Host, Path string
			NumPort            int
		}
	}
	d.get("ReadinessProbe", &p)
	switch h := p.HttpGet; {
	case h == nil:
		return ""
	case h.NumPort == 0:
		return fmt.Sprintf("%s://%s%s", h.Scheme, h.Host, h.Path)
	default:
		return fmt.Sprintf("%s://%s:%d%s", h.Scheme, h.Host, h.NumPort, h.Path)
	}
}

// tellsReady reports whether process-compose itself finds out if it is ready.
func (d definition) tellsReady() bool {
	var line string
	d.get("ReadyLogLine", &line)
	probe := string(d["ReadinessProbe"])
	return line != "" || probe != "" && probe != "null"
}
