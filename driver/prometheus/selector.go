package prometheus

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// A selector picks series by name and labels: name{label="value",other=~"a|b"}.
type selector struct {
	text, name string
	matchers   []matcher
}

type matcher struct {
	label, op, value string
	pattern          *regexp.Regexp
}

var (
	metricName = regexp.MustCompile(`^[a-zA-Z_:][a-zA-Z0-9_:]*`)
	matchForm  = regexp.MustCompile(`^\s*([a-zA-Z_][a-zA-Z0-9_]*)\s*(=~|!~|!=|=)\s*("(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')\s*(,|})`)
)

func parseSelector(text string) (selector, error) {
	text = strings.TrimSpace(text)
	s := selector{text: text, name: metricName.FindString(text)}
	rest := strings.TrimSpace(text[len(s.name):])
	switch {
	case s.name == "":
		return s, errors.New("a selector begins with the name of a metric")
	case rest == "" || strings.ReplaceAll(rest, " ", "") == "{}":
		return s, nil
	case rest[0] != '{':
		return s, fmt.Errorf("%q is not a plain selector: write name{label=\"value\"}, without functions", text)
	}
	for rest = rest[1:]; strings.TrimSpace(rest) != ""; {
		m := matchForm.FindStringSubmatch(rest)
		if m == nil {
			return s, fmt.Errorf("%q cannot be read from %q on: write label=\"value\"", text, rest)
		}
		value, err := unquote(m[3])
		if err != nil {
			return s, fmt.Errorf("%q: the value %s: %w", text, m[3], err)
		}
		one := matcher{label: m[1], op: m[2], value: value}
		if strings.HasSuffix(one.op, "~") {
			if one.pattern, err = regexp.Compile("^(?s:" + value + ")$"); err != nil {
				return s, fmt.Errorf("%q: %w", text, err)
			}
		}
		s.matchers = append(s.matchers, one)
		rest = rest[len(m[0]):]
		if m[4] == "}" {
			if strings.TrimSpace(rest) != "" {
				return s, fmt.Errorf("%q goes on after its }: %q", text, rest)
			}
			return s, nil
		}
		if strings.TrimSpace(rest) == "}" { // a last comma may stand
			return s, nil
		}
	}
	return s, fmt.Errorf("%q lacks its }", text)
}

func unquote(s string) (string, error) {
	if s[0] == '\'' {
		inner := strings.ReplaceAll(s[1:len(s)-1], `\'`, `'`)
		s = `"` + strings.ReplaceAll(inner, `"`, `\"`) + `"`
	}
	return strconv.Unquote(s)
}

// matches reports whether labels are what s picks; a label that is not there
// is empty, as in PromQL.
func (s selector) matches(labels map[string]string) bool {
	if labels["__name__"] != s.name {
		return false
	}
	for _, m := range s.matchers {
		v := labels[m.label]
		hit := v == m.value
		if m.pattern != nil {
			hit = m.pattern.MatchString(v)
		}
		if hit == strings.HasPrefix(m.op, "!") {
			return false
		}
	}
	return true
}

func (s selector) pick(all []series) []series {
	var out []series
	for _, one := range all {
		if s.matches(one.labels) {
			out = append(out, one)
		}
	}
	return out
}
