package announce

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"text/template/parse"
	"unicode/utf8"
)

// MaxText is how many bytes a template may have.
const MaxText = 64 << 10

// maxErrors is how many errors of one template are told.
const maxErrors = 50

// A Template is a text that was found to be right, but for the names of inputs
// and checks in it.
type Template struct {
	Text string // with inputs filled in
	Refs []Ref  // what it names
	tree *parse.Tree
}

// A Ref is an input or a check that a template names.
type Ref struct {
	Func         string // input, figure or verdict
	Name         string
	Line, Column int // in the text as written, from 1; columns count characters
}

// An Error is something wrong with a template. Wrong and Known, when given, are
// a name that is not known and those that are.
type Error struct {
	Line, Column    int // in the text as written, from 1; columns count characters
	Problem, Remedy string
	Wrong           string
	Known           []string
}

func (e *Error) Error() string {
	return fmt.Sprintf("%d:%d: %s; %s", e.Line, e.Column, e.Problem, e.Remedy)
}

// Compile reads a template. fill, if not nil, puts inputs into text: into what
// stands outside of {{…}}, and into text in quotes within; offset is where it
// begins. fill reports itself what is wrong, by false.
func Compile(text string, fill func(text string, offset int) (string, bool)) (*Template, []*Error) {
	c := &compiler{src: text, fill: fill}
	if len(text) > MaxText {
		c.fault(0, fmt.Sprintf("the template has %d bytes", len(text)), fmt.Sprintf("it may have %d at most", MaxText))
		return nil, c.errs
	}
	tree := parse.New("template")
	tree.Mode = parse.SkipFuncCheck // the compiler says where
	set := map[string]*parse.Tree{}
	if _, err := tree.Parse(text, "", "", set); err != nil {
		c.syntax(err)
		return nil, c.errs
	}
	for name, other := range set {
		if name != tree.Name && other.Root != nil {
			at := strings.LastIndex(text[:other.Root.Position()], "{{")
			c.fault(parse.Pos(max(at, 0)), "define and block are not part of a runbook's templates", "write the text where it is wanted")
		}
	}
	if tree.Root == nil {
		return nil, c.errs
	}
	c.list(tree.Root, outer())
	if len(c.errs) > 0 || c.unfilled {
		return nil, c.errs
	}
	return &Template{Text: source(tree.Root), Refs: c.refs, tree: tree}, nil
}

// A compiler goes through a template.
type compiler struct {
	src      string
	fill     func(string, int) (string, bool)
	errs     []*Error
	refs     []Ref
	unfilled bool
	loops    int
}

func (c *compiler) fault(at parse.Pos, problem, remedy string) {
	c.misnamed(at, problem, remedy, "", nil)
}

// misnamed records an error about a name that is none of those known.
func (c *compiler) misnamed(at parse.Pos, problem, remedy, wrong string, known []string) {
	line, column := Place(c.src, int(at))
	if len(c.errs) < maxErrors {
		c.errs = append(c.errs, &Error{Line: line, Column: column, Problem: problem, Remedy: remedy, Wrong: wrong, Known: known})
	}
}

// Place is the line and the column, in characters, of an offset in a text.
func Place(text string, offset int) (line, column int) {
	before := text[:min(max(offset, 0), len(text))]
	return 1 + strings.Count(before, "\n"), 1 + utf8.RuneCountInString(before[strings.LastIndexByte(before, '\n')+1:])
}

var parseError = regexp.MustCompile(`(?s)^template: template:(\d+): (.*)$`)

// syntax says what the parser of templates found: it knows the line.
func (c *compiler) syntax(err error) {
	line, problem := 1, err.Error()
	if m := parseError.FindStringSubmatch(problem); m != nil {
		line, _ = strconv.Atoi(m[1])
		problem = m[2]
	}
	offset := 0
	for range line - 1 {
		i := strings.IndexByte(c.src[offset:], '\n')
		if i < 0 {
			break
		}
		offset += i + 1
	}
	rest, _, _ := strings.Cut(c.src[offset:], "\n")
	offset += max(strings.Index(rest, "{{"), 0)
	c.fault(parse.Pos(offset), "this is not a template: "+problem, "write {{.Status}}, {{if .Issues}}…{{end}}, or {{\"{{\"}} for two braces")
}

// texts puts inputs into what is text.
func (c *compiler) texts(text string, at parse.Pos) string {
	if c.fill == nil || !strings.Contains(text, "$") {
		return text
	}
	out, ok := c.fill(text, int(at))
	c.unfilled = c.unfilled || !ok
	return out
}

// source writes a template, inputs filled in. What became of an input must not
// be read as part of the template.
func source(root *parse.ListNode) string {
	cp := root.CopyList()
	escape(cp)
	return cp.String()
}

var braces = strings.NewReplacer("{{", `{{"{{"}}`)

// literal writes a text so that a template reads it as that.
func literal(text string) string {
	out := braces.Replace(text)
	if strings.HasSuffix(out, "{") { // an action may follow
		out = strings.TrimSuffix(out, "{") + `{{"{"}}`
	}
	return out
}

// escape makes all text of a template literal.
func escape(l *parse.ListNode) {
	if l == nil {
		return
	}
	for _, n := range l.Nodes {
		switch n := n.(type) {
		case *parse.TextNode:
			n.Text = []byte(literal(string(n.Text)))
		case *parse.IfNode:
			escape(n.List)
			escape(n.ElseList)
		case *parse.WithNode:
			escape(n.List)
			escape(n.ElseList)
		case *parse.RangeNode:
			escape(n.List)
			escape(n.ElseList)
		}
	}
}
