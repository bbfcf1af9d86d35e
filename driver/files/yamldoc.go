package files

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"

	"go.yaml.in/yaml/v4"
	"go.yaml.in/yaml/v4/plugin/loaderlimits"
)

// maxDepth is how deep lists and mappings may be nested.
const maxDepth = 64

// yamlDoc is one document of a YAML file.
type yamlDoc struct {
	name  string
	src   []byte
	lines []int       // where each line begins
	all   []yaml.Node // all documents of the file
	at    int         // which of them this is
	root  *yaml.Node  // nil when there is none
	// aliased are the nodes that an alias stands for: a change of one shows
	// in another place. It holds the alias.
	aliased map[*yaml.Node]*yaml.Node
}

var bom = []byte("\ufeff")

// yamlFormat reads YAML. which document of several counts must be said.
func yamlFormat(which *int) format {
	return func(name string, src []byte) (document, error) {
		d := &yamlDoc{name: name, src: src, aliased: map[*yaml.Node]*yaml.Node{}}
		if !utf8.Valid(src) {
			return nil, fmt.Errorf("%s is not UTF-8", name)
		}
		if err := d.load(); err != nil {
			return nil, err
		}
		switch {
		case which != nil:
			d.at = *which
		case len(d.all) > 1:
			return nil, d.refusef(&d.all[1], fmt.Sprintf("say which one is meant: document: 0 to %d", len(d.all)-1), "the file has %d documents", len(d.all))
		}
		if d.at >= max(len(d.all), 1) {
			return nil, fmt.Errorf("%s has no document %d: it has %d, counted from 0", name, d.at, len(d.all))
		}
		if len(d.all) > 0 {
			d.root = d.all[d.at].Content[0]
			d.note(d.root)
		}
		return d, nil
	}
}

func (d *yamlDoc) load() error {
	d.lines = lineStarts(d.src)
	loader, err := yaml.NewLoader(bytes.NewReader(d.src), yaml.WithPlugin(loaderlimits.New(loaderlimits.DepthValue(maxDepth))))
	if err != nil {
		return fmt.Errorf("%s: %w", d.name, err)
	}
	for {
		var n yaml.Node
		switch err := loader.Load(&n); {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return d.syntax(err)
		}
		if len(n.Content) == 1 {
			d.all = append(d.all, n)
		}
	}
}

func (d *yamlDoc) syntax(err error) error {
	var le *yaml.LoadError
	if errors.As(err, &le) && le.Mark.Line > 0 {
		return fmt.Errorf("%s:%d:%d: this is not YAML: %s", d.name, le.Mark.Line, max(le.Mark.Column, 1), le.Message)
	}
	return fmt.Errorf("%s: this is not YAML: %w", d.name, err)
}

// lineStarts knows the line breaks that YAML knows.
func lineStarts(src []byte) []int {
	out := []int{0}
	if bytes.HasPrefix(src, bom) {
		out[0] = len(bom)
	}
	for i := 0; i < len(src); {
		r, n := utf8.DecodeRune(src[i:])
		i += n
		switch r {
		case '\r':
			if i < len(src) && src[i] == '\n' {
				i++
			}
			out = append(out, i)
		case '\n', '\u0085', '\u2028', '\u2029':
			out = append(out, i)
		}
	}
	return out
}

// offset is where a node begins. YAML counts columns in characters.
func (d *yamlDoc) offset(n *yaml.Node) int {
	if n.Line < 1 || n.Line > len(d.lines) {
		return len(d.src)
	}
	at := d.lines[n.Line-1]
	for range n.Column - 1 {
		if at >= len(d.src) {
			break
		}
		_, size := utf8.DecodeRune(d.src[at:])
		at += size
	}
	return at
}

// note finds the aliases.
func (d *yamlDoc) note(n *yaml.Node) {
	if n.Kind == yaml.AliasNode {
		d.aliased[n.Alias] = n
		return
	}
	for _, c := range n.Content {
		d.note(c)
	}
}

// A placed error is a refusal with its place in the file.
type placed struct {
	where, problem, remedy string
}

func (p *placed) Error() string { return p.where + ": " + p.problem + "; " + p.remedy }

func (d *yamlDoc) refusef(at *yaml.Node, remedy, problem string, args ...any) error {
	return &placed{fmt.Sprintf("%s:%d:%d", d.name, max(at.Line, 1), max(at.Column, 1)), fmt.Sprintf(problem, args...), remedy}
}
