package notify

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/segue-run/segue/driver"
	"github.com/segue-run/segue/runbook"
)

const stakeholders = `notify:
  - {on: chat, to: ["#a", "#b"], about: [phase]}
  - {on: chat, to: ["#a"], severity: P1}
  - {on: other, to: ["#all"], every: 30m, template: status}
  - {on: pager, severity: P2}`

func alerted(t *testing.T, routes string) *runbook.Runbook {
	t.Helper()
	rb, err := runbook.Parse("r.yaml", []byte(head+routes+tail), &outlets{}, runbook.Values{})
	if err != nil {
		t.Fatal(err)
	}
	return rb
}

// Everybody whom a route names is told, whatever it is about, once and at once:
// one who hangs holds up nobody, and what fails is tried again.
func TestAnAlertGoesToEverybody(t *testing.T) {
	t.Setenv("PAGER_KEY", "a key")
	synctest.Test(t, func(t *testing.T) {
		drivers := &outlets{}
		drivers.named("other").hang = true
		drivers.named("chat").fails = func(try int, _ driver.Notice) error {
			if try <= 3 {
				return &driver.Undelivered{Err: errors.New("busy"), After: 5 * time.Second}
			}
			return nil
		}
		begun := time.Now()
		told, err := (&Post{Drivers: drivers}).Alert(t.Context(), alerted(t, stakeholders), "dora", "CRITICAL: it fails\nWe go back.", 30*time.Second)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, a := range told {
			what := a.To + ": told"
			if a.Err != nil {
				what = a.To + ": not"
			}
			got = append(got, what)
		}
		want(t, "told", got, []string{"chat #a: told", "chat #b: told", "other #all: not", "pager: told"})
		if took := time.Since(begun); took != 30*time.Second {
			t.Errorf("it took %s, for the one who hangs", took)
		}
		all := drivers.named("chat").all()
		if len(all) != 2 {
			t.Fatalf("the chat heard %d", len(all))
		}
		for _, h := range all {
			if h.Title != "CRITICAL: it fails" || h.Severity != "P1" || !strings.HasPrefix(h.Text, "We go back.\n\nmoving, told by dora\n") || !strings.Contains(h.Text, "on-call: Ada Lind +49 30 23125 101") {
				t.Errorf("told: %+v", h)
			}
			if late := h.when.Sub(begun); late > 15*time.Second {
				t.Errorf("%s was told after %s", h.to, late)
			}
		}
		paged := drivers.named("pager").all()
		if len(paged) != 1 || paged[0].Turn != driver.Opens || paged[0].Incident == "" || !paged[0].when.Equal(begun) {
			t.Errorf("the pager: %+v", paged)
		}
	})
}

func TestAnAlertThatCannotBeGiven(t *testing.T) {
	drivers := &outlets{}
	drivers.named("chat").fails = func(int, driver.Notice) error {
		return &driver.Undelivered{Err: errors.New("no such channel"), Never: true}
	}
	told, err := (&Post{Drivers: drivers}).Alert(t.Context(), alerted(t, everything), "dora", "help", time.Minute)
	if err != nil || !slices.ContainsFunc(told, func(a Announced) bool { return a.Err != nil }) {
		t.Errorf("refused for good: %+v, %v", told, err)
	}
	for text, routes := range map[string]string{"\n": everything, "help": ""} {
		if _, err := (&Post{Drivers: drivers}).Alert(t.Context(), alerted(t, routes), "dora", text, time.Minute); err == nil {
			t.Errorf("%q to %q is given", text, routes)
		}
	}
}
