package files

import (
	"os/exec"
	"strings"
	"testing"
)

func setEnv(name, value string) envParams {
	return envParams{Set: map[string]string{name: value}}
}

func TestEnvChangesNothingElseAndComesBack(t *testing.T) {
	for _, c := range []struct {
		name         string
		before, want string
		p            envParams
	}{
		{"a bare value keeps its comment", "# x\nA=1 # why\nB=2\n", "# x\nA=7 # why\nB=2\n", setEnv("A", "7")},
		{"quotes stay", "A='1'\nB=\"2\"\n", "A='x y'\nB=\"it's\"\n", envParams{Set: map[string]string{"A": "x y", "B": "it's"}}},
		{"quotes come where they are needed", "A=1\nB=1\nC=1\n", "A='x y'\nB='$HOME'\nC=\"it's\"\n", envParams{Set: map[string]string{"A": "x y", "B": "$HOME", "C": "it's"}}},
		{"nothing", "A=1\n", "A=\n", setEnv("A", "")},
		{"where nothing is", "A=\nB=1\n", "A=x\nB=1\n", setEnv("A", "x")},
		{"where nothing but a comment is", "A= # x\nB=1\n", "A=y # x\nB=1\n", setEnv("A", "y")},
		{"export stays", "export A=1\n", "export A=2\nexport B=1\n", envParams{Set: map[string]string{"A": "2", "B": "1"}}},
		{"what is commented out is a comment", "#A=1\n# A=2\n", "#A=1\n# A=2\nA=3\n", setEnv("A", "3")},
		{"of several the last one counts", "A=1\nB=1\nA=2\n", "A=1\nB=1\nA=3\n", setEnv("A", "3")},
		{"a missing end of the last line stays missing", "A=1", "A=1\nB=2", setEnv("B", "2")},
		{"ends of lines as on Windows", "A=1\r\nB=2\r\n", "A=x\r\nB=2\r\nC=3\r\n", envParams{Set: map[string]string{"A": "x", "C": "3"}}},
		{"spaces around", "  A = 1 \n", "  A = 2 \n", setEnv("A", "2")},
		{"a hash within a value", "A=a#b\n", "A=c\n", setEnv("A", "c")},
		{"a value over lines is one", "A=\"x\nB=no\n\"\nB=1\n", "A=\"x\nB=no\n\"\nB=2\n", setEnv("B", "2")},
		{"a value over lines is replaced", "A='x\ny' # z\nB=1\n", "A='1' # z\nB=1\n", setEnv("A", "1")},
		{"a line that goes on is no variable", "X=a \\\nA=1\nA=2\n", "X=a \\\nA=1\nA=3\n", setEnv("A", "3")},
		{"what is escaped comes back as it was", "A=\"x\\\"\\$y\"\n", "A=\"z\"\n", setEnv("A", "z")},
		{"a line is taken out", "A=1\nB=2 # two\nC=3\n", "A=1\nC=3\n", envParams{Unset: []string{"B"}}},
		{"the last line is taken out", "A=1\nB=2", "A=1", envParams{Unset: []string{"B"}}},
		{"the only line is taken out", "A=1\n", "", envParams{Unset: []string{"A"}}},
		{"what is not there", "A=1\n", "A=2\n", envParams{Set: map[string]string{"A": "2"}, Unset: []string{"B"}}},
		{"other things are left alone", "A=1\nif x; then\n[section]\n=\nB\n\n", "A=2\nif x; then\n[section]\n=\nB\n\n", setEnv("A", "2")},
		{"an empty file", "", "A=1\n", setEnv("A", "1")},
		{"bytes that are not UTF-8 elsewhere", "# \xff\nA=1\n", "# \xff\nA=2\n", setEnv("A", "2")},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.p.Path = put(t, ".env", c.before)
			p := run(t, envOf(t, c.p))
			same(t, "applied", c.want, content(t, c.p.Path))
			p.undo()
			same(t, "undone", c.before, content(t, c.p.Path))
		})
	}
}

func TestEnvRefusesWithThePlace(t *testing.T) {
	for _, c := range []struct {
		name, text, want string
		p                envParams
	}{
		{"a value that goes on", "A=1\nB=x \\\n y\n", ":2:3: B: it goes on behind a backslash", setEnv("B", "2")},
		{"a quote that is not closed", "A='x\nB=1\n", ":1:3: A: its quote is not closed", setEnv("A", "2")},
		{"more behind the quotes", "A='x'y\n", ":1:3: A: something follows its quotes", setEnv("A", "2")},
		{"what is added to", "A+=x\n", ":1:4: A: it is added to with +=", setEnv("A", "2")},
		{"two lines of what is to be taken out", "A=1\nB=2\nA=3\n", ":3:1: A is given 2 times, first on line 1", envParams{Unset: []string{"A"}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.p.Path = put(t, ".env", c.text)
			_, err := planned(t, envOf(t, c.p))
			if err == nil || !strings.Contains(err.Error(), c.p.Path+c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
			same(t, "after the refusal", c.text, content(t, c.p.Path))
		})
	}
}

var awkward = []string{
	"", "x", "x y", " x ", "it's", `say "x"`, `a\b`, `a\nb`, "$HOME", "${HOME}", "`id`", "$(id)", "a#b", "a #b", "#a", "~", "~/x", "*", "a;b", "a&b", "a|b", "(a)", "!x",
	"a=b", "=", "%d", "é ü", "a\tb", `{"a": [1, 2]}`, "postgres://u:p@h/db?sslmode=disable&x=y", "nats://a:4222,nats://b:4222",
}

// TestShReadsBackWhatWasWritten: dotenv readers take single quotes literally
// too, and double quotes with nothing to expand or escape in them.
func TestShReadsBackWhatWasWritten(t *testing.T) {
	for _, was := range []string{"A=old\n", "A='old'\n", "A=\"old\"\n", "B=1\n"} {
		for _, value := range awkward {
			p := setEnv("A", value)
			p.Path = put(t, ".env", was)
			run(t, envOf(t, p))
			out, err := exec.CommandContext(t.Context(), "sh", "-c", `. "$1"; printf '%s.' "$A"`, "sh", p.Path).CombinedOutput()
			if err != nil || string(out) != value+"." {
				t.Errorf("sh reads %q of %q, want %q: %v", out, content(t, p.Path), value, err)
			}
		}
	}
}

func TestAValueThatHasNoQuotesForAllIsRefused(t *testing.T) {
	for _, value := range []string{"a\nb", "a\rb", `it's "x"`, `it's $x`, `a\\b`, `a\`} {
		err := setEnv("A", value).Validate()
		if err == nil || !strings.Contains(err.Error(), "the value of A") {
			t.Errorf("%q: %v", value, err)
		}
	}
}
