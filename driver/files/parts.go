package files

import (
	"context"
	"fmt"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/segue-run/segue/driver"
	"github.com/segue-run/segue/runbook"
)

type yamlParams struct {
	Path     string         `param:"path,required" doc:"The file, on the machine that Segue runs on. It must be there. Links are followed."`
	Set      map[string]any `param:"set" doc:"Keys and their new values, which keep their type: a text that looks like a number is quoted. A key is written servers[0].port; one with a dot in it in quotes: labels.\"app.io/name\". A key that is missing is added at the end of its mapping."`
	Unset    []string       `param:"unset" doc:"Keys to take out, with what is beneath them."`
	Document *int           `param:"document" doc:"Which document of the file is meant, counted from 0, if it has several."`
	Secret   []string       `param:"secret" doc:"Keys whose values, old and new, are to show nowhere. Those that are named password, token and the like are secret anyway, and so are those that are set to a ${…}."`
	referred
}

type envParams struct {
	Path   string            `param:"path,required" doc:"The file of KEY=VALUE lines, on the machine that Segue runs on. It must be there. Links are followed."`
	Set    map[string]string `param:"set" doc:"Variables and their new values. Of several lines with one variable the last counts, and is the one that is changed. One that is missing is added at the end."`
	Unset  []string          `param:"unset" doc:"Variables whose line is taken out."`
	Secret []string          `param:"secret" doc:"Variables whose values, old and new, are to show nowhere. Those that are named PASSWORD, TOKEN and the like are secret anyway, and so are those that are set to a ${…}."`
	referred
}

// referred are the keys whose new value is a reference. It is secret, so the
// old one that it replaces most likely is too.
type referred struct{ keys []string }

// AsWritten is told the parameters before references are resolved.
func (r *referred) AsWritten(raw runbook.Params) {
	set, _ := raw["set"].(map[string]any)
	for _, k := range slices.Sorted(maps.Keys(set)) {
		if len(driver.References(runbook.Params{k: set[k]})) > 0 {
			r.keys = append(r.keys, k)
		}
	}
}

// Validate implements what types cannot say.
func (p yamlParams) Validate() error {
	if p.Document != nil && *p.Document < 0 {
		return &runbook.FieldError{Field: "document", Problem: "documents are counted from 0", Remedy: "write document: 0"}
	}
	_, _, err := p.parsed()
	return err
}

// parsed are the changes in order, and what is declared secret.
func (p yamlParams) parsed() ([]change, sealer, error) {
	if len(p.Set)+len(p.Unset) == 0 {
		return nil, sealer{}, &runbook.FieldError{Field: "set", Problem: "no key is given", Remedy: "write set: {a.b: value} or unset: [a.b]"}
	}
	var changes []change
	add := func(field, text string, c change) error {
		k, err := parseKey(text)
		if err != nil {
			return &runbook.FieldError{Field: field, Problem: err.Error(), Remedy: `write it as a.b[0].c, and a key that has a dot in quotes`}
		}
		for _, other := range changes {
			if other.key.covers(k) || k.covers(other.key) {
				return &runbook.FieldError{Field: field, Problem: fmt.Sprintf("%s and %s are given, and one is within the other", other.key, k), Remedy: "keep one of them"}
			}
		}
		if c.key = k; !c.set && k.last().index >= 0 {
			return &runbook.FieldError{Field: field, Problem: text + " is an element of a list, and those behind it would move up", Remedy: "set the whole list"}
		}
		changes = append(changes, c)
		return nil
	}
	for _, text := range slices.Sorted(maps.Keys(p.Set)) {
		if err := add("set", text, change{v: plain(p.Set[text]), set: true}); err != nil {
			return nil, sealer{}, err
		}
	}
	for _, text := range p.Unset {
		if err := add("unset", text, change{}); err != nil {
			return nil, sealer{}, err
		}
	}
	s, err := declared(append(p.keys, p.Secret...))
	return changes, s, err
}

func declared(keys []string) (sealer, error) {
	var s sealer
	for _, text := range keys {
		k, err := parseKey(text)
		if err != nil {
			return s, &runbook.FieldError{Field: "secret", Problem: err.Error(), Remedy: "write it as in set"}
		}
		s.declared = append(s.declared, k)
	}
	return s, nil
}

// variableName is what sh, dotenv and systemd all take.
var variableName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// Validate implements what types cannot say.
func (p envParams) Validate() error {
	if len(p.Set)+len(p.Unset) == 0 {
		return &runbook.FieldError{Field: "set", Problem: "no variable is given", Remedy: "write set: {NAME: value} or unset: [NAME]"}
	}
	for _, name := range slices.Sorted(maps.Keys(p.Set)) {
		if err := nameError("set", name); err != nil {
			return err
		}
		if strings.Contains(p.Set[name], "${") {
			continue // only known when the step is made
		}
		if err := envValueError(p.Set[name]); err != nil {
			return &runbook.FieldError{Field: "set", Problem: "the value of " + name + ": " + err.Error(), Remedy: "give it another value, or hold it in another file"}
		}
	}
	seen := map[string]bool{}
	for _, name := range p.Unset {
		if err := nameError("unset", name); err != nil {
			return err
		}
		if _, both := p.Set[name]; both || seen[name] {
			return &runbook.FieldError{Field: "unset", Problem: name + " is given twice", Remedy: "keep one of them"}
		}
		seen[name] = true
	}
	for _, name := range p.Secret {
		if err := nameError("secret", name); err != nil {
			return err
		}
	}
	return nil
}

func nameError(field, name string) error {
	if variableName.MatchString(name) {
		return nil
	}
	return &runbook.FieldError{Field: field, Problem: fmt.Sprintf("a variable is named %q", name), Remedy: "write its name alone: EVENT_STREAM_MODE"}
}

func yamlAction() driver.Part {
	return driver.Acts(driver.About{
		Name: "files.yaml",
		Doc:  "Sets or takes out keys of a YAML or JSON file on this machine, and keeps every other byte of it.",
	}, func(_ context.Context, _ driver.Conn, p yamlParams) (driver.Action, error) {
		changes, s, err := p.parsed()
		if err != nil {
			return nil, fmt.Errorf("files.yaml: %w", err)
		}
		return made("files.yaml", p.Path, yamlFormat(p.Document), s, changes)
	})
}

func envAction() driver.Part {
	return driver.Acts(driver.About{
		Name: "files.env",
		Doc:  "Sets or takes out variables in a file of KEY=VALUE lines on this machine (.env, systemd's EnvironmentFile, export KEY=…), and keeps every other byte of it.",
	}, func(_ context.Context, _ driver.Conn, p envParams) (driver.Action, error) { return envAct(p) })
}

func envAct(p envParams) (driver.Action, error) {
	if err := p.Validate(); err != nil {
		return nil, fmt.Errorf("files.env: %w", err)
	}
	var changes []change
	for _, name := range slices.Sorted(maps.Keys(p.Set)) {
		if err := envValueError(p.Set[name]); err != nil {
			return nil, fmt.Errorf("files.env: the value of %s: %w", name, err)
		}
		changes = append(changes, change{keyPath{{name, -1}}, p.Set[name], true})
	}
	for _, name := range slices.Sorted(slices.Values(p.Unset)) {
		changes = append(changes, change{key: keyPath{{name, -1}}})
	}
	s, err := declared(append(p.keys, p.Secret...))
	if err != nil {
		return nil, fmt.Errorf("files.env: %w", err)
	}
	return made("files.env", p.Path, envFormat, s, changes)
}

func made(kind, path string, parse format, s sealer, changes []change) (driver.Action, error) {
	a, err := newAction(path, parse, s, changes)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", kind, err)
	}
	return a, nil
}

// formatOf tells a file's format by its name; "" if it does not.
func formatOf(path string) string {
	name := filepath.Base(path)
	switch ext := strings.ToLower(filepath.Ext(name)); {
	case ext == ".yaml", ext == ".yml", ext == ".json":
		return "yaml"
	case ext == ".env", strings.HasPrefix(name, ".env"), name == "env", name == "environment":
		return "env"
	}
	return ""
}
