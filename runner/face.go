package runner

import (
	"encoding/json"
	"fmt"

	"github.com/segue-run/segue/state"
)

// face is the public face of a state. A field in which a known secret stands,
// by whatever way it came there, is sealed whole. But a value that the run has
// journaled before (in one of the faces said), in the clear or sealed, stays in
// that form: it does not drift by our finding out that it is secret, nor by a
// successor's not knowing.
func (l *loop) face(s state.State, said ...state.Face) (state.Face, bool) {
	sec := l.r.Secrets
	if sec == nil {
		return s.Face(l.key)
	}
	sec.Add(s.Secrets()...)
	out := make(state.State, len(s))
	for id, fields := range s {
		out[id] = make(state.Fields, len(fields))
		for name, raw := range fields {
			hidden := state.Of(id, map[string]any{name: state.Secret(raw)})
			secret := sec.Redact(string(raw)) != string(raw)
			switch sealed, _ := hidden.Face(l.key); {
			case has(said, sealed):
				secret = true
			case has(said, state.Face{id: {name: raw}}):
				secret = false
			}
			if secret {
				raw = hidden[id][name]
			}
			out[id][name] = raw
		}
	}
	return out.Face(l.key)
}

// has reports whether one of the faces has the one field of part as it is.
func has(faces []state.Face, part state.Face) bool {
	for _, f := range faces {
		for id, fields := range part {
			for name := range fields {
				if _, ok := f[id][name]; ok && len(state.Drift(f, part)) == 0 {
					return true
				}
			}
		}
	}
	return false
}

// sealedPair is what lies in sealed/ for an intent.
type sealedPair struct {
	Before state.State `json:"before"`
	Want   state.State `json:"want"`
}

// seal keeps the sealed faces of an intent and returns their name.
func (l *loop) seal(step string, epoch int64, attempt int, before, want state.State) (string, error) {
	name := fmt.Sprintf("%s.%d.%d", step, epoch, attempt)
	data, err := json.Marshal(sealedPair{before, want})
	if err != nil {
		return "", fmt.Errorf("seal the state of step %s: %w", step, err)
	}
	if err := l.r.Vault.Put(l.id, name, data); err != nil {
		return "", fmt.Errorf("seal the state of step %s: %w", step, err)
	}
	return name, nil
}

// unseal gives the states of a step as Apply and Undo need them.
func (r *Runner) unseal(run, beforeSeal, wantSeal string, before, want state.Face) (b, w state.State, err error) {
	b, w = before.Unsealed(), want.Unsealed()
	if beforeSeal != "" {
		p, err := r.opened(run, beforeSeal)
		if err != nil {
			return nil, nil, err
		}
		b = p.Before
	}
	if wantSeal != "" {
		p, err := r.opened(run, wantSeal)
		if err != nil {
			return nil, nil, err
		}
		w = p.Want
	}
	return b, w, nil
}

func (r *Runner) opened(run, name string) (sealedPair, error) {
	var p sealedPair
	data, err := r.Vault.Get(run, name)
	if err != nil {
		return p, fmt.Errorf("open the sealed state %s: %w", name, err)
	}
	if err := json.Unmarshal(data, &p); err != nil {
		return p, fmt.Errorf("open the sealed state %s: %w", name, err)
	}
	if r.Secrets != nil {
		r.Secrets.Add(p.Before.Secrets()...)
		r.Secrets.Add(p.Want.Secrets()...)
	}
	return p, nil
}
