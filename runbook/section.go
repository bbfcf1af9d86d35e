package runbook

// A section is one kind of mapping in the language: its keys, in the order in
// which docs list them. The parser and the JSON Schema both read these tables,
// so neither can know a key that the other does not.
type section struct {
	what string // "a gate", in errors
	doc  string
	keys []key
}

// A key of a section. Its Field says what a scalar or a list of scalars may
// be; form says when it is something larger.
type key struct {
	Field
	form    form
	section *section // of sub, subs and named
	zero    bool     // a duration may be 0
}

// A form is the shape of a key's value.
type form int

const (
	formPlain       form = iota // as the Field says
	formSub                     // one mapping: section
	formSubs                    // a list of mappings: section
	formNamed                   // a mapping of names to mappings: section
	formActors                  // a mapping of roles to lists of actors
	formConnections             // a mapping of names to a connection kind and its parameters
	formChecks                  // a mapping of names to a check kind and its parameters
	formSteps                   // a list of steps: section, and one action key
	formRequire                 // a list of check names, timed checks and attestations
	formValues                  // a scalar of the type that its neighbour `type` says
	formTexts                   // a mapping of names to texts
	formWhen                    // a mapping of inputs to a value or a list of values
	formCheckList               // a list of check names, and of checks with a condition
)

func (s *section) key(name string) (key, bool) {
	for _, k := range s.keys {
		if k.Name == name {
			return k, true
		}
	}
	return key{}, false
}

var (
	responses       = []string{string(Rollback), string(Pause), string(Notify)}
	failureResponse = []string{string(Pause), string(Rollback)}
	severities      = []string{"P1", "P2", "P3", "P4"}
	inputTypes      = []string{string(String), string(Int), string(Number), string(Bool), string(Duration), string(Size), string(Percentage), string(List)}
)

func textKey(name, doc string) key { return key{Field: Field{Name: name, Doc: doc, Type: String}} }

func spanKey(name, doc, def string) key {
	return key{Field: Field{Name: name, Doc: doc, Type: Duration, Default: def}}
}

func oneOfKey(name, doc, def string, enum []string) key {
	return key{Field: Field{Name: name, Doc: doc, Type: String, Enum: enum, Default: def}}
}

func namesKey(name, doc string, of Type) key {
	return key{Field: Field{Name: name, Doc: doc, Type: List, Elem: of}}
}

func checksKey(name, doc string) key {
	return key{Field: Field{Name: name, Doc: doc, Type: List, Elem: CheckRef}, form: formCheckList}
}

func partKey(name, doc string, f form, s *section) key {
	return key{Field: Field{Name: name, Doc: doc}, form: f, section: s}
}

func (k key) required() key { k.Required = true; return k }

func (k key) mayBeZero() key { k.zero = true; return k }

func (s *section) def(name string) string {
	k, _ := s.key(name)
	return k.Default
}
