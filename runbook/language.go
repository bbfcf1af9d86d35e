package runbook

// Version is what a runbook's `segue` key must say.
const Version = "v1"

var runbookSection = &section{
	what: "a runbook",
	doc:  "A migration: inputs, connections, checks, guards and phases.",
	keys: []key{
		oneOfKey("segue", "The version of the language.", "", []string{Version}).required(),
		textKey("name", "The runbook's name, in lower case with hyphens.").required(),
		textKey("description", "What the migration does and why."),
		partKey("inputs", "Values that the operator may set. $name is an input with its type, ${name} inside text is its text.", formNamed, inputSection),
		partKey("roles", "Who may approve and attest as what. When given, it lists every role that the runbook names.", formActors, nil),
		partKey("connections", "The live systems that the runbook touches.", formConnections, nil),
		partKey("checks", "Questions to live systems, by the names under which gates, guards and requirements refer to them.", formChecks, nil),
		partKey("guards", "Checks that are watched during the run.", formSubs, guardSection),
		partKey("targets", "Named places to roll back to.", formNamed, targetSection),
		partKey("phases", "The phases, in the order in which they run.", formSubs, phaseSection).required(),
		partKey("doctor", "What may go wrong, by name: the checks that see it, its causes, and what a person does about each. `segue doctor RUNBOOK` asks.", formNamed, troubleSection),
		partKey("templates", "Texts for people, by name, filled with live figures by `segue report --template NAME`: Go templates.", formTexts, nil),
		partKey("contacts", "Whom to call, by role.", formNamed, contactSection),
		partKey("notify", "Who is told what of a run, and by which connection.", formSubs, routeSection),
		partKey("escalation", "Who is told, one after the other, while nobody acknowledges that something is wrong.", formSub, escalationSection),
		partKey("dashboards", "Grafana dashboards, by uid, that `segue export grafana` writes.", formNamed, dashboardSection),
	},
}

var inputSection = &section{
	what: "an input",
	doc:  "A value that the operator may set with --set or --values.",
	keys: []key{
		oneOfKey("type", "The input's type. A list is a list of strings.", "", inputTypes).required(),
		partKey("default", "The value when none is set. Without it the input is required.", formValues, nil),
		textKey("doc", "What the input is for."),
		{Field: Field{Name: "enum", Doc: "The only values the input may have.", Type: List}, form: formValues},
	},
}

var phaseSection = &section{
	what: "a phase",
	doc:  "An ordered list of steps that ends in a gate.",
	keys: []key{
		textKey("name", "The phase's name, in lower case with hyphens.").required(),
		textKey("description", "What the phase does and why."),
		namesKey("needs", "Earlier phases that must be completed, not skipped.", String),
		partKey("require", "What must hold before the phase starts: checks, and attestations of what no check can see.", formRequire, nil),
		partKey("approve", "Who must approve before the phase starts.", formSub, approvalSection),
		partKey("steps", "The phase's steps, in order.", formSteps, stepSection),
		partKey("verify", "Checks that must all pass once the steps are done.", formSub, verifySection),
		partKey("gate", "Checks that must hold for a time before the next phase may start.", formSub, gateSection),
		partKey("rollback", "How a rollback to this phase's start is verified.", formSub, rollbackSection),
		oneOfKey("on-failure", "What to do when a step or its verification fails.", string(Pause), failureResponse),
		whenKey("The phase"),
	},
}

var stepSection = &section{
	what: "a step",
	doc:  "One reversible change: exactly one action, named by its key.",
	keys: []key{
		textKey("name", "What the step does, in a few words. Its ID is the phase, a slash, and this in kebab-case.").required(),
		namesKey("needs", "Earlier steps that must be done, not skipped: names, or IDs such as vendor/hand-over.", String),
		partKey("approve", "Who must approve before the step starts. A point of no return asks for one approval when this says nothing.", formSub, approvalSection),
		partKey("verify", "Checks that must all pass after the step.", formSub, verifySection),
		spanKey("timeout", "How long one apply or undo may take.", "5m"),
		{Field: Field{Name: "point-of-no-return", Doc: "The step cannot be undone; no rollback goes below it.", Type: Bool, Default: "false"}},
		oneOfKey("on-failure", "What to do when the step or its verification fails; the phase's unless given.", "", failureResponse),
		whenKey("The step"),
	},
}

var approvalSection = &section{
	what: "an approval",
	doc:  "An approval by people.",
	keys: []key{
		namesKey("roles", "Each of these roles must approve.", String),
		{Field: Field{Name: "count", Doc: "How many different people must approve in all; by default as many as there are roles, at least one.", Type: Int}},
		{Field: Field{Name: "not-by-actor", Doc: "The one who started the run may not be among them.", Type: Bool, Default: "false"}},
		whenKey("The approval"),
	},
}

var verifySection = &section{
	what: "a verification",
	doc:  "Checks that must all pass at once, within a time.",
	keys: []key{
		checksKey("checks", "The checks.").required(),
		spanKey("within", "How long they may take to pass.", "30s"),
		spanKey("every", "How often they are asked.", "500ms"),
	},
}

var gateSection = &section{
	what: "a gate",
	doc:  "Checks that must hold, without a break, for a time.",
	keys: []key{
		checksKey("hold", "The checks that must hold.").required(),
		spanKey("for", "How long they must hold without a break.", "").required(),
		spanKey("every", "How often they are asked; by default a twentieth of `for`, at least 1s and at most 15s.", ""),
		spanKey("max-gap", "Unknown for longer than this starts the time anew; by default four times `every`.", ""),
		spanKey("deadline", "When to give up.", ""),
		oneOfKey("then", "What to do after the deadline.", string(Pause), responses),
	},
}

var rollbackSection = &section{
	what: "a rollback",
	doc:  "How a rollback to this phase's start is verified.",
	keys: []key{
		partKey("verify", "Checks that must all pass after the rollback.", formSub, verifySection).required(),
	},
}

var guardSection = &section{
	what: "a guard",
	doc:  "A check that is watched during the run, and what happens when it fails.",
	keys: []key{
		textKey("name", "The guard's name; by default the check's."),
		{Field: Field{Name: "check", Doc: "The check to watch.", Type: CheckRef, Required: true}},
		spanKey("fails-for", "How long it must fail without a break; 0s: at once.", "0s").mayBeZero(),
		oneOfKey("do", "What to do when it fails.", "", responses).required(),
		textKey("to", "Where to roll back to: phase (the start of the phase it fires in), start, the name of a phase (its start) or of a target. By default phase."),
		oneOfKey("severity", "How severe it is, for notices; by default P1 if it rolls back, P2 if it pauses, else P3.", "", severities),
		spanKey("unknown-for", "How long it may stay unknown before `then` is done; without it, for ever.", ""),
		oneOfKey("then", "What to do after unknown-for.", "", responses),
		spanKey("every", "How often it is asked; by default a fifth of `fails-for`, at least 250ms and at most 5s, and 1s when it fires at once.", ""),
		textKey("from", "It is armed from the start of this phase; by default from the beginning."),
		textKey("until", "It is armed until the end of this phase; by default to the end of the run."),
		whenKey("The guard"),
	},
}

var targetSection = &section{
	what: "a target",
	doc:  "A named place to roll back to.",
	keys: []key{
		{Field: Field{Name: "to", Doc: "start, or the name of a phase: its start.", Type: String, Required: true}},
		partKey("first", "Steps that restore service at once; undoing follows and takes what is already so as done.", formSteps, stepSection),
		partKey("verify", "Checks that must all pass after the rollback.", formSub, verifySection),
		whenKey("The target"),
	},
}

var attestationSection = &section{
	what: "an attestation",
	doc:  "A person says that something holds which no check can see.",
	keys: []key{
		textKey("attest", "What the person attests.").required(),
		textKey("role", "Who may attest it; by default anyone."),
		whenKey("The attestation"),
	},
}

var requiredCheckSection = &section{
	what: "a required check",
	doc:  "A check that must pass, within a time.",
	keys: []key{
		{Field: Field{Name: "check", Doc: "The check.", Type: CheckRef, Required: true}},
		spanKey("within", "How long it may take to pass.", "30s"),
		whenKey("The requirement"),
	},
}

var chosenCheckSection = &section{
	what: "a chosen check",
	doc:  "A check that is listed for some inputs only.",
	keys: []key{
		{Field: Field{Name: "check", Doc: "The check.", Type: CheckRef, Required: true}},
		whenKey("The check"),
	},
}

var troubleSection = &section{
	what: "a trouble",
	doc:  "Something that may go wrong: how it shows, what may be behind it, and what a person does about it.",
	keys: []key{
		textKey("symptom", "What people notice.").required(),
		checksKey("seen-by", "Checks that see it: it is there when one of them fails, and unknown when none fails and one is unknown.").required(),
		partKey("causes", "What may be behind it: each is, when its check fails.", formSubs, causeSection),
		partKey("otherwise", "What is said when it is there and no cause's check fails.", formSub, findingSection),
		whenKey("The trouble"),
	},
}

var causeSection = &section{
	what: "a cause",
	doc:  "What may be behind a trouble: it is when its check fails.",
	keys: []key{
		{Field: Field{Name: "check", Doc: "The check that fails when this is the cause.", Type: CheckRef, Required: true}},
		textKey("finding", "What is wrong then.").required(),
		textKey("next", "What a person does about it: a command, as a rule.").required(),
		whenKey("The cause"),
	},
}

var findingSection = &section{
	what: "a finding",
	doc:  "What is wrong, and what a person does about it.",
	keys: []key{
		textKey("finding", "What is wrong.").required(),
		textKey("next", "What a person does about it: a command, as a rule.").required(),
	},
}
