package runbook

import (
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"
)

// A kindCache keeps what the catalog said: a catalog may build its answers.
type kindCache map[Class]map[string]*knownKind

type knownKind struct {
	Kind
	fields map[string]Field
}

func (p *parser) kinds(c Class) map[string]*knownKind {
	if known, ok := p.cache[c]; ok {
		return known
	}
	known := map[string]*knownKind{}
	for _, k := range p.cat.Kinds(c) {
		kk := &knownKind{Kind: k, fields: map[string]Field{}}
		for _, f := range kindFields(k) {
			kk.fields[f.Name] = f
		}
		known[k.Name] = kk
	}
	p.cache[c] = known
	return known
}

// kindFields lists a kind's parameters, with the `on` that its On implies.
func kindFields(k Kind) []Field {
	if k.On == "" || slices.ContainsFunc(k.Fields, func(f Field) bool { return f.Name == "on" }) {
		return k.Fields
	}
	on := Field{Name: "on", Doc: "The connection, of kind " + k.On + ".", Type: ConnRef, Required: true}
	return append([]Field{on}, k.Fields...)
}

func kindNames(kinds map[string]*knownKind) iter.Seq[string] {
	return func(yield func(string) bool) {
		for name := range kinds {
			if !yield(name) {
				return
			}
		}
	}
}

// single reads `{kind: parameters}`, as connections and checks are written.
func (p *parser) single(n *yaml.Node, class Class, path, what string) (Use, bool) {
	m, ok := p.mapping(n, path, what)
	if !ok {
		return Use{}, false
	}
	switch len(m.order) {
	case 0:
		p.fault(m.node, path, what+" is empty", fmt.Sprintf("write {%s: {…}}", orWord(p.kinds(class), "kind")))
		return Use{}, false
	case 1:
		name := m.order[0]
		return p.use(class, m.keys[name], m.vals[name], path)
	}
	p.fault(m.keys[m.order[1]], path, fmt.Sprintf("%s is one %s kind with its parameters, but here are %s", what, class, andList(m.order)),
		"keep one key; parameters belong beneath it")
	return Use{}, false
}

func orWord(kinds map[string]*knownKind, none string) string {
	best := ""
	for name := range kinds {
		if best == "" || name < best {
			best = name
		}
	}
	if best == "" {
		return none
	}
	return best
}

// use reads one key with its parameters.
func (p *parser) use(class Class, k, n *yaml.Node, path string) (Use, bool) {
	kind, ok := p.kinds(class)[k.Value]
	if !ok {
		p.unknownKind(class, k, path)
		return Use{}, false
	}
	path = join(path, kind.Name)
	u := Use{Kind: kind.Kind, Pos: p.pos(k), Params: Params{}}
	n = deref(n)
	if n.Kind == yaml.ScalarNode && n.Tag == "!!null" {
		n = &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map", Line: k.Line, Column: k.Column}
	}
	m, ok := p.mapping(n, path, kind.Name)
	if !ok {
		return Use{}, false
	}
	good, sampled := p.params(kind, m, u.Params)
	if good && kind.On != "" {
		good = p.onKind(kind, m, u.On(), sampled)
	}
	if good && !sampled && kind.Validate != nil {
		good = p.validated(m, kind.Validate(u.Params))
	}
	return u, good
}

// params reads the parameters of a kind into out. sampled says that one of them
// stands in for an input that lint does not know.
func (p *parser) params(kind *knownKind, m *mapping, out Params) (good, sampled bool) {
	good = true
	for _, name := range m.order {
		f, ok := kind.fields[name]
		if !ok {
			p.unknownParam(kind, m, name)
			good = false
			continue
		}
		if f.Type == Place { // the connection must be known first
			continue
		}
		v, s, ok := p.value(m.vals[name], f, m.at(name), true)
		if ok && !s && f.Needs != "" {
			ok = p.provides(m, f, v)
		}
		if good, sampled = good && ok, sampled || s; ok {
			out[name] = v
		}
	}
	for _, f := range kindFields(kind.Kind) {
		_, given := m.vals[f.Name]
		if f.Required && !given {
			p.missingParam(kind, m, f)
			good = false
		}
		if !given || f.Type != Place {
			continue
		}
		place, s, ok := p.placed(m, f, kind.fields[f.Of], out)
		if good, sampled = good && ok, sampled || s; ok {
			out[f.Name] = place
		}
	}
	return good, sampled
}

func (p *parser) unknownKind(class Class, k *yaml.Node, path string) {
	name := k.Value
	for _, other := range []Class{Action, Check, Connection} {
		if _, ok := p.kinds(other)[name]; ok && other != class {
			p.fault(k, join(path, name), fmt.Sprintf("%s is %s, not %s", name, classArticle(other), classArticle(class)), classHome(other))
			return
		}
	}
	none := "see `segue schema`"
	if len(p.kinds(class)) == 0 {
		none = "no driver for it is built in"
	}
	p.fault(k, join(path, name), fmt.Sprintf("no %s is called %s", classNoun(class), quoteKind(name)), p.hints.remedy(name, kindNames(p.kinds(class)), none))
}

func (p *parser) unknownParam(kind *knownKind, m *mapping, name string) {
	remedy := p.hints.remedy(name, func(yield func(string) bool) {
		for _, f := range kindFields(kind.Kind) {
			if !yield(f.Name) {
				return
			}
		}
	}, "remove it")
	if name == "on" {
		remedy = "it needs no connection: remove it"
	}
	p.fault(m.keys[name], m.at(name), fmt.Sprintf("%s has no parameter %s", kind.Name, quoteKey(name)), remedy)
}

func (p *parser) missingParam(kind *knownKind, m *mapping, f Field) {
	remedy := "add `" + f.Name + ": …`"
	if f.Doc != "" {
		remedy += " (" + firstSentence(f.Doc) + ")"
	}
	if f.Name == "on" && kind.On != "" {
		remedy = p.onRemedy(kind)
	}
	p.fault(m.node, m.path, fmt.Sprintf("%s needs the parameter %s", kind.Name, f.Name), remedy)
}

// onKind checks that `on` names a connection of the right kind.
func (p *parser) onKind(kind *knownKind, m *mapping, conn string, sampled bool) bool {
	have := p.conns[conn]
	if have == "" || have == kind.On || sampled && m.vals["on"] == nil {
		return true
	}
	m.fault("on", fmt.Sprintf("%s works on a %s connection, but %s is %s", kind.Name, kind.On, conn, have), p.onRemedy(kind))
	return false
}

// onRemedy names the connections that would do.
func (p *parser) onRemedy(kind *knownKind) string {
	return p.connRemedy("on", []string{kind.On})
}

// provides checks that the connection that a field names is of a kind that
// gives what the field needs.
func (p *parser) provides(m *mapping, f Field, v any) bool {
	conn, _ := v.(string)
	have := p.conns[conn]
	if kind, known := p.kinds(Connection)[have]; !known || slices.Contains(kind.Provides, f.Needs) {
		return true
	}
	var fit []string
	for name, k := range p.kinds(Connection) {
		if slices.Contains(k.Provides, f.Needs) {
			fit = append(fit, name)
		}
	}
	m.fault(f.Name, fmt.Sprintf("%s needs %s, and the connection %s is %s, which has none", f.Name, f.Needs, conn, have), p.connRemedy(f.Name, fit))
	return false
}

// connRemedy names the connections of some kinds, for a parameter.
func (p *parser) connRemedy(param string, kinds []string) string {
	var fit []string
	for name, k := range p.conns {
		if slices.Contains(kinds, k) {
			fit = append(fit, name)
		}
	}
	slices.Sort(fit)
	slices.Sort(kinds)
	switch {
	case len(kinds) == 0:
		return "no driver for it is built in"
	case len(fit) == 0:
		return fmt.Sprintf("declare a %s connection under connections", orList(kinds))
	}
	return "write " + param + ": " + orList(fit[:min(len(fit), 5)])
}

// validated reports what a kind's own check of its parameters says.
func (p *parser) validated(m *mapping, err error) bool {
	if err == nil {
		return true
	}
	if many, ok := err.(interface{ Unwrap() []error }); ok {
		for _, e := range many.Unwrap() {
			p.validated(m, e)
		}
		return false
	}
	var fe *FieldError
	if !errors.As(err, &fe) {
		p.fault(m.node, m.path, err.Error(), "")
		return false
	}
	n := m.vals[fe.Field]
	if n == nil {
		n = m.node
	}
	p.fault(n, m.at(fe.Field), fe.Field+": "+fe.Problem, fe.Remedy)
	return false
}

func classNoun(c Class) string {
	if c == Connection {
		return "kind of connection"
	}
	return string(c)
}

func classArticle(c Class) string {
	switch c {
	case Action:
		return "an action"
	case Check:
		return "a check"
	default:
		return "a kind of connection"
	}
}

func classHome(c Class) string {
	switch c {
	case Action:
		return "actions belong in the steps of a phase"
	case Check:
		return "declare it under checks and refer to it by name"
	default:
		return "declare it under connections and refer to it with on"
	}
}

func quoteKind(s string) string {
	if nameForm.MatchString(strings.ReplaceAll(s, ".", "-")) {
		return s
	}
	return quote(s)
}

func andList(words []string) string {
	if len(words) > 5 {
		words = append(slices.Clone(words[:5]), fmt.Sprintf("%d more", len(words)-5))
	}
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	return strings.Join(words[:len(words)-1], ", ") + " and " + words[len(words)-1]
}
