package runbook

import (
	"crypto/sha256"
	"encoding/hex"
	"regexp"

	"go.yaml.in/yaml/v4"
)

// Parse reads a runbook, fills its inputs in and checks everything that can
// be known without a live system. The error is [Errors]: all that is wrong.
// What the runbook is allowed to say and hardly means is told by [Lint].
func Parse(file string, src []byte, cat Catalog, vals Values) (*Runbook, error) {
	p := newParser(file, src, cat)
	rb := &Runbook{File: file, Text: src}
	if root := p.document(src, "the runbook", "begin with `segue: "+Version+"` and `name: …`"); root != nil {
		p.runbook(rb, root, vals)
	}
	rb.notes = p.report.notes
	if len(p.report.errs) > 0 {
		return nil, p.report.sorted()
	}
	return rb, nil
}

// Digest identifies the runbook's text: its SHA-256 in hex.
func (r *Runbook) Digest() string {
	sum := sha256.Sum256(r.Text)
	return hex.EncodeToString(sum[:])
}

// A parser holds what is known of one runbook while it is read.
type parser struct {
	file   string
	src    []byte
	cat    Catalog
	report *report
	hints  *suggester

	inputs  map[string]*Input
	bad     map[string]bool   // inputs whose value is wrong: already reported
	conns   map[string]string // name → kind, "" when unknown
	checks  map[string]*yaml.Node
	roles   map[string][]string // nil: the runbook does not list them
	roleAt  map[string]Pos
	phases  map[string]int // those read so far
	targets map[string]bool
	steps   *stepIndex
	used    map[string]bool  // "inputs.x", "connections.x", "checks.x"
	broken  map[string]bool  // sections that could not be read: what refers to them is not judged
	away    []unmet          // the parts being read that are left out, the outermost first
	gone    map[string]unmet // "phase x", "step id", "target x" that are left out
	guessed bool             // a `when` asked for an input that lint does not know
	left    []LeftOut

	phaseNodes []*yaml.Node
	ahead      map[string]int // all phases, by name as written

	work  int
	bomb  bool
	lines []string // of src, once needed

	split  string // the text that was last looked at, and its lines
	splits []string

	cache kindCache
}

func newParser(file string, src []byte, cat Catalog) *parser {
	return &parser{
		file: file, src: src, cat: cat, report: &report{}, hints: &suggester{},
		inputs: map[string]*Input{}, bad: map[string]bool{}, conns: map[string]string{}, checks: map[string]*yaml.Node{},
		phases: map[string]int{}, targets: map[string]bool{}, steps: newStepIndex(),
		used: map[string]bool{}, broken: map[string]bool{}, gone: map[string]unmet{}, cache: kindCache{},
	}
}

// nameForm is what names of connections, checks, phases, targets, guards and
// roles look like.
var nameForm = regexp.MustCompile(`^[a-z0-9][a-z0-9_-]*$`)

const nameHelp = "use lower-case letters, digits, - and _, beginning with a letter or digit, at most 64"

// name checks a name and returns whether it is a good one.
func (p *parser) name(n *yaml.Node, path, name, of string) bool {
	if nameForm.MatchString(name) && len(name) <= maxName {
		return true
	}
	p.fault(n, path, quote(name)+" cannot be the name of "+of, nameHelp)
	return false
}

// runbook reads the whole. The order is that in which parts refer to each
// other, not that of the file.
func (p *parser) runbook(rb *Runbook, root *yaml.Node, vals Values) {
	if !p.version(root) {
		return
	}
	m, ok := p.open(root, runbookSection, "", nil)
	if !ok {
		return
	}
	for name := range m.meant {
		p.broken[name] = true
	}
	rb.Inputs = p.readInputs(m.vals["inputs"], vals)
	m.text("segue")
	if rb.Name = m.text("name"); m.has("name") && (rb.Name != "" || deref(m.vals["name"]).Value == "") {
		p.name(m.vals["name"], "name", rb.Name, "a runbook")
	}
	rb.Description = m.text("description")
	if n := m.vals["roles"]; n != nil {
		rb.Roles = p.readRoles(n)
	}
	if n := m.vals["connections"]; n != nil {
		rb.Connections = p.readConnections(n)
	}
	if n := m.vals["checks"]; n != nil {
		rb.Checks = p.readChecks(n)
	}
	if n := m.vals["phases"]; n != nil {
		rb.Phases = p.readPhases(n)
	}
	if n := m.vals["targets"]; n != nil {
		rb.Targets = p.readTargets(n)
	}
	if n := m.vals["guards"]; n != nil {
		rb.Guards = p.readGuards(n, rb)
	}
	if n := m.vals["doctor"]; n != nil {
		rb.Doctor = p.readDoctor(n)
	}
	if n := m.vals["templates"]; n != nil {
		rb.Templates = p.readTemplates(n)
	}
	p.people(rb, m)
	rb.LeftOut = p.left
	p.unused(rb)
	p.against(rb)
	p.drainedTooEarly(rb)
}

// version looks at `segue: v1` first: another version is another language, in
// which nothing else can be judged.
func (p *parser) version(root *yaml.Node) bool {
	if root.Kind != yaml.MappingNode {
		return true // open says what is wrong
	}
	for i := 0; i+1 < len(root.Content); i += 2 {
		if k, v := root.Content[i], deref(root.Content[i+1]); k.Value == "segue" && v.Kind == yaml.ScalarNode && v.Value != Version {
			p.fault(v, "segue", "this segue does not know the language version "+quote(v.Value), "write segue: "+Version)
			return false
		}
	}
	return true
}
