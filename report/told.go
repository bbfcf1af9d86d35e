package report

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/segue-run/segue/state"
)

// beside is what a face says of fields that another does not have.
func beside(face, of state.Face) state.Face {
	out := state.Face{}
	for id, fields := range face {
		for name, v := range fields {
			if _, known := of[id][name]; known {
				continue
			}
			if out[id] == nil {
				out[id] = state.Fields{}
			}
			out[id][name] = v
		}
	}
	if len(out) == 0 {
		return nil
	}
	return out
}

// told shows what steps have counted, such as a handover's ledger.
func (p *page) told(r *Report) {
	first := true
	say := func(step, when string, told state.Face) {
		for _, id := range slices.Sorted(maps.Keys(told)) {
			for _, field := range slices.Sorted(maps.Keys(told[id])) {
				if first {
					p.section("What the steps counted")
					first = false
				}
				p.say("### %s: %s%s\n", step, field, when)
				p.say("Of %s.\n", code(id))
				p.figures(told[id][field])
			}
		}
	}
	for _, s := range r.Steps {
		for _, a := range s.Attempts {
			say(s.ID, nth(a.Attempt), a.Told)
		}
		for _, rb := range r.Rollbacks {
			for _, u := range rb.Undos {
				if u.Step == s.ID {
					say(s.ID, ", on the way back", u.Told)
				}
			}
		}
	}
}

// figures shows a value as a list, and objects of objects in it as tables.
func (p *page) figures(raw json.RawMessage) {
	var list []any
	if json.Unmarshal(raw, &list) == nil {
		for _, v := range list {
			p.say("- %s", escape(plain(v)))
		}
		p.say("")
		return
	}
	var object map[string]any
	if json.Unmarshal(raw, &object) != nil || object["$sealed"] != nil {
		p.say("%s\n", escape(value(raw)))
		return
	}
	for _, name := range slices.Sorted(maps.Keys(object)) {
		rows, ok := object[name].(map[string]any)
		if !ok || !tabular(rows) {
			p.say("- %s: %s", escape(strings.ReplaceAll(name, "_", " ")), escape(plain(object[name])))
			continue
		}
		p.say("")
		p.rows(name, rows)
		p.say("")
	}
	p.say("")
}

// tabular reports whether each row has cells.
func tabular(rows map[string]any) bool {
	for _, row := range rows {
		if cells, ok := row.(map[string]any); !ok || len(cells) == 0 {
			return false
		}
	}
	return len(rows) > 0
}

func (p *page) rows(name string, rows map[string]any) {
	columns := map[string]bool{}
	for _, row := range rows {
		cells, _ := row.(map[string]any)
		for column := range cells {
			columns[column] = true
		}
	}
	head := slices.Sorted(maps.Keys(columns))
	t := table{append([]string{name}, head...)}
	for _, id := range slices.Sorted(maps.Keys(rows)) {
		cells, _ := rows[id].(map[string]any)
		line := []string{id}
		for _, column := range head {
			line = append(line, plain(cells[column]))
		}
		t.row(line...)
	}
	p.table(t)
}

func plain(v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case string:
		return v
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64)
	}
	raw, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprint(v)
	}
	return string(raw)
}
