package runbook_test

import (
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/segue-run/segue/runbook"
)

// fakeCatalog describes a few kinds as real drivers would.
type fakeCatalog map[runbook.Class]map[string]runbook.Kind

func (c fakeCatalog) Kinds(class runbook.Class) []runbook.Kind {
	var out []runbook.Kind
	for _, name := range slices.Sorted(maps.Keys(c[class])) {
		out = append(out, c[class][name])
	}
	return out
}

func (c fakeCatalog) Kind(class runbook.Class, name string) (runbook.Kind, bool) {
	k, ok := c[class][name]
	return k, ok
}

func field(name string, t runbook.Type) runbook.Field {
	return runbook.Field{Name: name, Type: t, Doc: "The " + name + "."}
}

func must(f runbook.Field) runbook.Field { f.Required = true; return f }

func of(f runbook.Field, elem runbook.Type) runbook.Field { f.Elem = elem; return f }

func newFakeCatalog() fakeCatalog {
	const (
		str  = runbook.String
		list = runbook.List
	)
	c := fakeCatalog{runbook.Connection: {}, runbook.Action: {}, runbook.Check: {}}
	add := func(class runbook.Class, k runbook.Kind, fields ...runbook.Field) {
		if k.Doc == "" {
			k.Doc = "The " + k.Name + " " + string(class) + "."
		}
		k.Fields = fields
		c[class][k.Name] = k
	}
	conn, act, chk := runbook.Connection, runbook.Action, runbook.Check
	add(conn, runbook.Kind{Name: "nats", Provides: []string{"messages"}}, must(field("url", str)), field("system", str), field("timeout", runbook.Duration))
	add(conn, runbook.Kind{Name: "postgres", Provides: []string{"rows"}}, must(field("url", str)))
	add(conn, runbook.Kind{Name: "prometheus"}, must(field("url", str)))
	add(conn, runbook.Kind{Name: "process"}, must(field("api", str)))
	add(conn, runbook.Kind{Name: "slack", Provides: []string{"notices"}, Address: "slack", Reaches: reachesChannels}, field("room", str))
	add(conn, runbook.Kind{Name: "smtp", Provides: []string{"notices"}, Address: "email", Reaches: reachesMailboxes}, must(field("from", str)))
	add(conn, runbook.Kind{Name: "pagerduty", Provides: []string{"notices", "incidents"}, Reaches: reachesNobody}, must(field("key", str)))

	compression := field("compression", str)
	compression.Enum = []string{"none", "s2"}
	add(act, runbook.Kind{Name: "nats.stream", On: "nats", Validate: closedXorSubjects},
		must(field("name", str)), field("closed", runbook.Bool), of(field("subjects", list), str), field("max-age", runbook.Duration),
		field("max-bytes", runbook.Size), field("replicas", runbook.Int), compression)
	add(act, runbook.Kind{Name: "nats.handover", On: "nats", Resumable: true},
		must(of(field("subjects", list), str)), must(field("from", str)), must(field("to", str)), of(field("consumers", list), str))
	add(act, runbook.Kind{Name: "nats.purge", On: "nats", Irreversible: true}, must(field("stream", str)), field("subject", str))
	add(act, runbook.Kind{Name: "process.env", On: "process"}, must(field("name", str)), must(of(field("set", runbook.Map), str)))
	add(act, runbook.Kind{Name: "exec"},
		must(of(field("run", list), str)), must(of(field("undo", list), str)), field("stdin", runbook.Any))
	add(act, runbook.Kind{Name: "nginx.split"}, must(field("new", runbook.Percentage)), field("weight", runbook.Number))

	needs := func(f runbook.Field, what string) runbook.Field { f.Needs = what; return f }
	add(act, runbook.Kind{Name: "web.probe"}, must(field("url", str)), needs(field("bus", runbook.ConnRef), "messages"),
		needs(field("db", runbook.ConnRef), "rows"), needs(field("metrics", runbook.ConnRef), "numbers"), field("any", runbook.ConnRef))

	tables := runbook.PlaceKind{Fields: []runbook.Field{must(field("table", str)), of(field("key", list), str)}, Validate: func(p runbook.Params) error {
		if p["table"] == "pg_class" {
			return &runbook.FieldError{Field: "table", Problem: "it is the server's own", Remedy: "read another"}
		}
		return nil
	}}
	add(conn, runbook.Kind{Name: "sheet", Provides: []string{"records"}, Places: map[string]runbook.PlaceKind{"records": tables}}, must(field("url", str)))
	add(conn, runbook.Kind{Name: "tape", Provides: []string{"records"}})
	read := must(field("read", runbook.Place))
	read.Of = "from"
	add(act, runbook.Kind{Name: "transcribe"}, must(needs(field("from", runbook.ConnRef), "records")), read)

	expect := must(field("expect", runbook.Expression))
	expect.Vars = []string{"rows"}
	add(chk, runbook.Kind{Name: "nats.healthy", On: "nats"}, field("nodes", runbook.Int))
	add(chk, runbook.Kind{Name: "nats.flow", On: "nats"}, must(field("stream", str)), must(field("consumer", str)))
	add(chk, runbook.Kind{Name: "nats.lag", On: "nats"}, must(field("stream", str)), must(field("consumer", str)), must(field("below", runbook.Int)))
	add(chk, runbook.Kind{Name: "ratio", On: "prometheus"}, must(field("bad", str)), must(field("total", str)), must(field("below", runbook.Percentage)))
	add(chk, runbook.Kind{Name: "sql", On: "postgres"}, must(field("query", str)), of(field("args", list), runbook.Any), expect)
	web := field("expect", runbook.Expression)
	web.Vars = []string{"status", "body"}
	add(chk, runbook.Kind{Name: "web"}, must(field("url", str)), field("status", runbook.Int), of(field("headers", runbook.Map), str), web, field("within", runbook.Duration))
	add(chk, runbook.Kind{Name: "all"}, must(of(field("checks", list), runbook.CheckRef)))
	return c
}

func closedXorSubjects(p runbook.Params) error {
	if p["closed"] == true && p["subjects"] != nil {
		return &runbook.FieldError{Field: "subjects", Problem: "a closed stream owns no subjects", Remedy: "remove closed or subjects"}
	}
	if age := p.Duration("max-age", time.Hour); age < time.Second {
		return &runbook.FieldError{Field: "max-age", Problem: "it is shorter than a second", Remedy: "write a longer one"}
	}
	if s, _ := p["name"].(string); strings.Contains(s, " ") {
		return &runbook.FieldError{Field: "name", Problem: "a stream's name has no spaces", Remedy: "write AA_DLQ"}
	}
	return nil
}

func reachesChannels(p runbook.Params, to []string) error {
	if p["room"] == nil && len(to) == 0 {
		return &runbook.FieldError{Field: "to", Problem: "it is not said in which room", Remedy: "write to: [#room]"}
	}
	for _, a := range to {
		if !strings.HasPrefix(a, "#") {
			return &runbook.FieldError{Field: "to", Problem: a + " is no room", Remedy: "write #room"}
		}
	}
	return nil
}

func reachesMailboxes(_ runbook.Params, to []string) error {
	for _, a := range append([]string{"a@b"}, to...) {
		if !strings.Contains(a, "@") {
			return &runbook.FieldError{Field: "to", Problem: a + " is no mailbox", Remedy: "write name@host"}
		}
	}
	if len(to) == 0 {
		return &runbook.FieldError{Field: "to", Problem: "it is not said to whom", Remedy: "write to: [name@host]"}
	}
	return nil
}

func reachesNobody(_ runbook.Params, to []string) error {
	if len(to) > 0 {
		return &runbook.FieldError{Field: "to", Problem: "it knows whom it tells", Remedy: "leave it out"}
	}
	return nil
}
