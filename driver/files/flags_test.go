package files

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/segue-run/segue/driver"
	"github.com/segue-run/segue/driver/drivertest"
	"github.com/segue-run/segue/state"
)

const migrationConfig = `# of the migration team: edited by hand too
migration:
  phase: canary_10   # see the runbook
legacy_system: {enabled: true, endpoint: "http://localhost:8000"}

rollout:
  canary_percentage: 10
  feature_flags:
    # first wave
    event_driven_discovery: false
    persistent_state: no_such_thing   # replaced by the test
    websocket_monitoring: False # later

    teleoperation_optimization: false
database:
  postgres: {password: 'pw/1'}
`

func flagsFile(t testing.TB) string {
	t.Helper()
	return put(t, "migration_config.yaml", strings.Replace(migrationConfig, "no_such_thing", "false", 1))
}

func flagsOf(t testing.TB, path string, set map[string]bool, except ...string) *flags {
	t.Helper()
	f, err := newFlags("flags", flagsParams{Path: path}, set, except)
	check(t, err)
	return f
}

// planFlags observes and plans as a run does.
func planFlags(ctx context.Context, f *flags) (before, want state.State, _ error) {
	before, err := f.Observe(ctx)
	if err != nil {
		return nil, nil, err
	}
	others, err := f.Survey(ctx)
	if err != nil {
		return before, nil, err
	}
	want, err = f.PlanAmong(before, others)
	return before, want, err
}

// runFlags plans and applies, and returns what undoes it.
func runFlags(t testing.TB, f *flags) (undo func()) {
	t.Helper()
	before, want, err := planFlags(t.Context(), f)
	check(t, err)
	p := &play{t: t, before: before, want: want}
	_, err = f.Apply(t.Context(), p.effect())
	check(t, err)
	return func() {
		t.Helper()
		check(t, f.Undo(t.Context(), p.effect()))
	}
}

func TestFlagsSetWalks(t *testing.T) {
	t.Parallel()
	drivertest.Walk(t, drivertest.Subject{
		World: func(t testing.TB) drivertest.World {
			path := flagsFile(t)
			return drivertest.World{
				Action: func() driver.Action {
					return flagsOf(t, path, map[string]bool{"event_driven_discovery": true, "persistent_state": true, "websocket_monitoring": false})
				},
				Disturb: disturbed(t, path, "persistent_state: true", "persistent_state: false"),
			}
		},
	})
}

func TestFlagsEnableAllWalks(t *testing.T) {
	t.Parallel()
	drivertest.Walk(t, drivertest.Subject{
		World: func(t testing.TB) drivertest.World {
			path := flagsFile(t)
			return drivertest.World{
				Action:  func() driver.Action { return flagsOf(t, path, nil, "websocket_monitoring") },
				Disturb: disturbed(t, path, "teleoperation_optimization: true", "teleoperation_optimization: false"),
			}
		},
	})
}

func TestFlagsKeepEveryOtherByteAndUndoGivesAllBack(t *testing.T) {
	path := flagsFile(t)
	was := content(t, path)
	set := runFlags(t, flagsOf(t, path, map[string]bool{"event_driven_discovery": true, "persistent_state": true}))
	first := strings.NewReplacer("event_driven_discovery: false", "event_driven_discovery: true", "persistent_state: false", "persistent_state: true").Replace(was)
	same(t, "two flags", first, content(t, path))
	all := runFlags(t, flagsOf(t, path, nil))
	second := strings.NewReplacer("websocket_monitoring: False", "websocket_monitoring: true", "teleoperation_optimization: false", "teleoperation_optimization: true").Replace(first)
	same(t, "all flags", second, content(t, path))
	before, want, err := planFlags(t.Context(), flagsOf(t, path, nil))
	check(t, err)
	if d := cmp.Diff(before, want); d != "" {
		t.Errorf("there is still something to do (-before +want):\n%s", d)
	}
	all()
	same(t, "all flags, undone", first, content(t, path))
	set()
	same(t, "two flags, undone", was, content(t, path))
}

func TestFlagsWorkAsWritten(t *testing.T) {
	dir := t.TempDir()
	write(t, dir+"/flags.yaml", "rollout:\n  feature_flags: {a: false, b: true, c: false, d: false}\n")
	made := drivertest.Make(t, asWritten, map[string]string{"DIR": dir, "PASSWORD": ""}, Parts()...)
	undo := runFlags(t, made.Actions["Raise two flags"].(*flags))
	same(t, "file", "rollout:\n  feature_flags: {a: true, b: false, c: false, d: false}\n", content(t, dir+"/flags.yaml"))
	all := runFlags(t, made.Actions["Raise all"].(*flags))
	same(t, "file", "rollout:\n  feature_flags: {a: true, b: true, c: false, d: true}\n", content(t, dir+"/flags.yaml"))
	all()
	undo()
	same(t, "file", "rollout:\n  feature_flags: {a: false, b: true, c: false, d: false}\n", content(t, dir+"/flags.yaml"))
}

func TestAllButSomeLeavesThese(t *testing.T) {
	path := flagsFile(t)
	runFlags(t, flagsOf(t, path, nil, "websocket_monitoring", "persistent_state"))
	text := content(t, path)
	if !strings.Contains(text, "websocket_monitoring: False # later") || !strings.Contains(text, "persistent_state: false") || strings.Count(text, ": true\n") != 2 {
		t.Error(text)
	}
}

// A flag that is added after enable-all is drift; undoing leaves it alone.
func TestAFlagThatSomebodyAddsShowsAndStays(t *testing.T) {
	path := flagsFile(t)
	f := flagsOf(t, path, nil)
	before, _, err := planFlags(t.Context(), f)
	check(t, err)
	undo := runFlags(t, f)
	check(t, os.WriteFile(path, []byte(strings.Replace(content(t, path), "    # first wave\n", "    # first wave\n    brand_new: true\n", 1)), 0o640))
	now, err := f.Observe(t.Context())
	check(t, err)
	id := f.file.resource.ID
	if len(now[id]) != len(before[id])+1 {
		t.Errorf("the new flag does not show: %v", now)
	}
	undo()
	if text := content(t, path); !strings.Contains(text, "    brand_new: true\n    event_driven_discovery: false\n") {
		t.Error(text)
	}
}

func TestFlagsThatAreWrongAreRefusedWithWhatIsRight(t *testing.T) {
	for name, c := range map[string]struct {
		text   string
		set    map[string]bool
		except []string
		key    string
		want   string
	}{
		"unknown":           {migrationConfig, map[string]bool{"lasting_state": true}, nil, "", "no flag lasting_state; instead: name some of those that it has: event_driven_discovery, persistent_state, teleoperation_optimization, websocket_monitoring"},
		"unknown exception": {strings.Replace(migrationConfig, "no_such_thing", "false", 1), nil, []string{"other"}, "", "no flag other"},
		"a text":            {migrationConfig, map[string]bool{"persistent_state": true}, nil, "", "persistent_state is neither true nor false"},
		"a text, of all":    {migrationConfig, nil, nil, "", "persistent_state is neither true nor false"},
		"no mapping":        {"a: 1\n", map[string]bool{"x": true}, nil, "", "no flags at rollout.feature_flags"},
		"no mapping at all": {"a: 1\n", nil, nil, "", "no flags at rollout.feature_flags"},
		"an empty mapping":  {"rollout: {feature_flags: {}}\n", nil, nil, "", "no flags at rollout.feature_flags"},
		"a list":            {"rollout: {feature_flags: [a]}\n", nil, nil, "", "is no mapping of flags"},
		"another key":       {migrationConfig, nil, nil, "rollout.flags", "no flags at rollout.flags"},
		"an alias":          {"x: &x {a: false}\nrollout: {feature_flags: *x}\n", nil, nil, "", "stands for what is written as &x"},
		"no YAML":           {"a: [\n", nil, nil, "", "this is not YAML"},
	} {
		t.Run(name, func(t *testing.T) {
			path := put(t, "c.yaml", c.text)
			f, err := newFlags("flags", flagsParams{Path: path, Key: c.key}, c.set, c.except)
			check(t, err)
			_, _, err = planFlags(t.Context(), f)
			r, ok := errors.AsType[*driver.Refusal](err)
			if !ok || !strings.Contains(r.Error(), c.want) {
				t.Errorf("%v\nwant %q", err, c.want)
			}
			same(t, "file", c.text, content(t, path))
		})
	}
}
