package announce

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"text/template"
	"text/template/parse"
)

// A function is what the compiler knows of one: how many arguments it takes
// (most < 0: any number), and what comes of it, nil for what depends.
type function struct {
	least, most int
	out         reflect.Type
}

// functions are all that a template may call. Those of Go's package that are
// not here escape text for pages, which this is not.
func functions() map[string]function {
	text, yes, num := reflect.TypeFor[string](), reflect.TypeFor[bool](), reflect.TypeFor[int]()
	return map[string]function{
		"figure": {1, 1, text}, "verdict": {1, 1, text}, "input": {1, 1, text},
		"print": {0, -1, text}, "printf": {1, -1, text}, "println": {0, -1, text},
		"and": {1, -1, nil}, "or": {1, -1, nil}, "not": {1, 1, yes}, "len": {1, 1, num},
		"eq": {2, -1, yes}, "ne": {2, 2, yes}, "lt": {2, 2, yes}, "le": {2, 2, yes}, "gt": {2, 2, yes}, "ge": {2, 2, yes},
		"index": {1, -1, nil}, "slice": {1, 4, nil},
	}
}

// call looks at a call of a function.
func (c *compiler) call(fn *parse.IdentifierNode, args []parse.Node, piped bool, last reflect.Type, s scope) reflect.Type {
	f, ok := functions()[fn.Ident]
	if !ok {
		known := slices.Sorted(maps.Keys(functions()))
		c.misnamed(fn.Pos, "templates have no function "+fn.Ident, "write one of "+orList(known), fn.Ident, known)
		return nil
	}
	n := len(args)
	if piped {
		n++
	}
	if n < f.least || f.most >= 0 && n > f.most {
		c.fault(fn.Pos, fmt.Sprintf("%s takes %s, not %d", fn.Ident, arguments(f.least, f.most), n), "write {{"+fn.Ident+sampleArguments(f.least)+"}}")
		return nil
	}
	var types []reflect.Type
	for _, a := range args {
		types = append(types, c.operand(a, 0, s))
	}
	if piped {
		types = append(types, last)
	}
	switch fn.Ident {
	case "figure", "verdict", "input":
		c.named(fn, args)
	case "and", "or", "index", "slice":
		return common(fn.Ident, types)
	}
	return f.out
}

// named remembers an input or a check, which must be named as it is: what a
// template asks is known before it is filled.
func (c *compiler) named(fn *parse.IdentifierNode, args []parse.Node) {
	what := "a check"
	if fn.Ident == "input" {
		what = "an input"
	}
	var name *parse.StringNode
	if len(args) == 1 {
		name, _ = args[0].(*parse.StringNode)
	}
	if name == nil {
		c.fault(fn.Pos, fmt.Sprintf("%s takes the name of %s, in quotes", fn.Ident, what), fmt.Sprintf("write {{%s \"name\"}}", fn.Ident))
		return
	}
	line, column := Place(c.src, int(name.Pos))
	c.refs = append(c.refs, Ref{Func: fn.Ident, Name: name.Text, Line: line, Column: column})
}

// common is the type of what comes of values of these types, if that is known.
func common(fn string, types []reflect.Type) reflect.Type {
	t := types[0]
	switch {
	case t == nil:
		return nil
	case fn == "index" && t.Kind() == reflect.Slice && len(types) == 2:
		return t.Elem()
	case fn == "slice" && (t.Kind() == reflect.Slice || t.Kind() == reflect.String):
		return t
	case fn == "index" || fn == "slice":
		return nil
	}
	for _, u := range types {
		if u != t {
			return nil
		}
	}
	return t
}

func arguments(least, most int) string {
	switch {
	case most == 1:
		return "one argument"
	case least == most:
		return fmt.Sprintf("%d arguments", least)
	case most < 0:
		return fmt.Sprintf("%d arguments or more", least)
	}
	return fmt.Sprintf("%d to %d arguments", least, most)
}

func sampleArguments(n int) string {
	return strings.Repeat(` "…"`, n)
}

// calls are the functions as they are called, in one filling: all texts that
// they make have a bound in common.
func calls(inputs func(string) string, figures func(string) (Figure, bool)) template.FuncMap {
	made := 0
	bounded := func(text string) (string, error) {
		if made += len(text); made > maxFilled {
			return "", errTooLong
		}
		return text, nil
	}
	asked := func(name string) Figure {
		if f, ok := figures(name); ok {
			return f
		}
		return Figure{Text: "unknown (it was not asked)", Verdict: "unknown"}
	}
	return template.FuncMap{
		"figure":  func(check string) string { return asked(check).Text },
		"verdict": func(check string) string { return asked(check).Verdict },
		"input":   inputs,
		"print":   func(a ...any) (string, error) { return bounded(fmt.Sprint(a...)) },
		"println": func(a ...any) (string, error) { return bounded(fmt.Sprintln(a...)) },
		"printf":  func(format string, a ...any) (string, error) { return bounded(fmt.Sprintf(format, a...)) },
	}
}

func dotted(words []string) []string {
	out := make([]string, len(words))
	for i, w := range words {
		out[i] = "." + w
	}
	return out
}

func orList(words []string) string {
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	return strings.Join(words[:len(words)-1], ", ") + " or " + words[len(words)-1]
}
