package runbook_test

import (
	"os"
	"testing"
	"time"

	"github.com/segue-run/segue/runbook"
)

func TestTheExampleOfTheDesignParses(t *testing.T) {
	src, err := os.ReadFile("testdata/good/design.yaml")
	if err != nil {
		t.Fatal(err)
	}
	rb, err := runbook.Parse("design.yaml", src, newFakeCatalog(), runbook.Values{})
	if err != nil {
		t.Fatal(err)
	}
	gate := rb.Phases[0].Gate
	if gate.For != 30*time.Minute || gate.Every != 15*time.Second || gate.MaxGap != time.Minute || gate.Deadline != 2*time.Hour || gate.Then != runbook.Pause {
		t.Errorf("gate is %+v", gate)
	}
	t.Logf("%+v", rb.Phases[0])
	t.Logf("%+v", rb.Checks)
	t.Logf("%+v", rb.Guards)
	t.Log(runbook.Lint(rb))
}
