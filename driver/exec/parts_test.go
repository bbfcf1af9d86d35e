package exec

import (
	"testing"

	"github.com/segue-run/segue/driver"
	"github.com/segue-run/segue/driver/drivertest"
	"github.com/segue-run/segue/evidence"
)

const asWritten = `
segue: v1
name: all-of-exec
checks:
  uname: {exec.check: {argv: [uname, -s], exit: 0, expect: 'output == "Linux"', timeout: 5s}}
phases:
  - name: one
    steps:
      - name: Turn the flag on
        exec:
          do: [sh, -c, 'printf "%s" "$SEGUE_WANT" > flag']
          undo: [sh, -c, 'printf "%s" "$SEGUE_BEFORE" > flag']
          observe: [cat, flag]
          want: "on"
          dir: "${DIR}"
          env: {ROLE: canary}
          timeout: 10s
      - name: Throw it away
        point-of-no-return: true
        approve: {roles: [owner]}
        exec.irreversible:
          do: [rm, flag]
          observe: [ls]
          want: ""
          dir: "${DIR}"
          loses: the flag
`

func TestPartsWorkAsWritten(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "off")
	made := drivertest.Make(t, asWritten, map[string]string{"DIR": dir}, Parts()...)
	if r := made.Checks["uname"].Read(t.Context()); r.Verdict != evidence.Pass {
		t.Errorf("uname: %+v", r)
	}
	for _, name := range []string{"Turn the flag on", "Throw it away"} {
		action := made.Actions[name]
		before, err := action.Observe(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		want, err := action.Plan(before)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := action.Apply(t.Context(), driver.Effect{Before: before, Want: want, Mine: func() error { return nil }}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}
