package runbook

var dashboardSection = &section{
	what: "a dashboard",
	doc:  "A Grafana dashboard.",
	keys: []key{
		textKey("title", "Its title.").required(),
		textKey("description", "What it is for."),
		namesKey("tags", "Its tags.", String),
		spanKey("range", "How far back it shows.", "1h"),
		spanKey("refresh", "How often it asks anew.", "10s"),
		partKey("panels", "Its panels, from left to right and from top to bottom.", formSubs, panelSection).required(),
		whenKey("The dashboard"),
	},
}

var panelSection = &section{
	what: "a panel",
	doc:  "A panel of a dashboard.",
	keys: []key{
		textKey("title", "Its title.").required(),
		textKey("description", "What it shows, and what is well."),
		oneOfKey("as", "What it looks like.", "graph", panelForms),
		textKey("query", "What it shows: PromQL."),
		textKey("legend", "What a series is called, with its labels: {{system}}."),
		partKey("queries", "What it shows, when that is several things.", formSubs, panelQuerySection),
		textKey("sql", "What it shows, asked of PostgreSQL instead."),
		textKey("unit", "The unit of its numbers, as Grafana calls it: percentunit, s, bytes, reqps."),
		{Field: Field{Name: "warn", Doc: "From here on a number is yellow.", Type: Number}},
		{Field: Field{Name: "alarm", Doc: "From here on a number is red.", Type: Number}},
		{Field: Field{Name: "width", Doc: "How wide it is, of 24.", Type: Int, Default: "12"}},
		{Field: Field{Name: "height", Doc: "How high it is; 8 is a third of a screen.", Type: Int, Default: "8"}},
		whenKey("The panel"),
	},
}

var panelQuerySection = &section{
	what: "a panel's query",
	doc:  "One of several things that a panel shows.",
	keys: []key{
		textKey("query", "PromQL.").required(),
		textKey("legend", "What a series is called, with its labels: {{system}}."),
	},
}

var panelForms = []string{"graph", "number", "gauge", "table", "bars"}
