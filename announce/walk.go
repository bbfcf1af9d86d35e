package announce

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"text/template/parse"
)

// A scope is what {{.}} and the variables are at a place in a template. A type
// is nil where it is not known; nothing is concluded from that.
type scope struct {
	dot  reflect.Type
	vars map[string]*reflect.Type
}

// outer is the scope of the whole.
func outer() scope {
	t := factsType
	return scope{dot: t, vars: map[string]*reflect.Type{"$": &t}}
}

// inner is the scope of a block: its variables end with it, and it may set
// those around it.
func (s scope) inner(dot reflect.Type) scope { return scope{dot, maps.Clone(s.vars)} }

// set gives a variable a type. One that is given another is of none that is
// known: which it has depends on the way taken.
func (s scope) set(v *parse.VariableNode, t reflect.Type, assign bool) {
	if was := s.vars[v.Ident[0]]; assign && was != nil {
		if *was != t {
			*was = nil
		}
		return
	}
	s.vars[v.Ident[0]] = &t
}

func (s scope) variable(name string) reflect.Type {
	if t := s.vars[name]; t != nil {
		return *t
	}
	return nil
}

var factsType = reflect.TypeFor[Facts]()

// maxLoops is how deep ranges may be nested.
const maxLoops = 2

func (c *compiler) list(l *parse.ListNode, s scope) {
	if l == nil {
		return
	}
	for _, n := range l.Nodes {
		c.node(n, s)
	}
}

func (c *compiler) node(n parse.Node, s scope) {
	switch n := n.(type) {
	case *parse.TextNode:
		n.Text = []byte(c.texts(string(n.Text), n.Pos))
	case *parse.ActionNode:
		t := c.pipe(n.Pipe, s)
		if len(n.Pipe.Decl) == 0 && t != nil && t.Kind() == reflect.Struct && !t.Implements(stringerType) {
			c.fault(n.Pos, fmt.Sprintf("%s is no text: it has parts", n.Pipe), "name one of its parts: "+orList(dotted(names(t))))
		}
	case *parse.IfNode:
		s = s.inner(s.dot)
		c.pipe(n.Pipe, s)
		c.list(n.List, s.inner(s.dot))
		c.list(n.ElseList, s.inner(s.dot))
	case *parse.WithNode:
		in := s.inner(s.dot)
		t := c.pipe(n.Pipe, in)
		c.list(n.List, in.inner(t))
		c.list(n.ElseList, in.inner(s.dot))
	case *parse.RangeNode:
		c.loop(n, s)
	case *parse.TemplateNode:
		c.fault(n.Pos, "template and block are not part of a runbook's templates", "write the text where it is wanted")
	}
}

// loop looks at a range, which goes over a list of the facts: a template ends.
func (c *compiler) loop(n *parse.RangeNode, s scope) {
	in := s.inner(s.dot)
	decl := n.Pipe.Decl
	n.Pipe.Decl = nil
	t := c.pipe(n.Pipe, in)
	n.Pipe.Decl = decl
	if t == nil || t.Kind() != reflect.Slice {
		c.fault(n.Pos, fmt.Sprintf("range goes over a list, and %s is none", n.Pipe), "write {{range .Issues}} or {{range .Waits}}")
		return
	}
	if c.loops++; c.loops > maxLoops {
		c.fault(n.Pos, "ranges are nested too deep", fmt.Sprintf("nest %d at most", maxLoops))
	}
	if len(decl) == 2 {
		in.set(decl[0], reflect.TypeFor[int](), n.Pipe.IsAssign)
	}
	if len(decl) > 0 {
		in.set(decl[len(decl)-1], t.Elem(), n.Pipe.IsAssign)
	}
	c.list(n.List, in.inner(t.Elem()))
	c.loops--
	c.list(n.ElseList, s.inner(s.dot))
}

// pipe gives the type of what a pipeline comes to.
func (c *compiler) pipe(p *parse.PipeNode, s scope) (t reflect.Type) {
	for i, cmd := range p.Cmds {
		t = c.command(cmd, i > 0, t, s)
	}
	for _, v := range p.Decl {
		s.set(v, t, p.IsAssign)
	}
	return t
}

// command gives the type of one command; piped says that it is handed one more
// argument, of the given type.
func (c *compiler) command(cmd *parse.CommandNode, piped bool, last reflect.Type, s scope) reflect.Type {
	first, args := cmd.Args[0], cmd.Args[1:]
	if fn, ok := first.(*parse.IdentifierNode); ok {
		return c.call(fn, args, piped, last, s)
	}
	n := len(args)
	if piped {
		n++
	}
	for _, a := range args {
		c.operand(a, 0, s)
	}
	return c.operand(first, n, s)
}

// operand gives the type of an operand that is handed n arguments.
func (c *compiler) operand(node parse.Node, n int, s scope) reflect.Type {
	switch node := node.(type) {
	case *parse.FieldNode:
		return c.fields(node, s.dot, node.Ident, n)
	case *parse.VariableNode:
		return c.fields(node, s.variable(node.Ident[0]), node.Ident[1:], n)
	case *parse.ChainNode:
		return c.fields(node, c.operand(node.Node, 0, s), node.Field, n)
	case *parse.IdentifierNode: // a function as an argument
		return c.call(node, nil, false, nil, s)
	}
	if n > 0 {
		c.fault(node.Position(), fmt.Sprintf("%s takes no argument", node), "call a function, as in {{printf \"%d of %d\" .Phase.Number .Phases}}")
		return nil
	}
	switch node := node.(type) {
	case *parse.PipeNode:
		return c.pipe(node, s)
	case *parse.DotNode:
		return s.dot
	case *parse.StringNode:
		if text := c.texts(node.Text, node.Pos+1); text != node.Text {
			node.Text, node.Quoted = text, strconv.Quote(text)
		}
		return reflect.TypeFor[string]()
	case *parse.BoolNode:
		return reflect.TypeFor[bool]()
	}
	return nil
}

var stringerType = reflect.TypeFor[fmt.Stringer]()

// fields goes from a value to a part of it; the last may be a method that
// takes n arguments.
func (c *compiler) fields(node parse.Node, t reflect.Type, path []string, n int) reflect.Type {
	for i, name := range path {
		if t == nil {
			return nil
		}
		if m, ok := t.MethodByName(name); ok {
			given := 0
			if i == len(path)-1 {
				given = n
			}
			if want := m.Type.NumIn() - 1; given != want {
				c.fault(node.Position(), fmt.Sprintf("%s takes %s, not %d", node, arguments(want, want), given), "write "+node.String()+sampleArguments(want))
				return nil
			}
			if t, n = m.Type.Out(0), 0; i == len(path)-1 {
				return t
			}
			continue
		}
		f, ok := reflect.StructField{}, false
		if t.Kind() == reflect.Struct {
			f, ok = t.FieldByName(name)
		}
		if !ok || !f.IsExported() {
			known := names(t)
			if len(known) == 0 {
				c.fault(node.Position(), fmt.Sprintf("%s: %s has no parts", node, nameOf(t)), "remove ."+name)
			} else {
				c.misnamed(node.Position(), fmt.Sprintf("%s has no part %s", nameOf(t), name), "write one of "+orList(dotted(known)), name, known)
			}
			return nil
		}
		t = f.Type
	}
	if n > 0 {
		c.fault(node.Position(), fmt.Sprintf("%s takes no argument", node), "call a function, as in {{printf \"%d of %d\" .Phase.Number .Phases}}")
	}
	return t
}

// names lists the parts of a type.
func names(t reflect.Type) []string {
	var out []string
	if t.Kind() == reflect.Struct {
		for _, f := range reflect.VisibleFields(t) {
			if f.IsExported() {
				out = append(out, f.Name)
			}
		}
	}
	for i := range t.NumMethod() {
		if name := t.Method(i).Name; name != "String" {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return out
}

// nameOf is a type in the words of the docs.
func nameOf(t reflect.Type) string {
	switch t {
	case factsType:
		return "a template"
	case reflect.TypeFor[Phase](), reflect.TypeFor[Next]():
		return "." + t.Name()
	case reflect.TypeFor[Moment]():
		return "a time"
	case reflect.TypeFor[Span]():
		return "a span of time"
	case reflect.TypeFor[Lines]():
		return "a list"
	case reflect.TypeFor[string]():
		return "text"
	}
	return "a " + t.Kind().String()
}
