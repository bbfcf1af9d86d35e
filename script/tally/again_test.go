package main

import (
	"io"
	"os/exec"
	"strings"
	"testing"
)

// Only what fails by chance, and is seldom, is flaky.
func TestAFewTestsThatFailAreAskedAgain(t *testing.T) {
	one := `{"Action":"start","Package":"p"}
		{"Action":"fail","Package":"p","Test":"A/sub"}
		{"Action":"fail","Package":"p","Test":"A"}
		{"Action":"fail","Package":"p"}`
	for name, c := range map[string]struct {
		events string
		again  Counts // what the tests say when they are run once more
		asked  string
		want   Counts
	}{
		"it passes":            {one, Counts{Passed: 2}, "p ^(A)$", Counts{Flaky: 1}},
		"it fails again":       {one, Counts{Passed: 1, Failed: 1}, "p ^(A)$", Counts{Failed: 2}},
		"nothing is run again": {one, Counts{}, "p ^(A)$", Counts{Failed: 2}},
		"nothing failed":       {`{"Action":"pass","Package":"p","Test":"A"}`, Counts{Passed: 1}, "", Counts{Passed: 1}},
		"a data race": {
			`{"Action":"output","Package":"p","Test":"A","Output":"WARNING: DATA RACE\n"}` + "\n" + one,
			Counts{Passed: 1},
			"",
			Counts{Failed: 2},
		},
		"a panic": {`{"Action":"output","Package":"p","Test":"A","Output":"panic: no\n"}` + "\n" + one, Counts{Passed: 1}, "", Counts{Failed: 2}},
		"a package that fails beside it": {one + `
			{"Action":"start","Package":"q"}
			{"Action":"fail","Package":"q"}`, Counts{Passed: 1}, "", Counts{Failed: 3}},
		"too many": {strings.ReplaceAll(`{"Action":"fail","Package":"p","Test":"A"}
			{"Action":"fail","Package":"p","Test":"B"}
			{"Action":"fail","Package":"q","Test":"A"}
			{"Action":"fail","Package":"q","Test":"B"}`, "\t", ""), Counts{Passed: 1}, "", Counts{Failed: 4}},
	} {
		t.Run(name, func(t *testing.T) {
			got, failed, err := tally(strings.NewReader(c.events), io.Discard)
			if err != nil {
				t.Fatal(err)
			}
			var asked []string
			err = askAgain(&got, failed, func(pkg, tests string) (Counts, error) {
				asked = append(asked, pkg+" "+tests)
				return c.again, nil
			}, io.Discard)
			if err != nil || strings.Join(asked, ", ") != c.asked || got != c.want {
				t.Errorf("asked %q and counted %+v, error %v; want %q and %+v", asked, got, err, c.asked, c.want)
			}
		})
	}
}

func TestACommandThatFailsWithoutATestIsAFailure(t *testing.T) {
	if c, _, err := run(exec.Command("false"), io.Discard); err != nil || c.Failed != 1 {
		t.Errorf("counted %+v, error %v", c, err)
	}
	if _, _, err := run(exec.Command("/no/such/command"), io.Discard); err == nil {
		t.Error("what is not there was run")
	}
}
