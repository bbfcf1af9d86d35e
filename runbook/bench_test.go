package runbook_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/segue-run/segue/runbook"
)

// thousandSteps is a runbook of a hundred phases with ten steps each.
func thousandSteps() []byte {
	var b strings.Builder
	b.WriteString("segue: v1\nname: thousand\ninputs:\n  soak: {type: duration, default: 30m}\n")
	b.WriteString("connections:\n  bus: {nats: {url: \"${NATS_URL}\"}}\n  db: {postgres: {url: \"${DATABASE_URL}\"}}\nchecks:\n")
	for i := range 100 {
		fmt.Fprintf(&b, "  healthy-%d: {nats.healthy: {on: bus, nodes: 3}}\n", i)
		fmt.Fprintf(&b, "  stored-%d: {sql: {on: db, query: select 1 as n, expect: \"rows.size() == 1 && rows[0].n == %d\"}}\n", i, i)
	}
	b.WriteString("guards:\n  - {check: healthy-0, fails-for: 30s, do: rollback}\nphases:\n")
	for i := range 100 {
		fmt.Fprintf(&b, "  - name: phase-%d\n    require: [healthy-%d]\n    steps:\n", i, i)
		for j := range 10 {
			fmt.Fprintf(&b, "      - name: Create stream %d of phase %d\n        nats.stream: {on: bus, name: \"AA_%d_${soak}\", subjects: [a.>, b.>], max-age: 14d, max-bytes: 2GB, replicas: 3}\n", j, i, j)
			if j > 0 {
				fmt.Fprintf(&b, "        needs: [Create stream %d of phase %d]\n", j-1, i)
			}
		}
		fmt.Fprintf(&b, "    gate: {hold: [healthy-%d, stored-%d], for: $soak, deadline: 2h}\n", i, i)
	}
	return []byte(b.String())
}

func BenchmarkThousandSteps(b *testing.B) {
	src, cat := thousandSteps(), newFakeCatalog()
	b.SetBytes(int64(len(src)))
	for b.Loop() {
		rb, err := runbook.Parse("thousand.yaml", src, cat, runbook.Values{})
		if err != nil {
			b.Fatal(err)
		}
		runbook.Lint(rb)
	}
}

func TestAThousandStepsParseInASecond(t *testing.T) {
	src := thousandSteps()
	start := time.Now()
	rb, err := runbook.Parse("thousand.yaml", src, newFakeCatalog(), runbook.Values{})
	if err != nil {
		t.Fatal(err)
	}
	if took := time.Since(start); took > 5*time.Second { // five times the promise: the machine may be busy, or racing
		t.Errorf("it took %s", took)
	}
	if n := len(rb.Phases); n != 100 || len(rb.Phases[99].Steps) != 10 {
		t.Errorf("%d phases", n)
	}
}

func TestHostileFilesEnd(t *testing.T) {
	var names, wrong strings.Builder
	names.WriteString("segue: v1\nname: x\nchecks:\n")
	for i := range 4_000 {
		fmt.Fprintf(&names, "  c%d-abcdefghijklmnop: {nats.healty: {}}\n", i)
	}
	wrong.WriteString("segue: v1\nname: x\nphases:\n  - name: a\n    gate: {for: 1m, hold: [")
	for i := range 15_000 {
		fmt.Fprintf(&wrong, "abcdefgh%d,", i)
	}
	wrong.WriteString("]}\n")
	big := "segue: v1\nname: x\ninputs:\n  a: {type: string, default: " + strings.Repeat("x", 60_000) + "}\nphases:\n  - name: a\n    description: \"" + strings.Repeat("${a}", 50_000) + "\"\n"
	for name, src := range map[string]string{
		"unknown kinds": names.String(), "unknown checks": wrong.String(), "an input filled in often": big,
		"nested flow": strings.Repeat("[", 100_000), "nested block": strings.Repeat("- ", 100_000), "too long": strings.Repeat("#", 2<<20),
		"many keys": "segue: v1\n" + strings.Repeat("? a\n", 50_000), "quotes": strings.Repeat("\"", 1<<18), "anchors": strings.Repeat("&a ", 80_000),
		"expressions": "segue: v1\nname: x\nconnections: {db: {postgres: {url: x}}}\nphases: []\nchecks:\n" + manyExpressions(),
		"templates":   "segue: v1\nname: x\ninputs: {a: {type: string, default: b}}\nphases: []\ntemplates:\n" + manyTemplates(),
	} {
		start := time.Now()
		_, err := runbook.Parse("x.yaml", []byte(src), newFakeCatalog(), runbook.Values{})
		if err == nil {
			t.Errorf("%s: taken", name)
		}
		took := time.Since(start)
		if took > 10*time.Second {
			t.Errorf("%s took %s", name, took)
		}
		t.Logf("%s: %s, %.100s", name, took, err)
	}
}

func manyExpressions() string {
	var b strings.Builder
	for i := range 3500 {
		fmt.Fprintf(&b, "  c%d: {sql: {on: db, query: q, expect: \"rows.size() == %d && rows[0].a == 3\"}}\n", i, i)
	}
	return b.String()
}

// manyTemplates are some that are as slow as a template can be.
func manyTemplates() string {
	var b strings.Builder
	for i, piece := range []string{
		"{{$x := printf \"%200000d\" 1}}", "${a}\n", "{{.Statas}}\n", "{{if .Issues}}", "{{range .Issues}}{{range $.Waits}}{{.}}{{end}}{{end}}", "{{with $y := .Next}}", "{{(((((.Why)))))}}", "{{input \"a\"}}\n",
	} {
		text := strings.Repeat(piece, 60_000/len(piece))
		if strings.Contains(piece, "if") || strings.Contains(piece, "with") {
			text += strings.Repeat("{{end}}", strings.Count(text, "{{"))
		}
		fmt.Fprintf(&b, "  t%d: |\n    %s\n", i, strings.ReplaceAll(strings.TrimSpace(text), "\n", "\n    "))
	}
	return b.String()
}
