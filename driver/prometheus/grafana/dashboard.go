// Package grafana writes the dashboards of a runbook in the form that Grafana
// imports, and knows which metrics they ask for.
package grafana

import (
	"encoding/json"
	"fmt"
	"slices"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/promql/parser"

	"github.com/segue-run/segue/runbook"
)

// The form of Grafana's dashboards, as far as Segue writes it.
// See https://grafana.com/docs/grafana/latest/dashboards/build-dashboards/view-dashboard-json-model/.
type dashboard struct {
	UID           string     `json:"uid"`
	Title         string     `json:"title"`
	Description   string     `json:"description,omitempty"`
	Tags          []string   `json:"tags"`
	Timezone      string     `json:"timezone"`
	Refresh       string     `json:"refresh"`
	SchemaVersion int        `json:"schemaVersion"`
	Time          span       `json:"time"`
	Templating    templating `json:"templating"`
	Panels        []panel    `json:"panels"`
}

type span struct {
	From string `json:"from"`
	To   string `json:"to"`
}

type templating struct {
	List []variable `json:"list"`
}

// A variable lets whoever imports the dashboard choose its data source.
type variable struct {
	Name  string `json:"name"`
	Label string `json:"label"`
	Type  string `json:"type"`
	Query string `json:"query"`
}

type source struct {
	Type string `json:"type"`
	UID  string `json:"uid"`
}

type panel struct {
	ID          int         `json:"id"`
	Type        string      `json:"type"`
	Title       string      `json:"title"`
	Description string      `json:"description,omitempty"`
	DataSource  source      `json:"datasource"`
	GridPos     gridPos     `json:"gridPos"`
	Targets     []target    `json:"targets"`
	FieldConfig fieldConfig `json:"fieldConfig"`
}

type gridPos struct {
	H int `json:"h"`
	W int `json:"w"`
	X int `json:"x"`
	Y int `json:"y"`
}

type target struct {
	RefID      string `json:"refId"`
	DataSource source `json:"datasource"`
	Expr       string `json:"expr,omitempty"`
	Legend     string `json:"legendFormat,omitempty"`
	Instant    bool   `json:"instant,omitempty"`
	RawSQL     string `json:"rawSql,omitempty"`
	RawQuery   bool   `json:"rawQuery,omitempty"`
	Format     string `json:"format,omitempty"`
}

type fieldConfig struct {
	Defaults  defaults `json:"defaults"`
	Overrides []string `json:"overrides"`
}

type defaults struct {
	Unit       string      `json:"unit,omitempty"`
	Thresholds *thresholds `json:"thresholds,omitempty"`
}

type thresholds struct {
	Mode  string `json:"mode"`
	Steps []step `json:"steps"`
}

type step struct {
	Color string   `json:"color"`
	Value *float64 `json:"value"` // null: from the least on
}

const (
	schemaVersion = 39 // of Grafana 10 and later
	gridWidth     = 24
)

// panelType is what Grafana calls a form.
var panelType = map[string]string{"graph": "timeseries", "number": "stat", "gauge": "gauge", "table": "table", "bars": "bargauge"}

// Dashboard is a dashboard of a runbook as Grafana imports it. Its PromQL must
// parse.
func Dashboard(d runbook.Dashboard) ([]byte, error) {
	out := dashboard{
		UID: d.UID, Title: d.Title, Description: d.Description, Tags: append([]string{"segue"}, d.Tags...), Timezone: "utc",
		Refresh: model.Duration(d.Refresh).String(), SchemaVersion: schemaVersion,
		Time: span{"now-" + model.Duration(d.Range).String(), "now"},
	}
	metrics, rows := source{"prometheus", "${metrics}"}, source{"grafana-postgresql-datasource", "${rows}"}
	out.Templating.List = []variable{{"metrics", "Prometheus", "datasource", metrics.Type}}
	if slices.ContainsFunc(d.Panels, func(p runbook.Panel) bool { return p.SQL != "" }) {
		out.Templating.List = append(out.Templating.List, variable{"rows", "PostgreSQL", "datasource", rows.Type})
	}
	x, y, high := 0, 0, 0
	for i, p := range d.Panels {
		if x+p.Width > gridWidth {
			x, y, high = 0, y+high, 0
		}
		one := panel{
			ID: i + 1, Type: panelType[p.As], Title: p.Title, Description: p.Description, DataSource: metrics,
			GridPos:     gridPos{p.Height, p.Width, x, y},
			FieldConfig: fieldConfig{Defaults: defaults{p.Unit, bounds(p)}, Overrides: []string{}},
		}
		x, high = x+p.Width, max(high, p.Height)
		if p.SQL != "" {
			one.DataSource = rows
			one.Targets = []target{{RefID: "A", DataSource: rows, RawSQL: p.SQL, RawQuery: true, Format: "table"}}
		}
		for j, q := range p.Queries {
			if _, err := parser.NewParser(parser.Options{}).ParseExpr(q.Query); err != nil {
				return nil, fmt.Errorf("%s: panel %q of dashboard %s: %w", q.Pos, p.Title, d.UID, err)
			}
			t := target{RefID: refID(j), DataSource: metrics, Expr: q.Query, Legend: q.Legend, Instant: p.As != "graph"}
			if p.As == "table" {
				t.Format = "table"
			}
			one.Targets = append(one.Targets, t)
		}
		out.Panels = append(out.Panels, one)
	}
	raw, err := json.MarshalIndent(out, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("write dashboard %s: %w", d.UID, err)
	}
	return append(raw, '\n'), nil
}

// refID names a panel's queries as Grafana does: A, B, …, Z, A1.
func refID(i int) string {
	name := string(rune('A' + i%26))
	if i >= 26 {
		name += fmt.Sprint(i / 26)
	}
	return name
}

// bounds are the colours of a panel's numbers; nil for none.
func bounds(p runbook.Panel) *thresholds {
	if p.Warn == nil && p.Alarm == nil {
		return nil
	}
	t := &thresholds{Mode: "absolute", Steps: []step{{Color: "green"}}}
	if p.Warn != nil {
		t.Steps = append(t.Steps, step{"yellow", p.Warn})
	}
	if p.Alarm != nil {
		t.Steps = append(t.Steps, step{"red", p.Alarm})
	}
	return t
}

// Metrics are the names of all that a dashboard's PromQL asks for.
func Metrics(d runbook.Dashboard) ([]string, error) {
	var out []string
	for _, p := range d.Panels {
		for _, q := range p.Queries {
			expr, err := parser.NewParser(parser.Options{}).ParseExpr(q.Query)
			if err != nil {
				return nil, fmt.Errorf("%s: panel %q of dashboard %s: %w", q.Pos, p.Title, d.UID, err)
			}
			parser.Inspect(expr, func(n parser.Node, _ []parser.Node) error {
				if v, ok := n.(*parser.VectorSelector); ok && !slices.Contains(out, v.Name) {
					out = append(out, v.Name)
				}
				return nil
			})
		}
	}
	slices.Sort(out)
	return out, nil
}
