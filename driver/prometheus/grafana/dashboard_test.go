package grafana

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/segue-run/segue/runbook"
)

var update = flag.Bool("update", false, "write the golden file anew")

func sample() runbook.Dashboard {
	warn, alarm := 0.001, 0.01
	return runbook.Dashboard{
		UID: "migration-canary", Title: "Migration", Description: "All of it.", Tags: []string{"lekiwi"}, Range: time.Hour, Refresh: 5 * time.Second,
		Panels: []runbook.Panel{
			{Title: "Errors", As: "graph", Unit: "percentunit", Warn: &warn, Alarm: &alarm, Width: 12, Height: 8, Queries: []runbook.PanelQuery{{Query: `sum(rate(bad{a=~"5.."}[5m])) / sum(rate(all[5m]))`, Legend: "{{system}}"}, {Query: "vector(1)"}}},
			{Title: "Share", As: "gauge", Width: 12, Height: 4, Queries: []runbook.PanelQuery{{Query: "split"}}},
			{Title: "Rows", As: "number", Width: 6, Height: 4, SQL: "select count(*) from t"},
			{Title: "Worst", As: "table", Width: 24, Height: 8, Queries: []runbook.PanelQuery{{Query: "topk(3, all)"}}},
			{Title: "Up", As: "bars", Width: 6, Height: 8, Queries: []runbook.PanelQuery{{Query: "up"}}},
		},
	}
}

func TestADashboardIsAsGrafanaWantsIt(t *testing.T) {
	got, err := Dashboard(sample())
	if err != nil {
		t.Fatal(err)
	}
	const golden = "testdata/dashboard.json"
	if *update {
		if err := os.WriteFile(golden, got, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("%s is not what is written (%v): go test -update, and review the difference", golden, err)
	}
	var d struct {
		Panels []struct {
			Type    string
			GridPos struct{ X, Y, W, H int }
		}
	}
	if err := json.Unmarshal(got, &d); err != nil {
		t.Fatal(err)
	}
	for i, p := range d.Panels {
		if p.Type == "" || p.GridPos.X+p.GridPos.W > gridWidth {
			t.Errorf("panel %d: %+v", i, p)
		}
		for j, q := range d.Panels[:i] {
			a, b := p.GridPos, q.GridPos
			if a.X < b.X+b.W && b.X < a.X+a.W && a.Y < b.Y+b.H && b.Y < a.Y+a.H {
				t.Errorf("panels %d and %d lie upon each other", i, j)
			}
		}
	}
}

func TestWhatADashboardAsksFor(t *testing.T) {
	got, err := Metrics(sample())
	if err != nil || !slices.Equal(got, []string{"all", "bad", "split", "up"}) {
		t.Errorf("%v, %v", got, err)
	}
}

func TestPromQLThatDoesNotParseIsRefusedWithItsPlace(t *testing.T) {
	d := sample()
	d.Panels[1].Queries[0] = runbook.PanelQuery{Query: "sum(rate(x[5m])", Pos: runbook.Pos{File: "r.yaml", Line: 7, Column: 3}}
	_, err := Dashboard(d)
	if err == nil || !strings.HasPrefix(err.Error(), `r.yaml:7:3: panel "Share" of dashboard migration-canary: `) {
		t.Errorf("%v", err)
	}
	if _, err := Metrics(d); err == nil {
		t.Error("its metrics are known")
	}
}
