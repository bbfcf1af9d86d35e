package runbook

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"
)

// An Error says what is wrong in a runbook, where, and what would be right.
type Error struct {
	Pos     Pos    `json:"pos"`
	Path    string `json:"path"` // phases[0].gate.for
	Problem string `json:"problem"`
	Remedy  string `json:"remedy,omitempty"`
}

func (e *Error) Error() string {
	s := e.Pos.String() + ": " + e.Problem
	if e.Remedy != "" {
		s += "; " + e.Remedy
	}
	return s
}

// Errors is what [Parse] returns: all that is wrong, in the order of the file.
type Errors []*Error

func (e Errors) Error() string {
	lines := make([]string, len(e))
	for i, err := range e {
		lines[i] = err.Error()
	}
	return strings.Join(lines, "\n")
}

// Unwrap gives errors.As each error.
func (e Errors) Unwrap() []error {
	out := make([]error, len(e))
	for i, err := range e {
		out[i] = err
	}
	return out
}

// A Warning is about what is allowed and yet hardly meant.
type Warning struct {
	Pos     Pos    `json:"pos"`
	Path    string `json:"path"`
	Problem string `json:"problem"`
	Remedy  string `json:"remedy,omitempty"`
}

func (w Warning) String() string { return (&Error{w.Pos, w.Path, w.Problem, w.Remedy}).Error() }

// oneLine keeps names with line breaks from breaking an error's line.
var oneLine = strings.NewReplacer("\n", `\n`, "\r", `\r`)

// maxErrors bounds what a hostile file can make us collect.
const maxErrors = 500

// A report collects errors and warnings; every parser of one run shares it.
type report struct {
	errs  Errors
	notes []Warning
	seen  map[Error]bool
}

func (r *report) full() bool { return len(r.errs) >= maxErrors }

func (r *report) add(e Error) {
	e.Problem = oneLine.Replace(e.Problem)
	e.Remedy = oneLine.Replace(e.Remedy)
	if r.full() || r.seen[e] {
		return
	}
	if r.seen == nil {
		r.seen = map[Error]bool{}
	}
	r.seen[e] = true
	r.errs = append(r.errs, &e)
	if len(r.errs) == maxErrors {
		r.errs = append(r.errs, &Error{
			Pos: e.Pos, Path: e.Path,
			Problem: fmt.Sprintf("more than %d things are wrong", maxErrors),
			Remedy:  "mend these first",
		})
	}
}

// sorted returns the errors in the order of the file. Files keep the order in
// which they were read.
func (r *report) sorted() Errors {
	order := map[string]int{}
	for _, e := range r.errs {
		if _, ok := order[e.Pos.File]; !ok {
			order[e.Pos.File] = len(order)
		}
	}
	slices.SortStableFunc(r.errs, func(a, b *Error) int {
		return cmp.Or(cmp.Compare(order[a.Pos.File], order[b.Pos.File]),
			cmp.Compare(a.Pos.Line, b.Pos.Line), cmp.Compare(a.Pos.Column, b.Pos.Column))
	})
	return r.errs
}

// fault records an error at a node.
func (p *parser) fault(n *yaml.Node, path, problem, remedy string) {
	p.report.add(Error{Pos: p.pos(n), Path: path, Problem: problem, Remedy: remedy})
}

// note records a warning at a place.
func (p *parser) note(at Pos, path, problem, remedy string) {
	if len(p.report.notes) < maxErrors {
		p.report.notes = append(p.report.notes, Warning{at, path, problem, remedy})
	}
}

// pos is where a node is. Columns count characters, not bytes.
func (p *parser) pos(n *yaml.Node) Pos {
	return Pos{File: p.file, Line: n.Line, Column: n.Column}
}
