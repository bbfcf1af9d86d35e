package redis

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/segue-run/segue/driver"
	"github.com/segue-run/segue/runbook"
	"github.com/segue-run/segue/secret"
	"github.com/segue-run/segue/state"
)

type configParams struct {
	Set     map[string]string `param:"set,required" doc:"Settings by name, each as CONFIG GET shows it; an amount of memory may have a unit, as in maxmemory: 4gb."`
	Rewrite bool              `param:"rewrite" doc:"Have the server write its configuration file anew (CONFIG REWRITE), so that a restart keeps the settings, and with them all else that was set since it started."`
}

var settingForm = regexp.MustCompile(`^[a-z][a-z0-9-]*$`)

// Validate implements what types cannot say.
func (p configParams) Validate() error {
	if len(p.Set) == 0 {
		return &runbook.FieldError{Field: "set", Problem: "no setting is given", Remedy: "write set: {maxmemory: 4gb}"}
	}
	for _, name := range slices.Sorted(maps.Keys(p.Set)) {
		switch {
		case !settingForm.MatchString(name):
			return &runbook.FieldError{Field: "set", Problem: fmt.Sprintf("%q is no name of a setting", name), Remedy: "write it in small letters, as in maxmemory-policy"}
		case name == "requirepass":
			return &runbook.FieldError{Field: "set", Problem: "requirepass is what Segue itself comes in by, and undoing it would find the door shut", Remedy: "change it by hand"}
		}
	}
	return nil
}

// config sets settings of the running server. It owns their values.
type config struct {
	c        *Conn
	p        configParams
	names    []string
	resource driver.Resource
}

func configAction() driver.Part {
	return driver.Acts(driver.About{
		Name: "redis.config", On: kind,
		Doc: "Sets settings of the running server, all of them or none. Undoing it sets what was. The server's file stays as it is, unless rewrite says otherwise.",
	}, func(ctx context.Context, c *Conn, p configParams) (driver.Action, error) { return newConfig(ctx, c, p) })
}

func newConfig(ctx context.Context, c *Conn, p configParams) (*config, error) {
	if err := p.Validate(); err != nil {
		return nil, fmt.Errorf("redis.config: %w", err)
	}
	id, err := c.ID(ctx)
	if err != nil {
		return nil, fmt.Errorf("redis.config: %w", err)
	}
	return &config{c, p, slices.Sorted(maps.Keys(p.Set)), driver.Resource{ID: id + "/config", Name: "settings of " + c.String()}}, nil
}

// Resources are the single settings: two steps may set different ones.
func (a *config) Resources() []driver.Resource {
	out := make([]driver.Resource, len(a.names))
	for i, name := range a.names {
		out[i] = driver.Resource{ID: a.resource.ID + "/" + name, Name: name + " of " + a.c.String()}
	}
	return out
}

// setting is one as the state has it; both are nil where the server has none.
type setting struct {
	Value  *string       `json:"value,omitempty"`
	Hidden *state.Secret `json:"hidden,omitempty"`
}

func settingOf(name, value string) setting {
	if hides(name) {
		return setting{Hidden: new(state.Secret(value))}
	}
	return setting{Value: new(value)}
}

func hides(name string) bool {
	return secret.Looks(name) || strings.HasSuffix(name, "auth") || strings.HasSuffix(name, "-pass")
}

func (s setting) text() (string, bool) {
	switch {
	case s.Value != nil:
		return *s.Value, true
	case s.Hidden != nil:
		return string(*s.Hidden), true
	}
	return "", false
}

func (a *config) state(values map[string]string) state.State {
	out := state.State{}
	for _, name := range a.names {
		var s setting
		if v, ok := values[name]; ok {
			s = settingOf(name, v)
		}
		maps.Copy(out, state.Of(a.resource.ID+"/"+name, s))
	}
	return out
}

// values takes them back; what the state does not have is not in it.
func (a *config) values(s state.State) (map[string]string, error) {
	out := map[string]string{}
	for _, name := range a.names {
		var one setting
		if _, err := s.Decode(a.resource.ID+"/"+name, &one); err != nil {
			return nil, err
		}
		if v, ok := one.text(); ok {
			out[name] = v
		}
	}
	return out, nil
}

func (a *config) look(ctx context.Context) (map[string]string, error) {
	out := map[string]string{}
	err := a.c.ask(ctx, func(ctx context.Context) error {
		for _, name := range a.names {
			got, err := a.c.client.ConfigGet(ctx, name).Result()
			if err != nil {
				return err
			}
			maps.Copy(out, got)
		}
		return nil
	})
	return out, err
}

func (a *config) Observe(ctx context.Context) (state.State, error) {
	values, err := a.look(ctx)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", a.resource.Name, err)
	}
	return a.state(values), nil
}

// Survey implements driver.Surveyor: is there a file to be written anew?
func (a *config) Survey(ctx context.Context) (state.State, error) {
	if !a.p.Rewrite {
		return state.State{}, nil
	}
	info, err := a.c.info(ctx, "server")
	if err != nil {
		return nil, err
	}
	if info["config_file"] == "" {
		return nil, &driver.Refusal{System: a.c.String(), Reason: "it was started without a configuration file, so that there is none to be written anew", Remedy: "leave out rewrite, or start it with a file"}
	}
	return state.State{}, nil
}

func (a *config) Plan(before state.State) (state.State, error) { return a.PlanAmong(before, nil) }

// PlanAmong implements driver.Surveyor.
func (a *config) PlanAmong(before, _ state.State) (state.State, error) {
	was, err := a.values(before)
	if err != nil {
		return nil, err
	}
	want := map[string]string{}
	for _, name := range a.names {
		v, ok := was[name]
		if !ok {
			return nil, &driver.Refusal{System: a.c.String(), Reason: "it has no setting " + name, Remedy: "see CONFIG GET * for those that it has"}
		}
		want[name] = asShown(a.p.Set[name], v)
	}
	return a.state(want), nil
}

var memoryForm = regexp.MustCompile(`^([0-9]+)([kmg]b?)$`)

// asShown writes an amount of memory as the server does, in bytes, where what
// is there is a number.
func asShown(text, is string) string {
	m := memoryForm.FindStringSubmatch(strings.ToLower(text))
	if _, err := strconv.ParseUint(is, 10, 64); err != nil || m == nil {
		return text
	}
	n, err := strconv.ParseUint(m[1], 10, 64)
	unit := map[string]uint64{"k": 1e3, "kb": 1 << 10, "m": 1e6, "mb": 1 << 20, "g": 1e9, "gb": 1 << 30}[m[2]]
	if err != nil || n > (1<<63)/unit {
		return text
	}
	return strconv.FormatUint(n*unit, 10)
}

func (a *config) Apply(ctx context.Context, e driver.Effect) (state.State, error) {
	if err := a.change(ctx, e.Mine, e.Want); err != nil {
		return nil, fmt.Errorf("apply: %w", err)
	}
	return a.Observe(ctx)
}

func (a *config) Undo(ctx context.Context, e driver.Effect) error {
	if err := a.change(ctx, e.Mine, e.Before); err != nil {
		return fmt.Errorf("undo: %w", err)
	}
	return nil
}

// change goes to a state, at one moment: setting and file with it.
func (a *config) change(ctx context.Context, mine func() error, to state.State) error {
	target, err := a.values(to)
	if err != nil {
		return err
	}
	now, err := a.look(ctx)
	if err != nil {
		return err
	}
	if maps.Equal(now, target) {
		return nil
	}
	set, back := configSet(target), configSet(now)
	if !a.p.Rewrite {
		return a.together(ctx, mine, set)
	}
	// Commands that go together go on after one that fails: what the server
	// would refuse must not have its file written. So it is tried first.
	if err := a.together(ctx, mine, set, back); err != nil {
		return err
	}
	if err := a.together(ctx, mine, set, []any{"config", "rewrite"}); err != nil {
		return errors.Join(err, a.together(ctx, mine, back))
	}
	return nil
}

func configSet(values map[string]string) []any {
	args := []any{"config", "set"}
	for _, name := range slices.Sorted(maps.Keys(values)) {
		args = append(args, name, values[name])
	}
	return args
}

// together sends commands that nothing comes between, not even a crash.
func (a *config) together(ctx context.Context, mine func() error, commands ...[]any) error {
	if err := mine(); err != nil {
		return err
	}
	return a.c.ask(ctx, func(ctx context.Context) error {
		tx := a.c.client.TxPipeline()
		for _, args := range commands {
			tx.Do(ctx, args...)
		}
		_, err := tx.Exec(ctx)
		return a.refused(err)
	})
}

// refused keeps what the server says, without the value that it repeats.
func (a *config) refused(err error) error {
	if err == nil {
		return nil
	}
	text := err.Error()
	for name, v := range a.p.Set {
		if hides(name) && v != "" {
			text = strings.ReplaceAll(text, v, "[secret]")
		}
	}
	if text != err.Error() {
		return errors.New(text)
	}
	return err
}
