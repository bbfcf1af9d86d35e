// Command tally runs tests that speak `go test -json`, prints what they say for
// people, and counts it for machines.
//
//	tally [-again FLAGS] FILE COMMAND…
//
// It prints a line for each package and, for what failed, all it said. The
// counts of passed, failed and skipped tests, subtests included, are written
// to the file. A package that fails without a test that does (it does not
// build, it panics, it was killed) counts as one failure, and so does a command
// that fails though no test did.
//
// With -again a few tests that failed beside all others are run once more, by
// `go test FLAGS`, alone. Those that pass then are counted, and named, as flaky:
// they are faults too, of the test or of what it tests, but no reason to hold up
// everybody's work. Data races and panics are not asked again.
package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
)

// An event is one line of `go test -json` (go doc test2json).
type event struct {
	Action     string
	Package    string
	ImportPath string // of a build's output
	Test       string
	Elapsed    float64
	Output     string
}

// Counts are what is written to the file.
type Counts struct {
	Passed  int `json:"passed"`
	Failed  int `json:"failed"`
	Skipped int `json:"skipped"`
	Flaky   int `json:"flaky"` // failed first, and passed alone
}

func main() {
	again := flag.String("again", "", "run what failed once more, with these flags of go test")
	flag.Parse()
	if flag.NArg() < 2 {
		fmt.Fprintln(os.Stderr, "usage: tally [-again FLAGS] FILE COMMAND…")
		os.Exit(2)
	}
	c, failed, err := run(exec.Command(flag.Arg(1), flag.Args()[2:]...), os.Stdout) //nolint:gosec // it is for running that
	if err == nil && *again != "" {
		err = askAgain(&c, failed, goTest(strings.Fields(*again), os.Stdout), os.Stdout)
	}
	if err == nil {
		var raw []byte
		if raw, err = json.Marshal(c); err == nil {
			err = os.WriteFile(flag.Arg(0), append(raw, '\n'), 0o644) //nolint:gosec // counts are no secret
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "tally:", err)
		os.Exit(1)
	}
	if c.Failed > 0 {
		os.Exit(1)
	}
}

// run counts what a command says.
func run(cmd *exec.Cmd, out io.Writer) (Counts, failures, error) {
	cmd.Stderr = os.Stderr
	said, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		return Counts{}, failures{}, fmt.Errorf("run %s: %w", cmd, err)
	}
	c, failed, err := tally(said, out)
	if ended := cmd.Wait(); ended != nil && c.Failed == 0 {
		fmt.Fprintf(out, "FAIL\t%s: %v\n", cmd, ended)
		c.Failed++
	}
	return c, failed, err
}

// tally counts what comes in and says it in short. Lines that are no events
// (of make, say) go out as they are.
func tally(in io.Reader, out io.Writer) (Counts, failures, error) {
	t := teller{out: out, said: map[string]*strings.Builder{}, begun: map[string]bool{}}
	lines := bufio.NewReader(in)
	for {
		line, err := lines.ReadString('\n')
		if text := strings.TrimSpace(line); text != "" {
			var ev event
			if !strings.HasPrefix(text, "{") || json.Unmarshal([]byte(text), &ev) != nil || ev.Action == "" {
				fmt.Fprintln(out, text)
			} else {
				t.take(ev)
			}
		}
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return t.counts, t.failed, fmt.Errorf("read the tests' events: %w", err)
		}
	}
	for name := range t.begun { // its end was never told
		fmt.Fprintf(out, "FAIL\t%s: it did not end\n%s", name, t.saidBy(name))
		t.counts.Failed++
		t.failed.final = true
	}
	return t.counts, t.failed, nil
}

type teller struct {
	out    io.Writer
	counts Counts
	said   map[string]*strings.Builder // package, or package and test → output
	failed failures
	begun  map[string]bool // packages that have not ended
}

func (t *teller) take(ev event) {
	key := ev.Package
	if ev.Test != "" {
		key += " " + ev.Test
	}
	switch ev.Action {
	case "start":
		t.begun[ev.Package] = true
	case "output":
		t.keep(key, ev.Output)
		if strings.HasPrefix(ev.Output, "WARNING: DATA RACE") || strings.HasPrefix(ev.Output, "panic: ") || strings.HasPrefix(ev.Output, "fatal error: ") {
			t.failed.final = true
		}
	case "build-output":
		fmt.Fprint(t.out, ev.Output)
	case "pass", "fail", "skip":
		text := t.saidBy(key)
		if ev.Test == "" {
			t.ended(ev, text)
			return
		}
		switch ev.Action {
		case "pass":
			t.counts.Passed++
		case "skip":
			t.counts.Skipped++
		case "fail":
			t.counts.Failed++
			t.failed.add(ev.Package, ev.Test)
			fmt.Fprintf(t.out, "--- %s %s\n%s", ev.Package, ev.Test, text)
		}
	}
}

// ended takes the end of a package.
func (t *teller) ended(ev event, text string) {
	delete(t.begun, ev.Package)
	switch ev.Action {
	case "fail":
		fmt.Fprintf(t.out, "FAIL\t%s\t%.1fs\n", ev.Package, ev.Elapsed)
		if len(t.failed.tests[ev.Package]) == 0 {
			t.counts.Failed++
			t.failed.final = true
			fmt.Fprint(t.out, text)
			for key := range t.said { // a test that was cut off
				if strings.HasPrefix(key, ev.Package+" ") {
					fmt.Fprintf(t.out, "--- %s\n%s", key, t.saidBy(key))
				}
			}
		}
	case "pass":
		fmt.Fprintf(t.out, "ok\t%s\t%.1fs\n", ev.Package, ev.Elapsed)
	}
}

func (t *teller) keep(key, text string) {
	b := t.said[key]
	if b == nil {
		b = &strings.Builder{}
		t.said[key] = b
	}
	const most = 256 << 10 // of what one test says
	if b.Len() < most {
		b.WriteString(text)
	}
}

// saidBy takes what was said out of the memory.
func (t *teller) saidBy(key string) string {
	b := t.said[key]
	delete(t.said, key)
	if b == nil {
		return ""
	}
	return b.String()
}
