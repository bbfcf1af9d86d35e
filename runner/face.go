package runner

import (
	"encoding/json"
	"fmt"

	"github.com/segue-run/segue/state"
)

// face is the public face of a state. A field in which a known secret stands,
// by whatever way it came there, is sealed whole.
func (l *loop) face(s state.State) (state.Face, bool) {
	sealed := s
	if sec := l.r.Secrets; sec != nil {
		sec.Add(s.Secrets()...)
		sealed = make(state.State, len(s))
		for id, fields := range s {
			out := make(state.Fields, len(fields))
			for name, raw := range fields {
				if sec.Redact(string(raw)) != string(raw) {
					hidden := state.Of(id, map[string]any{name: state.Secret(raw)})
					raw = hidden[id][name]
				}
				out[name] = raw
			}
			sealed[id] = out
		}
	}
	return sealed.Face(l.key)
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
