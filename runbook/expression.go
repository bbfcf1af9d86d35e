package runbook

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"

	"github.com/segue-run/segue/expr"
)

// expression compiles an expression, so that its errors are told with the
// runbook's. What is compiled is not kept: the driver that evaluates it
// compiles it again.
func (p *parser) expression(n *yaml.Node, f Field, text, path string) bool {
	if !p.spend(n, path, 64*len(text)) { // compiling costs more than reading
		return false
	}
	_, err := expr.Compile(text, f.Vars)
	if err == nil {
		return true
	}
	var errs expr.Errors
	if !errors.As(err, &errs) {
		p.fault(n, path, f.Name+": "+err.Error(), "")
		return false
	}
	for _, e := range errs {
		remedy := "an expression is true or false, as in `" + sampleExpression(f.Vars) + "`"
		if e.Name != "" {
			remedy = p.hints.remedy(e.Name, slices.Values(f.Vars), remedy)
		}
		problem := f.Name + ": " + e.Problem
		p.faultWithin(n, path, "expression", text, e.Line, e.Column, problem, remedy)
	}
	return false
}

// faultWithin records an error at a line and column of the text of a node.
func (p *parser) faultWithin(n *yaml.Node, path, what, text string, line, column int, problem, remedy string) {
	at, exact := p.within(n, text, line, column)
	if !exact && (line > 1 || column > 1) {
		problem += fmt.Sprintf(" (at %d:%d of the %s)", line, column, what)
	}
	p.report.add(Error{Pos: at, Path: path, Problem: problem, Remedy: remedy})
}

func sampleExpression(vars []string) string {
	switch {
	case slices.Contains(vars, "rows"):
		return "rows.size() == 1"
	case len(vars) > 0:
		return vars[0] + " < 100"
	default:
		return "value < 100"
	}
}

// within finds the place in the file of a line and column within a scalar's
// text. It is exact when the file holds the text as it is: not when quotes
// escape, lines fold or inputs were filled in.
func (p *parser) within(n *yaml.Node, text string, line, column int) (at Pos, exact bool) {
	at = p.pos(n)
	lines := p.textLines(text)
	if line > len(lines) {
		return at, false
	}
	if n.Style&yaml.LiteralStyle != 0 {
		at.Line += line
		raw := p.sourceLine(at.Line)
		indent := strings.Index(raw, lines[line-1])
		if indent < 0 || strings.TrimSpace(raw[:indent]) != "" {
			return p.pos(n), false
		}
		at.Column = indent + column
		return at, true
	}
	start := n.Column - 1
	if n.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle) != 0 {
		start++
	}
	raw := []rune(p.sourceLine(n.Line))
	if len(lines) > 1 || start > len(raw) || !strings.HasPrefix(string(raw[start:]), text) {
		return at, false
	}
	at.Column = start + column
	return at, true
}

// textLines are the lines of a text; those of the last one are kept.
func (p *parser) textLines(text string) []string {
	if p.splits == nil || p.split != text {
		p.split, p.splits = text, strings.Split(text, "\n")
	}
	return p.splits
}

// sourceLine is one line of the file, without its end.
func (p *parser) sourceLine(line int) string {
	if p.lines == nil {
		p.lines = strings.Split(string(p.src), "\n")
	}
	if line < 1 || line > len(p.lines) {
		return ""
	}
	return p.lines[line-1]
}
