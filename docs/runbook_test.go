package docs_test

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/segue-run/segue/runbook"
)

// commandLines are what an operator had to type, in order: the lines of fences
// of shell, PromQL and SQL, put together where one goes on in the next.
func commandLines(text string) []string {
	var out []string
	var open bool
	var buf string
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		switch {
		case strings.HasPrefix(line, "```"):
			open, buf = !open && slices.Contains([]string{"```bash", "```promql", "```sql"}, line), ""
		case !open || buf == "" && (line == "" || line[0] == '#'):
		default:
			buf = strings.TrimSpace(buf + " " + line)
			if rest, more := strings.CutSuffix(buf, `\`); more {
				buf = strings.TrimSpace(rest)
			} else if !quoting(buf) {
				out, buf = append(out, buf), ""
			}
		}
	}
	return out
}

// quoting reports whether a text ends within quotes.
func quoting(text string) bool {
	var in rune
	for _, c := range text {
		switch {
		case in == 0 && (c == '"' || c == '\''):
			in = c
		case c == in:
			in = 0
		}
	}
	return in != 0
}

// A row of the page: a command line, and what does it now.
type row struct{ command, now string }

var rowForm = regexp.MustCompile("(?m)^\\| `((?:[^`]|\\\\\\|)+)` \\| (.+) \\|$")

func rowsOf(page string) []row {
	var out []row
	for _, m := range rowForm.FindAllStringSubmatch(page, -1) {
		out = append(out, row{strings.ReplaceAll(m[1], `\|`, "|"), m[2]})
	}
	return out
}

func TestEveryCommandLineOfTheSeedHasARow(t *testing.T) {
	commands, rows := commandLines(read(t, "../examples/athlete-ally/seed.md")), rowsOf(read(t, "runbooks/athlete-ally.md"))
	if len(commands) < 100 {
		t.Fatalf("only %d command lines were found in the seed", len(commands))
	}
	for i, c := range commands {
		if i >= len(rows) || rows[i].command != c {
			t.Fatalf("row %d is not about %q", i+1, c)
		}
	}
	if len(rows) > len(commands) {
		t.Errorf("the page has %d rows for %d command lines", len(rows), len(commands))
	}
}

func TestWhatTheRowsNameIsThere(t *testing.T) {
	const file = "../examples/athlete-ally/runbook.yaml"
	rb, err := runbook.Parse(file, []byte(read(t, file)), catalog(), runbook.Values{Samples: true})
	if err != nil {
		t.Fatal(err)
	}
	green, err := runbook.Parse(file, []byte(read(t, file)), catalog(), runbook.Values{Samples: true, Set: []string{"deployment=blue-green"}})
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range rowsOf(read(t, "runbooks/athlete-ally.md")) {
		for _, problem := range unknown(r, rb, green) {
			t.Errorf("%s: %s", r.command, problem)
		}
	}
	// The negative control: what is not there is found.
	for _, now := range []string{"check `no-such`", "step `core/no-such`", "guard `no-such`", "`segue nosuch`", "`nats.nosuch`"} {
		if len(unknown(row{"x", now}, rb, green)) == 0 {
			t.Errorf("%s passes", now)
		}
	}
}

var spans = regexp.MustCompile("`([^`]+)`")

// unknown lists what a row names and nobody has.
func unknown(r row, books ...*runbook.Runbook) (out []string) {
	if system, _, _ := strings.Cut(r.command, " "); (system == "kubectl" || system == "aws") && !strings.HasPrefix(r.now, "open ("+system+")") {
		out = append(out, "there is no driver for it yet, and the row does not say so")
	}
	for _, m := range spans.FindAllStringSubmatch(r.now, -1) {
		if name := m[1]; !known(name, books) {
			out = append(out, fmt.Sprintf("there is no %q", name))
		}
	}
	return out
}

// known: a step, check, guard, connection, input or target of the runbook, a
// kind, a command, or a name of the environment.
func known(name string, books []*runbook.Runbook) bool {
	words := strings.Fields(name)
	switch {
	case words[0] == "segue":
		return len(words) > 1 && slices.Contains([]string{"check", "doctor", "plan", "report", "rollback", "watch", "why"}, words[1]) && namesRight(words[1:], books[0])
	case words[0] == "athlete-ally", strings.ToUpper(name) == name, strings.HasSuffix(words[0], ":"):
		return true
	}
	if _, ok := catalog().Kind(runbook.Action, name); ok {
		return true
	}
	for _, rb := range books {
		if _, ok := rb.Step(name); ok {
			return true
		}
		if _, ok := rb.Check(name); ok {
			return true
		}
		if slices.ContainsFunc(rb.Connections, func(c runbook.Conn) bool { return c.Name == name }) ||
			slices.ContainsFunc(rb.Inputs, func(i runbook.Input) bool { return i.Name == name }) {
			return true
		}
	}
	return false
}

// namesRight looks at what a command line of segue names.
func namesRight(words []string, rb *runbook.Runbook) bool {
	if words[0] != "rollback" || len(words) < 2 {
		return true
	}
	_, target := rb.Target(words[1])
	return target || rb.Phase(words[1]) >= 0
}

func read(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
