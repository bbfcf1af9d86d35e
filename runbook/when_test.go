package runbook_test

import (
	"strings"
	"testing"

	"github.com/segue-run/segue/runbook"
)

const conditional = `segue: v1
name: conditional
inputs:
  deployment: {type: string, enum: [rolling, blue-green]}
  unasked: {type: bool}
connections:
  bus: {nats: {url: "${NATS_URL}"}}
checks:
  only-blue: {nats.flow: {on: bus, stream: AA, consumer: c}}
guards:
  - {check: only-blue, do: rollback, to: first, from: last, when: {deployment: blue-green}}
phases:
  - name: first
    steps: [{name: Begin, nginx.split: {new: 1%}}]
  - name: clean-up
    when: {deployment: rolling}
    steps:
      - {name: Purge, nats.purge: {on: bus, stream: OLD}, point-of-no-return: true, approve: {count: 1}}
  - name: last
    steps:
      - {name: End, nginx.split: {new: 100%}, when: {unasked: true}}
`

func TestLintSeesWhatDependsOnInputsThatItDoesNotKnow(t *testing.T) {
	rb, err := runbook.Parse("x.yaml", []byte(conditional), newFakeCatalog(), runbook.Values{Samples: true})
	if err != nil {
		t.Fatal(err)
	}
	if len(rb.Phases) != 3 || len(rb.Guards) != 1 || len(rb.Phases[2].Steps) != 1 || len(rb.LeftOut) != 0 {
		t.Errorf("%d phases, %d guards, left out: %+v", len(rb.Phases), len(rb.Guards), rb.LeftOut)
	}
	if warnings := runbook.Lint(rb); len(warnings) != 0 {
		t.Errorf("%v", warnings)
	}
}

func TestWhatIsUsedOnlyInPartsThatAreLeftOutIsUsed(t *testing.T) {
	for _, set := range []string{"deployment=rolling", "deployment=blue-green"} {
		rb, err := runbook.Parse("x.yaml", []byte(conditional), newFakeCatalog(), runbook.Values{Set: []string{set, "unasked=false"}})
		if err != nil {
			t.Fatal(err)
		}
		if warnings := runbook.Lint(rb); len(warnings) != 0 {
			t.Errorf("%s: %v", set, warnings)
		}
		blue := strings.HasSuffix(set, "blue-green")
		if got := len(rb.Guards) == 1 && len(rb.Phases) == 2; got != blue {
			t.Errorf("%s: %d guards, %d phases", set, len(rb.Guards), len(rb.Phases))
		}
		if n := len(rb.Phases[len(rb.Phases)-1].Steps); n != 0 {
			t.Errorf("%s: the last phase has %d steps", set, n)
		}
	}
}
