package files

import (
	"bytes"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"unicode/utf8"
)

// envDoc is a file of KEY=VALUE lines: what dotenv, systemd's EnvironmentFile
// and a shell that sources it have in common.
type envDoc struct {
	name string
	src  []byte
	vars []variable
}

// A variable is one assignment; begin and end are its value's, with quotes.
type variable struct {
	name       string
	line       int // where its line begins
	export     bool
	begin, end int
	quote      byte // ' or ", or 0
	value      string
	wrong      string // why it is not known what its value is; "" if it is
}

// envFormat reads KEY=VALUE lines. What is neither that nor a comment is left
// as it is.
func envFormat(name string, src []byte) (document, error) {
	d := &envDoc{name: name, src: src}
	if bytes.IndexByte(src, 0) >= 0 {
		return nil, fmt.Errorf("%s is no text", name)
	}
	at := 0
	if bytes.HasPrefix(src, bom) {
		at = len(bom)
	}
	for at < len(src) {
		v, ok := d.assignment(at)
		if !ok {
			at = d.afterContinued(at)
			continue
		}
		d.vars = append(d.vars, v)
		at = nextLine(src, v.end)
	}
	return d, nil
}

// afterContinued goes over a line that goes on behind a backslash.
func (d *envDoc) afterContinued(at int) int {
	comment := bytes.HasPrefix(bytes.TrimLeft(d.src[at:lineEnd(d.src, at)], " \t"), []byte("#"))
	for !comment && bytes.HasSuffix(d.src[at:lineEnd(d.src, at)], []byte(`\`)) && nextLine(d.src, at) < len(d.src) {
		at = nextLine(d.src, at)
	}
	return nextLine(d.src, at)
}

var assigns = regexp.MustCompile(`^[ \t]*(export[ \t]+)?([A-Za-z_][A-Za-z0-9_.-]*)[ \t]*(\+?=)`)

func (d *envDoc) assignment(at int) (variable, bool) {
	m := assigns.FindSubmatchIndex(d.src[at:lineEnd(d.src, at)])
	if m == nil {
		return variable{}, false
	}
	v := variable{name: string(d.src[at+m[4] : at+m[5]]), line: at, export: m[2] >= 0}
	v.begin = blank(d.src, at+m[1])
	d.read(&v)
	if m[7]-m[6] == 2 {
		v.wrong = "it is added to with +="
	}
	return v, true
}

// read takes the value.
func (d *envDoc) read(v *variable) {
	if v.begin < len(d.src) && (d.src[v.begin] == '"' || d.src[v.begin] == '\'') {
		v.quote = d.src[v.begin]
		if d.readQuoted(v) {
			return
		}
		v.quote, v.wrong = 0, "its quote is not closed"
	}
	stop := lineEnd(d.src, v.begin)
	text := d.src[v.begin:stop]
	switch c := comment.FindIndex(text); {
	case bytes.HasPrefix(text, []byte("#")): // KEY= # comment; KEY=#x is a value
		if v.begin > 0 && (d.src[v.begin-1] == ' ' || d.src[v.begin-1] == '\t') {
			text = nil
			v.begin = len(bytes.TrimRight(d.src[:v.begin], " \t"))
		}
	case c != nil:
		text = text[:c[0]]
	}
	text = bytes.TrimRight(text, " \t")
	v.end, v.value = v.begin+len(text), string(text)
	if bytes.HasSuffix(text, []byte(`\`)) {
		v.wrong = "it goes on behind a backslash, which dotenv and shells read differently"
		v.end = lineEnd(d.src, d.afterContinued(v.line)-1)
	}
}

var comment = regexp.MustCompile(`[ \t]#`)

// readQuoted takes a value in quotes, also over several lines.
func (d *envDoc) readQuoted(v *variable) bool {
	var b strings.Builder
	for i := v.begin + 1; i < len(d.src); i++ {
		switch c := d.src[i]; {
		case c == v.quote:
			v.end, v.value = i+1, b.String()
			rest := bytes.TrimLeft(d.src[v.end:lineEnd(d.src, v.end)], " \t")
			if len(rest) > 0 && rest[0] != '#' {
				v.wrong = "something follows its quotes"
				v.end = lineEnd(d.src, v.end)
			}
			return true
		case c == '\\' && v.quote == '"' && i+1 < len(d.src) && strings.IndexByte("\"\\$`", d.src[i+1]) >= 0:
			i++
			b.WriteByte(d.src[i])
		default:
			b.WriteByte(c)
		}
	}
	return false
}

// last is the assignment of a variable that counts.
func (d *envDoc) last(name string) (variable, bool) {
	for i := len(d.vars) - 1; i >= 0; i-- {
		if d.vars[i].name == name {
			return d.vars[i], true
		}
	}
	return variable{}, false
}

func (d *envDoc) get(k keyPath) (any, bool, error) {
	v, ok := d.last(k[0].key)
	switch {
	case !ok:
		return nil, false, nil
	case v.wrong != "":
		return nil, false, d.refuse(v, v.wrong)
	case !utf8.ValidString(v.value):
		return nil, false, d.refuse(v, "its value is not UTF-8")
	}
	return v.value, true, nil
}

func (d *envDoc) look(k keyPath) (any, bool, error) { return d.get(k) }

func (d *envDoc) refuse(v variable, why string) error {
	return &placed{place(d.name, d.src, v.begin), v.name + ": " + why, "write it as KEY=value on one line"}
}

func (d *envDoc) leaves(k keyPath) []leaf {
	v, ok := d.last(k[0].key)
	if !ok || v.end == v.begin {
		return nil
	}
	as := asBare
	switch text, _ := envAs(v.value, asEscaped); {
	case v.quote == '\'':
		as = asSingleQuoted
	case v.quote == '"' && text == string(d.src[v.begin:v.end]):
		as = asEscaped
	case v.quote == '"':
		as = asDoubleQuoted
	}
	return []leaf{{v.begin, v.end, nil, as, v.value}}
}

func (d *envDoc) differs(now document, except []keyPath) error {
	to, ok := now.(*envDoc)
	if !ok {
		return errors.New("it is another kind of file")
	}
	excepted := func(name string) bool {
		for _, e := range except {
			if e[0].key == name {
				return true
			}
		}
		return false
	}
	a, b := rest(d.vars, excepted), rest(to.vars, excepted)
	for i := range max(len(a), len(b)) {
		if i >= len(a) || i >= len(b) || a[i].name != b[i].name || a[i].value != b[i].value || a[i].wrong != b[i].wrong {
			return &differing{append(b, a...)[min(i, len(a)+len(b)-1)].name, "its value"}
		}
	}
	return nil
}

func rest(vars []variable, without func(string) bool) []variable {
	var out []variable
	for _, v := range vars {
		if !without(v.name) {
			out = append(out, v)
		}
	}
	return out
}
