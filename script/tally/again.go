package main

import (
	"fmt"
	"io"
	"maps"
	"os/exec"
	"slices"
	"strings"
)

// mostAgain is how many tests may be asked again: where more fail it is not by
// chance.
const mostAgain = 3

// failures are what failed.
type failures struct {
	tests map[string][]string // by package, those without their subtests
	final bool                // some of it is no test, or nothing that may pass by chance
}

func (f *failures) add(pkg, test string) {
	if f.tests == nil {
		f.tests = map[string][]string{}
	}
	top, _, _ := strings.Cut(test, "/")
	if !slices.Contains(f.tests[pkg], top) {
		f.tests[pkg] = append(f.tests[pkg], top)
	}
}

func (f *failures) count() (n int) {
	for _, tests := range f.tests {
		n += len(tests)
	}
	return n
}

// askAgain has the tests that failed run by once, a package at a time, and
// counts as flaky what failed if all of them pass.
func askAgain(c *Counts, failed failures, once func(pkg, tests string) (Counts, error), out io.Writer) error {
	if c.Failed == 0 || failed.final || failed.count() > mostAgain {
		return nil
	}
	for _, pkg := range slices.Sorted(maps.Keys(failed.tests)) {
		tests := "^(" + strings.Join(failed.tests[pkg], "|") + ")$"
		fmt.Fprintf(out, "once more, alone: %s %s\n", pkg, tests)
		again, err := once(pkg, tests)
		if err != nil {
			return err
		}
		if again.Failed > 0 || again.Passed == 0 {
			return nil
		}
	}
	for _, pkg := range slices.Sorted(maps.Keys(failed.tests)) {
		fmt.Fprintf(out, "FLAKY\t%s %s\n", pkg, strings.Join(failed.tests[pkg], " "))
	}
	c.Flaky, c.Failed = failed.count(), 0
	return nil
}

// goTest runs tests of a package once more.
func goTest(flags []string, out io.Writer) func(pkg, tests string) (Counts, error) {
	return func(pkg, tests string) (Counts, error) {
		args := append([]string{"test", "-json", "-count=1", "-run", tests}, flags...)
		c, _, err := run(exec.Command("go", append(args, pkg)...), out) //nolint:gosec // it is for running that
		return c, err
	}
}
