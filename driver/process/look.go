package process

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/segue-run/segue/state"
)

// stoppedField lists the replicas that do not run, nor will by themselves; one
// that is being replaced counts among them until it is back.
const stoppedField = "stopped"

// removed is the field's value where there is no replica any more.
const removed = `"removed"`

// spread is a field's value over the replicas: one for all, or each its own.
type spread struct {
	all json.RawMessage
	By  map[string]json.RawMessage `json:"by-replica"`
}

func (s spread) encode() json.RawMessage {
	if s.By == nil {
		return s.all
	}
	return encode(s)
}

// over reads a part of each replica.
func over(replicas []replica, p part) spread {
	s := spread{By: map[string]json.RawMessage{}}
	same := true
	for _, r := range replicas {
		if r.definition == nil {
			continue
		}
		value := p.read(r.definition)
		same = same && (s.all == nil || bytes.Equal(s.all, value))
		s.all, s.By[r.name] = value, value
	}
	if same && s.all != nil {
		s.By = nil
	}
	return s
}

func decodeSpread(raw json.RawMessage) spread {
	var s spread
	if json.Unmarshal(raw, &s) != nil || s.By == nil {
		return spread{all: raw}
	}
	return s
}

// on is the value on one replica; nothing is known of one that came since, if
// each had its own.
func (s spread) on(replica string) (json.RawMessage, bool) {
	if s.By == nil {
		return s.all, s.all != nil
	}
	raw, ok := s.By[replica]
	return raw, ok
}

// values are the different values.
func (s spread) values() []json.RawMessage {
	if s.By == nil {
		return []json.RawMessage{s.all}
	}
	return slices.Collect(maps.Values(s.By))
}

// look is a service's state as far as these parts go.
func look(replicas []replica, parts []part) state.Fields {
	stopped := []string{}
	for _, r := range replicas {
		if r.definition == nil || r.status.stopped() {
			stopped = append(stopped, r.name)
		}
	}
	fields := state.Fields{stoppedField: encode(stopped)}
	for _, p := range parts {
		fields[p.field()] = over(replicas, p).encode()
	}
	return fields
}

// target is what a service is to become: a state's fields.
type target struct {
	parts   []part
	fields  map[string]spread
	stopped []string
}

func targetOf(s state.State, resource string, parts []part) (target, error) {
	fields, ok := s[resource]
	if !ok {
		return target{}, fmt.Errorf("the state holds nothing of %s", state.Name(resource))
	}
	t := target{parts: parts, fields: map[string]spread{}}
	_ = json.Unmarshal(fields[stoppedField], &t.stopped)
	for _, p := range parts {
		if raw, ok := fields[p.field()]; ok {
			t.fields[p.field()] = decodeSpread(raw)
		}
	}
	return t, nil
}

// apart reports whether a replica is to be left stopped.
func (t target) apart(replica string) bool { return slices.Contains(t.stopped, replica) }

// edit is a replica's definition as it should be, and whether that is another.
func (t target) edit(replica string, d definition) (definition, bool, error) {
	changed := false
	for _, p := range t.parts {
		want, ok := t.fields[p.field()].on(replica)
		if !ok || equal(p.read(d), want) {
			continue
		}
		var err error
		if d, err = p.write(d, want); err != nil {
			return nil, false, err
		}
		changed = true
	}
	return d, changed, nil
}

// equal compares JSON that other hands may have formatted.
func equal(a, b json.RawMessage) bool {
	return len(state.Diff(state.Face{"": {"": a}}, state.Face{"": {"": b}})) == 0
}
