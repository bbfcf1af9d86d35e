package process

import (
	"fmt"
	"strings"
	"testing"

	"github.com/segue-run/segue/driver/process/processtest"
)

// Each line is told once, of whichever process of a replica.
func TestFollowTellsEachLineOnce(t *testing.T) {
	t.Parallel()
	o := processtest.Start(t, processtest.Service(t, "web", 2, "RELEASE=v1")...)
	o.AwaitHealthy(t)
	c := connect(t, o)
	f := c.Follow()
	said := map[string]int{}
	until := func(want ...string) {
		t.Helper()
		processtest.Await(t, strings.Join(want, " and ")+" to be told", func() error {
			lines, err := f.Next(t.Context())
			if err != nil {
				return err
			}
			for _, l := range lines {
				said[l.Workload+": "+l.Text]++
				if l.Gap || strings.ContainsAny(l.Text, "\r\n") {
					t.Errorf("told %+v", l)
				}
			}
			for _, line := range want {
				if said[line] == 0 {
					return fmt.Errorf("%q was not told", line)
				}
			}
			return nil
		})
	}
	o.Say(t, "web-0", "the first")
	o.Say(t, "web-1", "the first")
	until("web-0: the first", "web-1: the first")
	o.Say(t, "web-0", "the second")
	until("web-0: the second")
	apply(t, restartOf(t, c, "web"))
	o.AwaitHealthy(t)
	o.Say(t, "web-1", "after a restart")
	until("web-1: after a restart")
	for line, n := range said {
		if n != 1 && strings.Contains(line, "the ") {
			t.Errorf("%q was told %d times", line, n)
		}
	}
}
