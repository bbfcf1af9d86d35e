package files

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v4"
)

// The ways in which a scalar is written; a text over several lines is written
// as its header says: "|- 4" is |- with four spaces before each line, and
// "|- 4 crlf" with the line ends of Windows.
const (
	asPlain  = "plain"
	asSingle = "single"
	asDouble = "double"
)

// textAs writes a value in a way; ok is false where it cannot be.
func textAs(v any, as string) (text string, ok bool) {
	s, isText := v.(string)
	switch as {
	case asPlain:
		switch v := v.(type) {
		case nil:
			return "null", true
		case bool:
			return strconv.FormatBool(v), true
		case json.Number:
			return v.String(), true
		case tagged:
			return v.text, !strings.ContainsAny(v.text, "\n")
		}
		return s, isText
	case asSingle:
		if !isText || strings.ContainsFunc(s, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f || r > 0x7f && !strconv.IsPrint(r) }) {
			return "", false
		}
		return "'" + strings.ReplaceAll(s, "'", "''") + "'", true
	case asDouble:
		if !isText {
			return "", false
		}
		return quoted(s), true
	}
	switch {
	case !isText:
		return "", false
	case strings.HasPrefix(as, "|"):
		return literal(s, as)
	}
	return envAs(s, as)
}

// quoted is JSON's form, which YAML reads too.
func quoted(s string) string {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(s); err != nil {
		panic("files: a text has no JSON form: " + err.Error())
	}
	text := strings.TrimSuffix(b.String(), "\n")
	// JSON leaves these as they are, and YAML takes them for line ends or
	// does not allow them.
	return strings.NewReplacer("\u0085", `\u0085`, "\x7f", `\u007f`, "\ufeff", `\ufeff`).Replace(text)
}

func literal(s, as string) (string, bool) {
	var spaces int
	var crlf string
	head, rest, _ := strings.Cut(as, " ")
	if _, err := fmt.Sscanf(rest+" lf", "%d %s", &spaces, &crlf); err != nil || !strings.HasPrefix(head, "|") || strings.ContainsAny(s, "\r\u0085\u2028\u2029") {
		return "", false
	}
	nl := "\n"
	if crlf == "crlf" {
		nl = "\r\n"
	}
	body := strings.TrimRight(s, "\n")
	ends := len(s) - len(body)
	switch {
	case body == "" || strings.HasPrefix(body, " ") || strings.HasPrefix(body, "\n"):
		return "", false
	case strings.Contains(head, "+"):
		body += strings.Repeat("\n", max(ends-1, 0))
		if ends == 0 {
			return "", false
		}
	case strings.Contains(head, "-") && ends != 0, !strings.Contains(head, "-") && ends != 1:
		return "", false
	}
	var b strings.Builder
	b.WriteString(head)
	for line := range strings.SplitSeq(body, "\n") {
		b.WriteString(nl)
		if line != "" {
			b.WriteString(strings.Repeat(" ", spaces) + line)
		}
	}
	return b.String(), true
}

// style is how a scalar is written now.
func (d *yamlDoc) style(n *yaml.Node, at, end int) string {
	switch {
	case n.Style&yaml.DoubleQuotedStyle != 0:
		return asDouble
	case n.Style&yaml.SingleQuotedStyle != 0:
		return asSingle
	case n.Style&(yaml.LiteralStyle|yaml.FoldedStyle) == 0:
		return asPlain
	}
	text := string(d.src[at:end])
	header, body, _ := strings.Cut(text, "\n")
	as := strings.TrimSuffix(header, "\r") + " " + strconv.Itoa(max(len(body)-len(strings.TrimLeft(body, " ")), 1))
	if strings.HasSuffix(header, "\r") {
		as += " crlf"
	}
	return as
}

// surroundings are where a value is to stand.
type surroundings struct {
	flow bool // in brackets
	json bool // among keys in double quotes: JSON, most likely
}

// text writes a value on one line, a scalar in the way of the one before if
// that can be.
func (w surroundings) text(v any, was string) string {
	switch v := v.(type) {
	case string:
		return w.string(v, was)
	case []any:
		inner := surroundings{true, w.json}
		parts := make([]string, len(v))
		for i, e := range v {
			parts[i] = inner.text(e, "")
		}
		return "[" + strings.Join(parts, ", ") + "]"
	case map[string]any:
		inner := surroundings{true, w.json}
		parts := make([]string, 0, len(v))
		for _, k := range slices.Sorted(maps.Keys(v)) {
			parts = append(parts, inner.key(k)+": "+inner.text(v[k], ""))
		}
		return "{" + strings.Join(parts, ", ") + "}"
	}
	text, _ := textAs(v, asPlain)
	return text
}

func (w surroundings) string(s, was string) string {
	if w.json {
		return quoted(s)
	}
	if was == asSingle || strings.HasPrefix(was, "|") {
		if text, ok := textAs(s, was); ok {
			return text
		}
	}
	if was == asDouble || !w.bare(s) {
		return quoted(s)
	}
	return s
}

func (w surroundings) key(name string) string { return w.string(name, "") }

var (
	harmless = regexp.MustCompile(`^[A-Za-z0-9_./+-]([A-Za-z0-9_./ @%+=~(){}\[\],;&*!?<>|$'"-]|:[A-Za-z0-9_./@%+$-])*$`)
	brackets = regexp.MustCompile(`[][{},]`)
	// numeric is what YAML 1.1 or 1.2, or a parser that is lax with them, may
	// take for a number, a date or a time.
	numeric = regexp.MustCompile(`^[-+]?([0-9.][0-9_.,:]*([eE][-+]?[0-9]*)?|0[xob][0-9A-Fa-f_]*|\.(inf|Inf|INF|nan|NaN|NAN))$|^[0-9]{4}-[0-9]`)
	dotted  = regexp.MustCompile(`^[0-9]+(\.[0-9]+){2,}(:[0-9]+)?$`) // 10.0.0.1, 1.2.3
)

// bare reports whether a text is that text for every YAML parser without
// quotes.
func (w surroundings) bare(s string) bool {
	switch strings.ToLower(s) {
	case "y", "n", "yes", "no", "on", "off", "true", "false", "null", "nan", "inf", "-", "---", "...", "=":
		return false
	}
	if !harmless.MatchString(s) || strings.HasSuffix(s, " ") || strings.HasPrefix(s, "- ") || strings.HasPrefix(s, "--- ") ||
		strings.HasPrefix(s, "... ") || numeric.MatchString(s) && !dotted.MatchString(s) || w.flow && brackets.MatchString(s) {
		return false
	}
	var n yaml.Node
	if yaml.Unmarshal([]byte("k: "+s), &n) != nil {
		return false
	}
	value := n.Content[0].Content[1]
	return value.Kind == yaml.ScalarNode && value.ShortTag() == "!!str" && value.Value == s
}
