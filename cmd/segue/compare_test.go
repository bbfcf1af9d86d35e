package main

import (
	"bytes"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/segue-run/segue/compare/comparetest"
)

func answered(t *testing.T, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	var out, errs bytes.Buffer
	code = run(t.Context(), args, nil, &out, &errs, hooks{})
	return out.String(), errs.String(), code
}

func written(t *testing.T, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "runbook.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func comparison(t *testing.T, p *comparetest.Pair) string {
	t.Helper()
	return written(t, fmt.Sprintf(`
segue: v1
name: compare
checks:
  same:
    http.compare:
        legacy: %s
        new: %s
        requests: [/robots as /api/v2/robots, /health]
        runs: 10
%s
phases:
  - name: one
    require: [same]
`, p.Legacy.URL, p.New.URL, comparetest.Rules))
}

func TestCompareReports(t *testing.T) {
	fault := func(path string, body map[string]any, _ http.Header) int {
		if path == "/robots" {
			body["count"] = "<b>8|9</b>"
		}
		return 0
	}
	dir := t.TempDir()
	html, md, js := filepath.Join(dir, "r.html"), filepath.Join(dir, "r.md"), filepath.Join(dir, "r.json")
	file := comparison(t, comparetest.Start(t, 8, fault))
	out, errs, code := answered(t, "compare", file, "same", "--iterations", "30", "--report", html, "--report", md, "--report", js)
	if code != codeFailed {
		t.Fatalf("code %d: %s%s", code, out, errs)
	}
	for file, want := range map[string][]string{
		html: {`<span class="fail">fail</span>`, "<code>count</code>", "&lt;b&gt;8|9&lt;/b&gt;", "GET /health"},
		md:   {"# same: fail", "` count `", `8\|9`, "## Noise"},
		js:   {`"judged": "difference"`, `"wanted": 60`},
	} {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, w := range want {
			if !strings.Contains(string(text), w) {
				t.Errorf("%s has no %q:\n%s", file, w, text)
			}
		}
	}
	if !strings.Contains(out, "# same: fail") {
		t.Errorf("it prints %q", out)
	}
}

func TestCompareOfEqualSystemsIsDone(t *testing.T) {
	file := comparison(t, comparetest.Start(t, 8, nil))
	if out, errs, code := answered(t, "compare", file, "--runs", "400"); code != codeDone {
		t.Errorf("code %d: %s%s", code, out, errs)
	}
}

func TestCompareRefuses(t *testing.T) {
	file := comparison(t, comparetest.Start(t, 1, nil))
	none := written(t, "segue: v1\nname: none\nchecks:\n  up: {http: {url: \"http://127.0.0.1:1\"}}\nphases:\n  - {name: one, require: [up]}\n")
	for want, args := range map[string][]string{
		"no check \"other\" of kind http.compare; there is same": {file, "other"},
		"no check of kind http.compare":                          {none},
		"write a file that ends in .html, .md or .json":          {file, "--report", "r.pdf"},
		"runs: that cannot be asked":                             {file, "--runs", "-1"},
	} {
		if _, errs, code := answered(t, append([]string{"compare"}, args...)...); code != codeUsage || !strings.Contains(errs, want) {
			t.Errorf("%v: code %d, %s", args, code, errs)
		}
	}
}
