package files

import (
	"bytes"
	"errors"
	"fmt"
	"regexp"
	"strings"
)

// The ways in which a value of a KEY=VALUE line is written.
const (
	asBare         = "bare"
	asSingleQuoted = "'"
	asDoubleQuoted = "\""
	// Only as something is found, never as it is written anew.
	asEscaped = "\"\\"
)

// envAs writes a value just so.
func envAs(s, as string) (text string, ok bool) {
	ok = !strings.ContainsAny(s, "\x00")
	switch as {
	case asBare:
		return s, ok && !strings.ContainsAny(s, "\n\r")
	case asSingleQuoted, asDoubleQuoted:
		return as + s + as, ok && !strings.Contains(s, as)
	case asEscaped:
		return `"` + escaper.Replace(s) + `"`, ok
	}
	return "", false
}

var escaper = strings.NewReplacer(`"`, `\"`, `\`, `\\`, "$", `\$`, "`", "\\`")

var harmlessBare = regexp.MustCompile(`^[A-Za-z0-9_./:@%+,=-]*$`)

// envText writes a value; ok is false where sh, dotenv and systemd would not
// all read it back.
func envText(s, as string) (string, bool) {
	switch as {
	case asBare:
		return s, harmlessBare.MatchString(s)
	case asSingleQuoted:
		// A backslash before another, or before the quote, is one of its own
		// only for some.
		bad := strings.ContainsAny(s, "'\n\r\x00") || strings.Contains(s, `\\`) || strings.HasSuffix(s, `\`)
		return "'" + s + "'", !bad
	case asDoubleQuoted:
		return `"` + s + `"`, !strings.ContainsAny(s, "\"\\$`\n\r\x00")
	}
	return "", false
}

// envValueError says why a value cannot be written.
func envValueError(s string) error {
	for _, as := range []string{asBare, asSingleQuoted, asDoubleQuoted} {
		if _, ok := envText(s, as); ok {
			return nil
		}
	}
	if strings.ContainsAny(s, "\n\r") {
		return errors.New("it has a line end, which a KEY=VALUE file cannot hold")
	}
	return errors.New(`there are no quotes for it that sh, dotenv and systemd read alike: it has ' together with one of " $ \ or a backquote, or backslashes in a row or at its end`)
}

func (d *envDoc) set(k keyPath, value any) ([]splice, error) {
	s, ok := value.(string)
	if !ok {
		return nil, fmt.Errorf("%s: its value is no text", k)
	}
	name := k[0].key
	v, there := d.last(name)
	styles := []string{asBare, asSingleQuoted, asDoubleQuoted}
	switch {
	case there && v.wrong != "":
		return nil, d.refuse(v, v.wrong)
	case v.quote == '"':
		styles = []string{asDoubleQuoted, asSingleQuoted, asBare}
	case v.quote == '\'':
		styles = []string{asSingleQuoted, asDoubleQuoted, asBare}
	}
	for _, as := range styles {
		text, ok := envText(s, as)
		switch {
		case !ok:
		case there:
			return []splice{{v.begin, v.end, text}}, nil
		default:
			return d.add(name + "=" + text), nil
		}
	}
	return nil, fmt.Errorf("%s: %w", k, envValueError(s))
}

// add writes a line at the end, with export if the line before has it.
func (d *envDoc) add(line string) []splice {
	at := len(d.src)
	if n := len(d.vars); n > 0 && d.vars[n-1].export {
		line = "export " + line
	}
	nl := newline(d.src, at)
	if at == 0 || bytes.HasSuffix(d.src, []byte("\n")) {
		return []splice{{at, at, line + nl}}
	}
	return []splice{{at, at, nl + line}}
}

// unset takes the line of a variable out. With two of them, the one before
// would count then.
func (d *envDoc) unset(k keyPath) ([]splice, error) {
	var found []variable
	for _, v := range d.vars {
		if v.name == k[0].key {
			found = append(found, v)
		}
	}
	if len(found) == 0 {
		return nil, nil
	}
	v := found[len(found)-1]
	switch {
	case len(found) > 1:
		return nil, &placed{place(d.name, d.src, v.line), fmt.Sprintf("%s is given %d times, first on line %d", v.name, len(found), lineOf(d.src, found[0].line)), "keep one of them"}
	case v.wrong != "":
		return nil, d.refuse(v, v.wrong)
	}
	start, stop := v.line, nextLine(d.src, v.end)
	if stop == len(d.src) && !bytes.HasSuffix(d.src, []byte("\n")) { // no line end at the end, as before
		start = lineEndBefore(d.src, start)
	}
	return []splice{{start, stop, ""}}, nil
}

func lineOf(src []byte, at int) int { return 1 + bytes.Count(src[:at], []byte("\n")) }

func (d *envDoc) before(k keyPath) string {
	last := ""
	for _, v := range d.vars {
		if v.name == k[0].key {
			break
		}
		last = v.name
	}
	return last
}

func (d *envDoc) putBack(_ keyPath, after, text string) ([]splice, error) {
	at := 0
	if bytes.HasPrefix(d.src, bom) {
		at = len(bom)
	}
	if after != "" {
		v, ok := d.last(after)
		if !ok {
			return nil, fmt.Errorf("%s is gone, behind which it stood", after)
		}
		at = nextLine(d.src, v.end)
	}
	return []splice{{at, at, text}}, nil
}
