// Command tally reads what `go test -json` says, prints it for people, and
// counts it for machines.
//
//	go test -json ./... | go run ./script/tally counts.json
//
// It prints a line for each package and, for what failed, all it said. The
// counts of passed, failed and skipped tests, subtests included, are written
// to the file. A package that fails without a test that does (it does not
// build, it panics, it was killed) counts as one failure.
package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
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
}

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: go test -json … | tally FILE")
		os.Exit(2)
	}
	c, err := tally(os.Stdin, os.Stdout)
	if err == nil {
		var raw []byte
		if raw, err = json.Marshal(c); err == nil {
			err = os.WriteFile(os.Args[1], append(raw, '\n'), 0o644) //nolint:gosec // counts are no secret
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

// tally counts what comes in and says it in short. Lines that are no events
// (of make, say) go out as they are.
func tally(in io.Reader, out io.Writer) (Counts, error) {
	t := teller{out: out, said: map[string]*strings.Builder{}, failed: map[string]bool{}, begun: map[string]bool{}}
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
			return t.counts, fmt.Errorf("read the tests' events: %w", err)
		}
	}
	for name := range t.begun { // its end was never told
		fmt.Fprintf(out, "FAIL\t%s: it did not end\n%s", name, t.saidBy(name))
		t.counts.Failed++
	}
	return t.counts, nil
}

type teller struct {
	out    io.Writer
	counts Counts
	said   map[string]*strings.Builder // package, or package and test → output
	failed map[string]bool             // packages with a test that failed
	begun  map[string]bool             // packages that have not ended
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
			t.failed[ev.Package] = true
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
		if !t.failed[ev.Package] {
			t.counts.Failed++
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
