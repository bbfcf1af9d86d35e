package runbook

var contactSection = &section{
	what: "a contact",
	doc:  "Somebody to call: a person, or whoever has the role at the time.",
	keys: []key{
		textKey("name", "Who it is.").required(),
		textKey("phone", "The telephone number."),
		textKey("email", "The e-mail address."),
		textKey("slack", "The member ID (U024BE7LH) or channel (#on-call) in Slack."),
		textKey("url", "A page: where a case is opened, say."),
		textKey("note", "What else to know: the hours, the contract."),
		whenKey("The contact"),
	},
}

var routeSection = &section{
	what: "a route",
	doc:  "A way on which notices of a run go to people.",
	keys: []key{
		noticesKey("on", "The connection that brings them: slack, smtp, pagerduty or webhook.").required(),
		namesKey("to", "Whom it tells: addresses in the connection's form, or names of contacts. Not given where the connection knows by itself.", String),
		{Field: Field{Name: "about", Doc: "What it tells of; by default of all that happens.", Type: List, Elem: String, Enum: topics}},
		oneOfKey("severity", "Only what is at least this severe; by default all.", "", severities),
		textKey("template", "The template of the text; by default a sentence that says what happened."),
		spanKey("every", "A regular update: the template is sent this often for as long as the run goes on, and nothing else.", ""),
		whenKey("The route"),
	},
}

var escalationSection = &section{
	what: "an escalation",
	doc:  "Who is told, one after the other, while nobody acknowledges (`segue ack`) that something is wrong.",
	keys: []key{
		oneOfKey("severity", "What is at least this severe must be acknowledged.", "P1", severities[:3]),
		partKey("path", "The rungs, each after a longer time.", formSubs, rungSection).required(),
		spanKey("again", "How often the last rung is told again; by default after the time between the last two.", ""),
		whenKey("The escalation"),
	},
}

var rungSection = &section{
	what: "a rung",
	doc:  "Who is told when nobody has acknowledged for a time.",
	keys: []key{
		spanKey("after", "How long nobody has acknowledged.", "").required().mayBeZero(),
		textKey("contact", "Who is told: the name of a contact.").required(),
		key{Field: Field{Name: "via", Doc: "The connections by which.", Type: List, Elem: ConnRef}}.required(),
		whenKey("The rung"),
	},
}

// noticesKey names a connection that tells people something.
func noticesKey(name, doc string) key {
	return key{Field: Field{Name: name, Doc: doc, Type: ConnRef, Needs: Notices}}
}
