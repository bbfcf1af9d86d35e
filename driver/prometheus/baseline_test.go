package prometheus

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/segue-run/segue/driver"
	"github.com/segue-run/segue/driver/drivertest"
	"github.com/segue-run/segue/runbook"
	"github.com/segue-run/segue/state"
)

// taking is the action on a file, with queries that have answers.
func taking(t testing.TB, s *Server, file string, queries map[string]string, within time.Duration) *baseline {
	t.Helper()
	a, err := newBaseline(t.Context(), s, baselineParams{File: file, Queries: queries, Within: within})
	if err != nil {
		t.Fatal(err)
	}
	return a.(*baseline)
}

// record is an effect whose cursor outlives it.
type record struct{ cursor json.RawMessage }

func (r *record) effect(t *testing.T, a driver.Action) driver.Effect {
	t.Helper()
	before, err := a.Observe(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want, err := a.Plan(before)
	if err != nil {
		t.Fatal(err)
	}
	return driver.Effect{
		Before: before, Want: want, Cursor: r.cursor, Mine: func() error { return nil },
		Save: func(_ context.Context, cursor any) (err error) {
			r.cursor, err = json.Marshal(cursor)
			return err
		},
	}
}

func TestBaselineWalks(t *testing.T) {
	s := server(t)
	prom.set("base_rate", 12.5)
	shows(t, s, "base_rate", 12.5)
	for name, prepare := range map[string]func(path string) error{
		"a new file": func(string) error { return nil },
		"over an earlier baseline": func(path string) error {
			return (&book{map[string]measured{"rate": {"old_rate", 7, time.Unix(1, 0).UTC(), "prometheus old"}}}).write(path)
		},
	} {
		t.Run(name, func(t *testing.T) {
			drivertest.Walk(t, drivertest.Subject{
				AlwaysActs: true, MayKeep: true, ObserveOnly: []string{"taken", "numbers"},
				World: func(t testing.TB) drivertest.World {
					path := filepath.Join(t.TempDir(), "baseline.json")
					if err := prepare(path); err != nil {
						t.Fatal(err)
					}
					return drivertest.World{
						Action: func() driver.Action { return taking(t, s, path, map[string]string{"rate": "base_rate"}, time.Minute) },
						Disturb: func(context.Context) error {
							raw, err := os.ReadFile(path)
							if err != nil {
								return err
							}
							return os.WriteFile(path, []byte(strings.Replace(string(raw), "base_rate", "another_rate", 1)), 0o600)
						},
					}
				},
			})
		})
	}
}

func TestBaselineWritesWhatItMeasured(t *testing.T) {
	s := server(t)
	prom.set("base_a", 3)
	prom.set(`base_b{x="1"}`, 4)
	prom.set(`base_b{x="2"}`, 5)
	shows(t, s, "base_a", 3)
	shows(t, s, "sum(base_b)", 9)
	path := filepath.Join(t.TempDir(), "b.json")
	a := taking(t, s, path, map[string]string{"a": "base_a", "b": "sum(base_b)"}, time.Minute)
	after, err := a.Apply(t.Context(), (&record{}).effect(t, a))
	if err != nil {
		t.Fatal(err)
	}
	b, err := readBook(path)
	if err != nil || len(b.Baseline) != 2 {
		t.Fatalf("the file holds %+v, %v", b, err)
	}
	for n, want := range map[string]float64{"a": 3, "b": 9} {
		if m := b.Baseline[n]; m.Value != want || m.Source != s.String() || time.Since(m.Time) > time.Minute {
			t.Errorf("%s is %+v, want %g", n, m, want)
		}
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	if text := string(after[a.id]["numbers"]); !strings.Contains(text, `"value":9`) {
		t.Errorf("the state shows %s", text)
	}
	// How the file is laid out is nobody's drift.
	raw, err := json.Marshal(b)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, raw, 0o600); err != nil {
		t.Fatal(err)
	}
	if found, err := a.Observe(t.Context()); err != nil || string(found[a.id]["numbers"]) != string(after[a.id]["numbers"]) {
		t.Errorf("it drifts to %s, %v", found[a.id], err)
	}
	// What it says is somebody's.
	b.Baseline["b"] = measured{"sum(base_b)", 90, b.Baseline["b"].Time, s.String()}
	if err := b.write(path); err != nil {
		t.Fatal(err)
	}
	if found, err := a.Observe(t.Context()); err != nil || len(state.Drift(state.Face(after), state.Face(found))) != 1 {
		t.Errorf("a changed number is no drift: %s, %v", found[a.id], err)
	}
}

func TestBaselineWaitsForItsNumbersAndNamesThoseThatDoNotCome(t *testing.T) {
	s := server(t)
	prom.set("base_there", 1)
	prom.set("base_nan", "NaN")
	prom.set("base_inf", "+Inf")
	prom.set(`base_many{x="1"}`, 1)
	prom.set(`base_many{x="2"}`, 1)
	shows(t, s, "base_there", 1)
	shows(t, s, "count(base_many)", 2)
	path := filepath.Join(t.TempDir(), "b.json")
	a := taking(t, s, path, map[string]string{
		"there": "base_there", "nan": "base_nan", "inf": "base_inf", "many": "base_many", "none": "base_none", "wrong": "sum(",
	}, 1500*time.Millisecond)
	r := &record{}
	_, err := a.Apply(t.Context(), r.effect(t, a))
	if err == nil {
		t.Fatal("it passes")
	}
	for _, part := range []string{"inf (the value is +Inf)", "many (2 series", "nan (the value is NaN", "none (no data", "wrong (ask ", "within 1.5s"} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("error %q, want %q", err, part)
		}
	}
	if strings.Contains(err.Error(), "there (") {
		t.Errorf("what came is named: %v", err)
	}
	if b, err := readBook(path); b != nil || err != nil || r.cursor != nil {
		t.Errorf("a file is there: %+v %v, cursor %s", b, err, r.cursor)
	}

	late := taking(t, s, path, map[string]string{"late": "base_late"}, time.Minute)
	var asked atomic.Bool
	e := r.effect(t, late)
	go func() {
		asked.Store(true)
		prom.set("base_late", 8)
	}()
	if _, err := late.Apply(t.Context(), e); err != nil || !asked.Load() {
		t.Errorf("a number that comes late: %v", err)
	}
}

func TestBaselineRefusesAFileOfAnotherKind(t *testing.T) {
	s := server(t)
	for name, text := range map[string]string{
		"text": "hello", "empty": "", "another JSON": `{"users": 3}`, "none in it": `{"baseline": {}}`, "two": `{"baseline":{"a":{"query":"q","value":1,"time":"2025-01-01T00:00:00Z","source":"s"}}} {}`,
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "b.json")
			if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			a := taking(t, s, path, map[string]string{"rate": "base_rate"}, time.Minute)
			before, err := a.Observe(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if _, err := a.Plan(before); err == nil || !strings.Contains(err.Error(), "name another file") {
				t.Errorf("planned over it: %v", err)
			}
		})
	}
}

func TestUndoKeepsABaselineThatSomebodyChanged(t *testing.T) {
	s := server(t)
	prom.set("base_kept", 1)
	shows(t, s, "base_kept", 1)
	path := filepath.Join(t.TempDir(), "b.json")
	a := taking(t, s, path, map[string]string{"kept": "base_kept"}, time.Minute)
	r := &record{}
	e := r.effect(t, a)
	if _, err := a.Apply(t.Context(), e); err != nil {
		t.Fatal(err)
	}
	e.Cursor = r.cursor
	if err := os.WriteFile(path, []byte("my notes"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := a.Undo(t.Context(), e); err == nil || !strings.Contains(err.Error(), "kept file "+path) {
		t.Errorf("undo says %v", err)
	}
	if raw, err := os.ReadFile(path); err != nil || string(raw) != "my notes" {
		t.Errorf("the file holds %q, %v", raw, err)
	}
}

func TestBaselineParamsAreRefused(t *testing.T) {
	for want, p := range map[string]baselineParams{
		"file: a file needs a name":           {Queries: map[string]string{"a": "up"}},
		"queries: there is no query":          {File: "f"},
		`queries: "A rate" is no name`:        {File: "f", Queries: map[string]string{"A rate": "up"}},
		"queries: the query of rate is empty": {File: "f", Queries: map[string]string{"rate": " "}},
		"within: a distance is not negative":  {},
		"":                                    {File: "f", Queries: map[string]string{"ingest-p99": "up"}},
	} {
		err := p.Validate()
		if strings.HasPrefix(want, "within") {
			minus := runbook.Percent(-1)
			err = nearParams{Within: &minus}.Validate()
		}
		if got := fmt.Sprint(err); got != want && (err != nil || want != "") {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
