package announce_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/segue-run/segue/announce"
)

func facts() announce.Facts {
	at := time.Date(2025, 10, 1, 4, 5, 0, 0, time.FixedZone("", 2*3600))
	return announce.Facts{
		Runbook: "aa", Status: "In Progress", Mark: "🔄", Started: announce.At(at),
		Phase: announce.Phase{Name: "vendor", Number: 2, Took: announce.Took(12*time.Minute+40*time.Second, "12m40s")}, Phases: 4,
		Issues: announce.Lines{"guard lag fired", "step x failed"},
	}
}

func compile(t testing.TB, text string) *announce.Template {
	t.Helper()
	c, errs := announce.Compile(text, func(s string, _ int) (string, bool) {
		return strings.ReplaceAll(s, "${team}", "{{ops}} {"), true
	})
	if len(errs) > 0 {
		t.Fatalf("%s: %v", text, errs)
	}
	return c
}

func TestATemplateIsFilled(t *testing.T) {
	for text, want := range map[string]string{
		"{{.Mark}} {{.Status}}":                                              "🔄 In Progress",
		"{{.Phase.Number}}/{{.Phases}} {{.Phase.Name}}":                      "2/4 vendor",
		"{{.Phase.Took}} {{.Phase.Took.Minutes}}":                            "12m40s 13",
		"{{.Started}} {{.Started.Format \"15:04\"}}":                         "2025-10-01 02:05 UTC 02:05",
		"{{.Ended}}, {{.Next.In}}, {{.Next.In.Minutes}}, {{.Next.At.Known}}": "not known, not known, not known, false",
		"{{.Issues}}": "guard lag fired\nstep x failed",
		"{{range $i, $e := .Issues}}{{$i}}{{$e}};{{end}}{{range .Waits}}{{else}}none{{end}}":               "0guard lag fired;1step x failed;none",
		`{{figure "lag"}} {{verdict "lag"}} {{figure "rate"}} {{verdict "rate"}}`:                          "3 pending pass unknown (it was not asked) unknown",
		`{{input "date"}} ${team}{{.Runbook}} {{"${team}"}}`:                                               "today {{ops}} {aa {{ops}} {",
		"{{$x := .Phase}}{{$x = .Phase}}{{$x.Name}} $1 {{with $x.Name}}{{.}}{{end}}":                       "vendor $1 vendor",
		"{{$x := \"a\"}}{{if .Phases}}{{$x = .Phase}}{{end}}{{$x.Name}}":                                   "vendor",
		"{{if .Issues}}{{(index .Issues 0) | printf \"%s!\"}}{{end}} {{slice .Runbook 1}} {{len .Issues}}": "guard lag fired! a 2",
		"a {{- /* said to nobody */ -}} b {{- .Runbook -}} {":                                              "ab" + "aa{",
		"{ {{- .Runbook}}": "{aa",
		"{{if eq .Phase.Number 1}}one{{else if gt .Phases 3}}many{{else}}few{{end}}": "many",
	} {
		c := compile(t, text)
		if e := c.DryRun(func(string) string { return "x" }); e != nil {
			t.Errorf("%s: %v", text, e)
		}
		got, err := announce.Fill(c.Text, facts(), map[string]string{"date": "today"}, map[string]announce.Figure{"lag": {Text: "3 pending", Verdict: "pass"}})
		if err != nil || got != want {
			t.Errorf("%s\n became %q (%v)\n   want %q", text, got, err, want)
		}
	}
}

func TestWhatATemplateNamesIsKnownBeforeItIsFilled(t *testing.T) {
	c := compile(t, "a\nΩ {{if false}}{{figure \"one\"}}{{end}} {{verdict `two`}} {{printf \"%s\" (input \"three\")}}")
	want := []announce.Ref{{"figure", "one", 2, 24}, {"verdict", "two", 2, 49}, {"input", "three", 2, 78}}
	if d := cmp.Diff(want, c.Refs); d != "" {
		t.Error(d)
	}
}

// Templates are finite: what cannot be bounded is refused, in a branch that is
// never taken too.
func TestATemplateEnds(t *testing.T) {
	for _, text := range []string{
		"{{range 999999999999}}{{end}}", "{{range .Phases}}{{end}}", "{{range $i := 99999999}}{{end}}",
		"{{define \"a\"}}{{template \"a\"}}{{end}}{{template \"a\"}}", "{{block \"a\" .}}{{end}}", "{{template \"a\"}}",
		"{{range .Issues}}{{range $.Issues}}{{range $.Issues}}{{end}}{{end}}{{end}}",
		"{{js .Status}}", "{{call .Status}}", strings.Repeat("x", announce.MaxText+1),
	} {
		if c, errs := announce.Compile("{{if false}}"+text+"{{end}}", nil); c != nil || len(errs) == 0 {
			t.Errorf("%s was taken", text)
		}
	}
	doubling := "{{$x := \"xxxxxxxxxxxxxxxx\"}}" + strings.Repeat("{{$x = printf \"%s%s\" $x $x}}", 60)
	if e := compile(t, doubling).DryRun(nil); e == nil || !strings.Contains(e.Problem, "bytes come of it") {
		t.Errorf("%v", e)
	}
}

// What compiled compiles again, and comes to the same: the text that a runbook
// keeps is the template that was checked.
func TestTheTextOfATemplateIsTheTemplate(t *testing.T) {
	piece := rapid.SampledFrom([]string{
		"{", "}", " ", "\n", "-", "{{.Status}}", "{{- .Status -}}", "{{if .Issues}}", "{{else}}", "{{else if .Why}}", "{{end}}", "{{range .Issues}}", "{{.}}", "{{with .Next}}",
		"{{$x := 1}}", "{{$x}}", "${team}", "{{\"${team}\"}}", "{{`{{`}}", "{{/* c */}}", "{{break}}", "{{figure \"a\" | printf \"%q\"}}", "text",
	})
	taken := 0
	rapid.Check(t, func(t *rapid.T) {
		text := strings.Join(rapid.SliceOfN(piece, 0, 12).Draw(t, "pieces"), "")
		fill := func(s string, _ int) (string, bool) { return strings.ReplaceAll(s, "${team}", "{{x}} {"), true }
		once, errs := announce.Compile(text, fill)
		if len(errs) > 0 {
			return
		}
		twice, errs := announce.Compile(once.Text, nil)
		if len(errs) > 0 {
			t.Fatalf("%q does not compile: %v", once.Text, errs)
		}
		a, errA := announce.Fill(once.Text, facts(), nil, nil)
		b, errB := announce.Fill(twice.Text, facts(), nil, nil)
		if a != b || (errA == nil) != (errB == nil) {
			t.Fatalf("%q and %q", a, b)
		}
		if !strings.Contains(text, "${team}") {
			if c, err := announce.Fill(text, facts(), nil, nil); err != nil || c != a {
				t.Fatalf("%q as written comes to %q, and compiled to %q (%v)", text, c, a, err)
			}
		}
		taken++
	})
	if taken == 0 {
		t.Error("no template was right")
	}
}

func FuzzCompile(f *testing.F) {
	for _, text := range []string{"{{.Status}}", "{{range $i, $e := .Issues}}{{$e}}{{end}}", "{{with $x := .Next}}{{$x.In.Minutes}}{{end}}", "{{define \"a\"}}{{end}}", "{{(.Phase).Name | print 1 2}}", "{{figure \"a\"}}{{break}}", "{{nil}}{{1i}}{{'a'}}{{true}}"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		c, errs := announce.Compile(text, nil)
		if (c == nil) == (len(errs) == 0) {
			t.Fatalf("%v and %v", c, errs)
		}
		for _, e := range errs {
			if e.Line < 1 || e.Column < 1 || e.Problem == "" || e.Remedy == "" {
				t.Errorf("%+v", e)
			}
		}
		if c != nil && c.DryRun(func(string) string { return "x" }) == nil {
			if _, err := announce.Fill(c.Text, announce.Facts{Issues: announce.Lines{"an issue"}}, nil, nil); err != nil && !strings.Contains(err.Error(), "index") && !strings.Contains(err.Error(), "slice") {
				t.Errorf("it was dry-run, and then %v", err)
			}
		}
	})
}
