package runbook

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"

	"go.yaml.in/yaml/v4"
	"go.yaml.in/yaml/v4/plugin/loaderlimits"
)

const (
	maxSource = 1 << 20 // bytes of a runbook or a values file
	maxDepth  = 64      // of nested lists and mappings
	maxWork   = 8 << 20 // bytes looked at, aliases and inputs filled in; a node counts as nodeWork
	nodeWork  = 16
)

// document reads the one document of a YAML file into nodes. What it cannot
// read it reports, and returns nil.
func (p *parser) document(src []byte, what, start string) *yaml.Node {
	at := func(line, column int, problem, remedy string) *yaml.Node {
		p.report.add(Error{Pos: Pos{p.file, max(line, 1), max(column, 1)}, Problem: problem, Remedy: remedy})
		return nil
	}
	if len(src) > maxSource {
		return at(1, 1, fmt.Sprintf("%s has %d bytes", what, len(src)), fmt.Sprintf("it may have %d at most", maxSource))
	}
	if i := notUTF8(src); i >= 0 {
		line := 1 + bytes.Count(src[:i], []byte("\n"))
		column := 1 + utf8.RuneCount(src[bytes.LastIndexByte(src[:i], '\n')+1:i])
		return at(line, column, "this is not UTF-8", "save the file as UTF-8")
	}
	loader, err := yaml.NewLoader(bytes.NewReader(src), yaml.WithPlugin(loaderlimits.New(loaderlimits.DepthValue(maxDepth))))
	if err != nil {
		return at(1, 1, err.Error(), "")
	}
	var doc, second yaml.Node
	if err := loader.Load(&doc); err != nil {
		return p.syntax(err, at, what, start)
	}
	if len(doc.Content) == 0 || doc.Content[0].Kind == yaml.ScalarNode && doc.Content[0].ShortTag() == "!!null" {
		return at(1, 1, what+" is empty", start)
	}
	switch err := loader.Load(&second); {
	case err == nil:
		return at(second.Line, second.Column, "a second document begins here", "keep one document in a file: remove the --- line")
	case !errors.Is(err, io.EOF) && !isEmpty(err):
		return p.syntax(err, at, what, start)
	}
	return doc.Content[0]
}

func (p *parser) syntax(err error, at func(int, int, string, string) *yaml.Node, what, start string) *yaml.Node {
	if errors.Is(err, io.EOF) || isEmpty(err) {
		return at(1, 1, what+" is empty", start)
	}
	var le *yaml.LoadError
	if errors.As(err, &le) {
		problem := "this is not YAML: " + le.Message
		if le.ContextMsg != "" && le.ContextMark.Line > 0 {
			problem += fmt.Sprintf(" (%s that began at %d:%d)", le.ContextMsg, le.ContextMark.Line, le.ContextMark.Column)
		}
		return at(le.Mark.Line, le.Mark.Column, problem, yamlHint(le.Message))
	}
	return at(1, 1, "this is not YAML: "+err.Error(), "")
}

func yamlHint(message string) string {
	switch message {
	case "mapping values are not allowed in this context":
		return `put text that holds ": " in quotes`
	case "found character that cannot start any token":
		return "indent with spaces, and put text that begins with @, ` or % in quotes"
	}
	return ""
}

func isEmpty(err error) bool {
	var les *yaml.LoadErrors
	return errors.As(err, &les) && len(les.Errors) == 1 && les.Errors[0].Mark.Line == 0
}

func notUTF8(src []byte) int {
	for i := 0; i < len(src); {
		r, n := utf8.DecodeRune(src[i:])
		if r == utf8.RuneError && n == 1 {
			return i
		}
		i += n
	}
	return -1
}

// deref follows an alias to what it stands for.
func deref(n *yaml.Node) *yaml.Node {
	for n.Kind == yaml.AliasNode && n.Alias != nil {
		n = n.Alias
	}
	return n
}

// spend counts work; false means that the file is a bomb, which is reported.
func (p *parser) spend(n *yaml.Node, path string, amount int) bool {
	if p.work += amount; p.work <= maxWork {
		return true
	}
	if !p.bomb {
		p.bomb = true
		p.fault(n, path, "the runbook is too large once aliases and inputs are filled in", "use fewer of them")
	}
	return false
}
