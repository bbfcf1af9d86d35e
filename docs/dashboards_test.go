package docs_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/segue-run/segue/driver/prometheus/grafana"
	"github.com/segue-run/segue/runbook"
)

// TestDashboardsAskForWhatIsThere: the PromQL of every dashboard of the examples
// parses, and asks for nothing that no service of the same example exports.
func TestDashboardsAskForWhatIsThere(t *testing.T) {
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
		if !strings.Contains(string(text), "\ndashboards:") {
			continue
		}
		rb, err := runbook.Parse(file, text, catalog(), runbook.Values{Samples: true})
		if err != nil {
			t.Fatal(err)
		}
		exported := metricsOf(t, filepath.Dir(file))
		if len(exported) < 10 {
			t.Fatalf("only %d metrics were found beside %s: %v", len(exported), file, exported)
		}
		for _, problem := range unasked(rb.Dashboards, exported) {
			t.Errorf("%s: %s", file, problem)
		}
		n += len(rb.Dashboards)
	}
	if n == 0 {
		t.Error("no dashboard was found")
	}
}

// The control: what nobody exports is found, and so is what does not parse.
func TestDashboardsThatAskForWhatIsNotThereAreFound(t *testing.T) {
	panel := func(query string) runbook.Dashboard {
		return runbook.Dashboard{UID: "d", Panels: []runbook.Panel{{Title: "p", As: "graph", Queries: []runbook.PanelQuery{{Query: query}}}}}
	}
	exported := metricsOf(t, "../examples/athlete-ally")
	for query, want := range map[string]int{
		"normalize_hrv_messages_total": 0, "normalize_processing_seconds_bucket": 0, "up": 0,
		"normalize_hrv_message_total": 1, "http_requests_total": 1, "sum(up": 1,
	} {
		if got := unasked([]runbook.Dashboard{panel(query)}, exported); len(got) != want {
			t.Errorf("%s: %v", query, got)
		}
	}
}

func unasked(dashboards []runbook.Dashboard, exported []string) (problems []string) {
	for _, d := range dashboards {
		names, err := grafana.Metrics(d)
		if err != nil {
			problems = append(problems, err.Error())
			continue
		}
		if _, err := grafana.Dashboard(d); err != nil {
			problems = append(problems, err.Error())
		}
		for _, name := range names {
			if !slices.Contains(exported, name) && !slices.Contains(exported, series.ReplaceAllString(name, "")) {
				problems = append(problems, fmt.Sprintf("dashboard %s asks for %s, which no service exports", d.UID, name))
			}
		}
	}
	return problems
}

// series is what a histogram adds to its name.
var series = regexp.MustCompile(`_(bucket|sum|count)$`)

var metricName = regexp.MustCompile(`^[a-z][a-z0-9]*(_[a-z0-9]+)+$`)

// metricsOf are the metrics that the services of an example register: the names
// in what they hand to client_golang, and those that each process and each scrape
// have.
func metricsOf(t *testing.T, dir string) []string {
	t.Helper()
	out := []string{"up", "process_resident_memory_bytes", "process_cpu_seconds_total", "go_goroutines"}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		if !slices.ContainsFunc(f.Imports, func(i *ast.ImportSpec) bool { return strings.Contains(i.Path.Value, "prometheus/client_golang") }) {
			return nil
		}
		ast.Inspect(f, func(n ast.Node) bool {
			for _, e := range named(n) {
				if lit, ok := e.(*ast.BasicLit); ok && lit.Kind == token.STRING {
					if name, err := strconv.Unquote(lit.Value); err == nil && metricName.MatchString(name) {
						out = append(out, name)
					}
				}
			}
			return true
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// named are the expressions that may name a metric: Name in options, the first
// argument of what makes a description or hands one on, and rows of a table.
func named(n ast.Node) []ast.Expr {
	switch n := n.(type) {
	case *ast.KeyValueExpr:
		if k, ok := n.Key.(*ast.Ident); ok && k.Name == "Name" {
			return []ast.Expr{n.Value}
		}
	case *ast.CompositeLit:
		return n.Elts
	case *ast.CallExpr:
		if len(n.Args) > 1 {
			return n.Args[:1]
		}
	}
	return nil
}
