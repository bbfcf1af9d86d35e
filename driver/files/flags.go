package files

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/segue-run/segue/driver"
	"github.com/segue-run/segue/runbook"
	"github.com/segue-run/segue/state"
)

// flags are a mapping of a YAML file whose values are true or false. Which
// names there are is what the file says; a step that names another is refused.
type flags struct {
	key    keyPath
	set    map[string]bool // nil: all that are there become true
	except []string
	file   *action // it has no changes of its own
}

type flagsParams struct {
	Path string `param:"path,required" doc:"The YAML file, on the machine that Segue runs on."`
	Key  string `param:"key" doc:"The mapping that holds the flags, written as in files.yaml." default:"rollout.feature_flags"`
}

type flagsSetParams struct {
	flagsParams
	Set map[string]bool `param:"set,required" doc:"The flags by name, true or false. A name that the file does not have is refused."`
}

type flagsAllParams struct {
	flagsParams
	Except []string `param:"except" doc:"Flags that stay as they are."`
}

// Validate implements what types cannot say.
func (p flagsParams) Validate() error {
	if p.Key == "" {
		return nil
	}
	if _, err := parseKey(p.Key); err != nil {
		return &runbook.FieldError{Field: "key", Problem: err.Error(), Remedy: "write it as a.b, and a key that has a dot in quotes"}
	}
	return nil
}

// Validate implements what types cannot say.
func (p flagsSetParams) Validate() error {
	if len(p.Set) == 0 {
		return &runbook.FieldError{Field: "set", Problem: "no flag is given", Remedy: "write set: {persistent_state: true}"}
	}
	return p.flagsParams.Validate()
}

func flagsSet() driver.Part {
	return driver.Acts(driver.About{
		Name: "flags.set",
		Doc:  "Sets feature flags in a YAML file on this machine, and keeps every other byte of it. Undoing it gives the very bytes back.",
	}, func(_ context.Context, _ driver.Conn, p flagsSetParams) (driver.Action, error) {
		return newFlags("flags.set", p.flagsParams, p.Set, nil)
	})
}

func flagsEnableAll() driver.Part {
	return driver.Acts(driver.About{
		Name: "flags.enable-all",
		Doc:  "Sets all feature flags of a YAML file on this machine to true, as flags.set does.",
	}, func(_ context.Context, _ driver.Conn, p flagsAllParams) (driver.Action, error) {
		return newFlags("flags.enable-all", p.flagsParams, nil, p.Except)
	})
}

func newFlags(kind string, p flagsParams, set map[string]bool, except []string) (*flags, error) {
	if p.Key == "" {
		p.Key = "rollout.feature_flags"
	}
	key, err := parseKey(p.Key)
	if err != nil {
		return nil, fmt.Errorf("%s: key: %w", kind, err)
	}
	file, err := newAction(p.Path, yamlFormat(nil), sealer{}, nil)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", kind, err)
	}
	return &flags{key, set, except, file}, nil
}

// on is the action that changes these flags.
func (f *flags) on(names []string) *action {
	a := *f.file
	for _, name := range names {
		to, named := f.set[name]
		a.changes = append(a.changes, change{f.path(name), to || !named, true})
	}
	return &a
}

func (f *flags) path(name string) keyPath { return append(slices.Clip(f.key), step{name, -1}) }

// there are the flags that the file has; nil where it has no such mapping.
func (f *flags) there(w *work) (map[string]any, error) {
	v, ok, err := w.doc.get(f.key)
	if err != nil || !ok || v == nil {
		return nil, f.file.refused(err)
	}
	m, ok := v.(map[string]any)
	if !ok {
		return nil, f.refused(fmt.Sprintf("%s is no mapping of flags", f.key), "name with key the one that holds them")
	}
	return m, nil
}

func (f *flags) refused(reason, remedy string) error {
	return &driver.Refusal{System: f.file.resource.Name, Reason: reason, Remedy: remedy}
}

// owned are the names that the step is about.
func (f *flags) owned(there map[string]any) []string {
	if f.set != nil {
		return slices.Sorted(maps.Keys(f.set))
	}
	names := slices.Sorted(maps.Keys(there))
	return slices.DeleteFunc(names, func(n string) bool { return slices.Contains(f.except, n) })
}

// in are the names of the flags that a state holds.
func (f *flags) in(s state.State) ([]string, error) {
	var names []string
	for _, text := range slices.Sorted(maps.Keys(s[f.file.resource.ID])) {
		k, err := parseKey(text)
		if err != nil {
			return nil, fmt.Errorf("%s: the state holds %s, which is no flag: %w", f.file.resource.Name, text, err)
		}
		names = append(names, k.last().key)
	}
	return names, nil
}

func (f *flags) Resources() []driver.Resource { return f.file.Resources() }

func (f *flags) Observe(ctx context.Context) (state.State, error) {
	_, w, err := f.file.read(ctx)
	if err != nil {
		return nil, err
	}
	there, err := f.there(w)
	if err != nil {
		return nil, err
	}
	return f.on(f.owned(there)).seen(w)
}

// Survey implements driver.Surveyor: which flags are there, and can the file be
// changed so?
func (f *flags) Survey(ctx context.Context) (state.State, error) {
	_, w, err := f.file.read(ctx)
	if err != nil {
		return nil, err
	}
	there, err := f.there(w)
	if err != nil {
		return nil, err
	}
	if _, err := f.on(f.owned(there)).Survey(ctx); err != nil {
		return nil, err
	}
	return state.Of(f.known(), knownFlags{slices.Sorted(maps.Keys(there))}), nil
}

// knownFlags are what a survey finds.
type knownFlags struct {
	Names []string `json:"names"`
}

func (f *flags) known() string { return f.file.resource.ID + "/" + f.key.String() }

func (f *flags) Plan(before state.State) (state.State, error) { return f.PlanAmong(before, nil) }

// PlanAmong implements driver.Surveyor. A name counts as known where an earlier
// step of the run brings it in.
func (f *flags) PlanAmong(before, others state.State) (state.State, error) {
	var known knownFlags
	if _, err := others.Decode(f.known(), &known); err != nil {
		return nil, fmt.Errorf("%s: %w", f.file.resource.Name, err)
	}
	unknown := slices.DeleteFunc(slices.Clone(f.except), func(n string) bool { return slices.Contains(known.Names, n) })
	names, err := f.in(before)
	if err != nil {
		return nil, err
	}
	a := f.on(names)
	now, err := a.target(before)
	if err != nil {
		return nil, err
	}
	for i, c := range now {
		if !c.set {
			unknown = append(unknown, names[i])
		} else if _, ok := c.v.(bool); !ok {
			return nil, f.refused(fmt.Sprintf("%s is neither true nor false", c.key), "put that right in the file, or change it with files.yaml")
		}
	}
	switch {
	case len(unknown) > 0 && len(known.Names) > 0:
		return nil, f.refused("it has no flag "+strings.Join(unknown, ", "), "name some of those that it has: "+strings.Join(known.Names, ", "))
	case len(unknown) > 0 || len(names) == 0 && len(known.Names) == 0:
		return nil, f.refused(fmt.Sprintf("it has no flags at %s", f.key), "name with key the mapping that holds them")
	}
	return a.Plan(before)
}

func (f *flags) Apply(ctx context.Context, e driver.Effect) (state.State, error) {
	names, err := f.in(e.Want)
	if err != nil {
		return nil, fmt.Errorf("apply: %w", err)
	}
	return f.on(names).Apply(ctx, e)
}

// Undo gives the flags that were there their values back; it needs to know no
// other.
func (f *flags) Undo(ctx context.Context, e driver.Effect) error {
	names, err := f.in(e.Before)
	if err != nil {
		return fmt.Errorf("undo: %w", err)
	}
	return f.on(names).Undo(ctx, e)
}
