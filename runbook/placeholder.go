package runbook

import (
	"fmt"
	"regexp"

	"go.yaml.in/yaml/v4"
)

// placeholders are what stands where nobody has written the real thing yet.
var placeholders = []struct {
	form *regexp.Regexp
	what string
}{
	{regexp.MustCompile(`<[^<>@]*>|\[[^\[\]]*\]|\{[^{}]*\}|_{3,}|\.{3,}|…|\?{2,}`), "a gap to be filled in"},
	{regexp.MustCompile(`(?i)(^|[^a-z])(tbd|tba|tbc|todo|fixme|x{3,}|n/a|change[-_ ]?me|place[-_ ]?holder|dummy|lorem|your[-_ ](name|phone|number|e-?mail|address))([^a-z]|$)`), "a word for what is not known yet"},
	// RFC 2606 and RFC 6761 keep these names for examples.
	{regexp.MustCompile(`(?i)(^|[@./])example\.(com|org|net|edu)\b|\.(example|invalid|test)\b`), "an address that only examples have"},
	// Exchange 555 of North America is kept for films and manuals.
	{regexp.MustCompile(`(^|[^0-9])555[-. )]*[0-9]{4}([^0-9]|$)|555[-. ]*01[0-9]{2}`), "a number that only films have"},
	{regexp.MustCompile(`(?:0[-. ]?){7,}|123[-. ]?456[-. ]?7`), "a number that nobody has"},
}

// placeholder says what makes a text one, "" when it is real.
func placeholder(text string) string {
	for _, p := range placeholders {
		if found := p.form.FindString(text); found != "" {
			return p.what
		}
	}
	return ""
}

// genuine reports a placeholder where something real is needed: in an
// emergency nobody has the time to look for it.
func (p *parser) genuine(n *yaml.Node, path, name, text string) bool {
	what := placeholder(text)
	if what == "" {
		return true
	}
	p.fault(n, path, fmt.Sprintf("%s is a placeholder: %s is %s", name, quote(text), what), "write who or what is really reached")
	return false
}

// real is the text of a key that must be no placeholder.
func (m *mapping) real(key string) string {
	if !m.has(key) {
		return ""
	}
	before := m.sampled
	m.sampled = false
	text := m.said(key)
	if !m.sampled && text != "" {
		m.p.genuine(m.vals[key], m.at(key), key, text)
	}
	m.sampled = m.sampled || before
	return text
}
