package docs_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v4"

	"github.com/segue-run/segue/backup"
	"github.com/segue-run/segue/compare"
	"github.com/segue-run/segue/datasync"
	"github.com/segue-run/segue/driver"
	"github.com/segue-run/segue/driver/exec"
	"github.com/segue-run/segue/driver/files"
	"github.com/segue-run/segue/driver/haproxy"
	"github.com/segue-run/segue/driver/host"
	"github.com/segue-run/segue/driver/nats"
	"github.com/segue-run/segue/driver/nginx"
	"github.com/segue-run/segue/driver/notify"
	"github.com/segue-run/segue/driver/postgres"
	"github.com/segue-run/segue/driver/process"
	"github.com/segue-run/segue/driver/prometheus"
	"github.com/segue-run/segue/driver/redis"
	"github.com/segue-run/segue/driver/web"
	"github.com/segue-run/segue/edge"
	"github.com/segue-run/segue/edge/shadow"
	"github.com/segue-run/segue/integrity"
	"github.com/segue-run/segue/load"
	"github.com/segue-run/segue/runbook"
)

// catalog is what cmd/segue builds in.
func catalog() *driver.Catalog {
	c := &driver.Catalog{}
	c.Add(slices.Concat(nats.Parts(), postgres.Parts(), redis.Parts(), prometheus.Parts(), web.Parts(), process.Parts(), exec.Parts(), files.Parts(), host.Parts(),
		edge.Parts(), haproxy.Parts(), nginx.Parts(), notify.Parts(), compare.Parts(), load.Parts(), shadow.Parts(), datasync.Parts(), integrity.Parts(), backup.Parts(nil))...)
	return c
}

// An example is a block fenced as "yaml segue". One that has the key segue is
// a runbook; any other holds top-level keys that take the place of those of
// the last runbook before it in the file.
type example struct {
	file string
	line int
	text string
}

var fence = regexp.MustCompile("(?ms)^```yaml segue\n(.*?)^```$")

func examples(file, text string) []example {
	var out []example
	for _, at := range fence.FindAllStringSubmatchIndex(text, -1) {
		out = append(out, example{file, 1 + strings.Count(text[:at[2]], "\n"), text[at[2]:at[3]]})
	}
	return out
}

func TestEveryExampleIsARunbook(t *testing.T) {
	var files []string
	for _, pattern := range []string{"*.md", "*/*.md", "../*.md"} {
		found, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, found...)
	}
	n := 0
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, problem := range lint(examples(file, string(text))) {
			t.Error(problem)
		}
		n += len(examples(file, string(text)))
	}
	if n < 5 {
		t.Fatalf("only %d examples were found in %v", n, files)
	}
}

func TestEveryRunbookOfTheExamplesIsRight(t *testing.T) {
	files, err := filepath.Glob("../examples/*/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.HasPrefix(text, []byte("segue: ")) && !bytes.Contains(text, []byte("\nsegue: ")) {
			continue // values, say
		}
		for _, problem := range judge(file, text) {
			t.Error(problem)
		}
		n++
	}
	if n == 0 {
		t.Fatal("no runbook was found")
	}
}

// TestTheCommittedSchemaIsTheCatalogs: `make schema` writes it anew, with the
// drivers of cmd/segue; so this also finds a driver that is built in and not
// known here.
func TestTheCommittedSchemaIsTheCatalogs(t *testing.T) {
	const file = "../schema/segue-v1.schema.json"
	want, err := runbook.Schema(catalog())
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(want, got) {
		a, b := strings.Split(string(want), "\n"), strings.Split(string(got), "\n")
		for i := range a {
			if i >= len(b) || a[i] != b[i] {
				t.Fatalf("%s:%d is not what the drivers say: %s (make schema writes it anew)", file, i+1, strings.TrimSpace(a[i]))
			}
		}
		t.Fatalf("%s says more than the drivers do (make schema writes it anew)", file)
	}
}

// TestWhatIsWrongIsFound is the negative control.
func TestWhatIsWrongIsFound(t *testing.T) {
	const whole = "```yaml segue\nsegue: v1\nname: a\nconnections:\n  bus: {nats: {url: \"nats://x\"}}\nchecks:\n  ok: {nats.healthy: {on: bus, nodes: 1}}\nphases:\n  - {name: one, require: [ok]}\n```\n"
	for name, c := range map[string]struct {
		text string
		want string // "" for none
	}{
		"a whole one":               {whole, ""},
		"a misspelt key":            {strings.Replace(whole, "require", "requires", 1), "requires"},
		"a kind that is not":        {strings.Replace(whole, "nats.healthy", "nats.wealthy", 1), "nats.wealthy"},
		"what is not used":          {strings.Replace(whole, ", require: [ok]", ", approve: {count: 1}", 1), "ok"},
		"a part":                    {whole + "```yaml segue\nphases:\n  - {name: two, require: [ok]}\n```\n", ""},
		"a part that is wrong":      {whole + "```yaml segue\nphases:\n  - {name: two, require: [no]}\n```\n", "no check is called no"},
		"a part without a whole":    {"```yaml segue\nphases: []\n```\n", "before it"},
		"a fence that is not Segue": {"```yaml\nphases: nonsense\n```\n", ""},
	} {
		t.Run(name, func(t *testing.T) {
			got := strings.Join(lint(examples("x.md", c.text)), "\n")
			if (c.want == "") != (got == "") || !strings.Contains(got, c.want) {
				t.Errorf("found %q, want %q", got, c.want)
			}
		})
	}
}

// lint judges a file's examples.
func lint(list []example) []string {
	var out []string
	var whole map[string]yaml.Node
	for _, e := range list {
		var keys map[string]yaml.Node
		if err := yaml.Unmarshal([]byte(e.text), &keys); err != nil {
			out = append(out, fmt.Sprintf("%s:%d: %v", e.file, e.line, err))
			continue
		}
		name := fmt.Sprintf("%s (example on line %d)", e.file, e.line)
		if _, ok := keys["segue"]; ok {
			whole = keys
			out = append(out, judge(name, []byte(e.text))...)
			continue
		}
		if whole == nil {
			out = append(out, name+": there is no whole runbook before it")
			continue
		}
		merged := map[string]yaml.Node{}
		for _, m := range []map[string]yaml.Node{whole, keys} {
			for k, v := range m {
				merged[k] = v
			}
		}
		text, err := yaml.Marshal(merged)
		if err != nil {
			out = append(out, fmt.Sprintf("%s: %v", name, err))
			continue
		}
		if _, err := runbook.Parse(name, text, catalog(), runbook.Values{Samples: true}); err != nil {
			out = append(out, err.Error())
		}
	}
	return out
}

// judge lists a runbook's errors, or else its warnings.
func judge(file string, text []byte) []string {
	rb, err := runbook.Parse(file, text, catalog(), runbook.Values{Samples: true})
	if err != nil {
		return []string{err.Error()}
	}
	var out []string
	for _, w := range runbook.Lint(rb) {
		out = append(out, w.String())
	}
	return out
}
