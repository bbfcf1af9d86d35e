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
// of shell, PromQL and SQL, put together where one goes on in the next. A query
// of SQL goes on to its semicolon.
func commandLines(text string) []string {
	var out []string
	var open, sql bool
	var buf string
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		switch {
		case strings.HasPrefix(line, "```"):
			open, buf = !open && slices.Contains([]string{"```bash", "```promql", "```sql"}, line), ""
			sql = line == "```sql"
		case !open || buf == "" && (line == "" || line[0] == '#'):
		default:
			buf = strings.TrimSpace(buf + " " + line)
			if rest, more := strings.CutSuffix(buf, `\`); more {
				buf = strings.TrimSpace(rest)
			} else if !quoting(buf) && (!sql || strings.HasSuffix(buf, ";")) {
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

// A page is about the old runbook of an example.
type page struct {
	example string
	least   int        // command lines that the seed has
	sets    [][]string // inputs under which all of the runbook is there
}

func pages() []page {
	return []page{
		{"athlete-ally", 100, [][]string{nil, {"deployment=blue-green"}}},
		{"lekiwi", 90, [][]string{nil}},
	}
}

func TestEveryCommandLineOfTheSeedHasARow(t *testing.T) {
	for _, p := range pages() {
		t.Run(p.example, func(t *testing.T) {
			commands, rows := commandLines(read(t, "../examples/"+p.example+"/seed.md")), rowsOf(read(t, "runbooks/"+p.example+".md"))
			if len(commands) < p.least {
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
		})
	}
}

func TestWhatTheRowsNameIsThere(t *testing.T) {
	for _, p := range pages() {
		t.Run(p.example, func(t *testing.T) {
			file := "../examples/" + p.example + "/runbook.yaml"
			var books []*runbook.Runbook
			for _, set := range p.sets {
				rb, err := runbook.Parse(file, []byte(read(t, file)), catalog(), runbook.Values{Samples: true, Set: set})
				if err != nil {
					t.Fatal(err)
				}
				books = append(books, rb)
			}
			for _, r := range rowsOf(read(t, "runbooks/"+p.example+".md")) {
				for _, problem := range unknown(r, books...) {
					t.Errorf("%s: %s", r.command, problem)
				}
			}
			// The negative control: what is not there is found.
			for _, now := range []string{"check `no-such`", "step `core/no-such`", "guard `no-such`", "`segue nosuch`", "`nats.nosuch`", "`segue rollback nosuch`", "`segue check x.yaml no-such`", "`segue doctor x.yaml no-such`"} {
				if len(unknown(row{"x", now}, books...)) == 0 {
					t.Errorf("%s passes", now)
				}
			}
			if len(unknown(row{"docker-compose up", "check"}, books...)) == 0 {
				t.Error("a command of docker-compose passes that is not said to be open")
			}
		})
	}
}

var spans = regexp.MustCompile("`([^`]+)`")

// open are the systems that no driver speaks to, by the programs of their
// commands. What runs in a container is done by docker.
func open(command string) string {
	program, rest, _ := strings.Cut(command, " ")
	switch {
	case program == "kubectl", program == "aws", program == "docker-compose":
		return program
	case program == "docker" && !strings.HasPrefix(rest, "exec postgres ") && !strings.HasPrefix(rest, "exec redis "):
		return "docker-compose"
	}
	return ""
}

// unknown lists what a row names and nobody has.
func unknown(r row, books ...*runbook.Runbook) (out []string) {
	if system := open(r.command); system != "" && !strings.HasPrefix(r.now, "open ("+system+")") {
		out = append(out, "there is no driver for it yet, and the row does not say so")
	}
	for _, m := range spans.FindAllStringSubmatch(r.now, -1) {
		if name := m[1]; !known(name, books) {
			out = append(out, fmt.Sprintf("there is no %q", name))
		}
	}
	return out
}

// known: a step, check, guard, connection or input of the runbook, a kind, a
// command, or a name of the environment.
func known(name string, books []*runbook.Runbook) bool {
	words := strings.Fields(name)
	switch {
	case words[0] == "segue":
		return len(words) > 1 && namesRight(words[1:], books[0])
	case words[0] == "athlete-ally", words[0] == "lekiwi", strings.ToUpper(name) == name, strings.HasSuffix(words[0], ":"):
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
		if slices.ContainsFunc(rb.Guards, func(g runbook.Guard) bool { return g.Name == name }) ||
			slices.ContainsFunc(rb.Connections, func(c runbook.Conn) bool { return c.Name == name }) ||
			slices.ContainsFunc(rb.Inputs, func(i runbook.Input) bool { return i.Name == name }) {
			return true
		}
	}
	return false
}

// namesRight looks at a command line of segue, and at what it names.
func namesRight(words []string, rb *runbook.Runbook) bool {
	command, names := words[0], words[1:]
	check := func(name string) bool { _, ok := rb.Check(name); return ok }
	switch command {
	case "alert", "plan", "report", "run", "status", "watch", "why":
		return true
	case "rollback":
		if len(names) == 0 {
			return true
		}
		_, target := rb.Target(names[0])
		return target || rb.Phase(names[0]) >= 0
	case "check", "compare", "load": // RUNBOOK NAME
		return len(names) < 2 || names[1] == "NAME" || check(names[1])
	case "doctor":
		return len(names) < 2 || slices.ContainsFunc(rb.Doctor, func(d runbook.Trouble) bool { return d.Name == names[1] })
	}
	return false
}

func read(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
