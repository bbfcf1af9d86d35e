package diff

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/segue-run/segue/secret"
)

// A Kind is in which way two answers differ.
type Kind string

// The kinds of differences.
const (
	Missing  Kind = "missing"  // the new system has it not
	Extra    Kind = "extra"    // the old system has it not
	Type     Kind = "type"     // text where a number was, say
	Value    Kind = "value"    // another value
	Rounding Kind = "rounding" // the same number with fewer decimals
	Order    Kind = "order"    // the same items in another order
	Time     Kind = "time"     // another moment
	Zone     Kind = "zone"     // the same moment, written in another zone
	Status   Kind = "status"
	Header   Kind = "header"
	Body     Kind = "body"    // what is no JSON, or only on one side, or cannot be brought into the new shape
	Silence  Kind = "silence" // one system did not answer
)

// A Difference is a place where two answers differ.
type Difference struct {
	Path   string // where: robots[id=r7].status
	Field  string // the same of any item: robots[*].status
	Kind   Kind
	Legacy string // what is there, shortened; "" where nothing is
	New    string
}

// excerptMost is how many characters of a value are shown.
const excerptMost = 80

// excerpt is a value for people; what has the name of a secret is hidden.
func excerpt(name string, v any) string {
	if secret.Looks(name) {
		return secret.Mask
	}
	var text string
	switch v := v.(type) {
	case map[string]any, []any:
		raw, err := json.Marshal(hidden(v))
		if err != nil {
			return fmt.Sprintf("a value that cannot be shown: %v", err)
		}
		text = string(raw)
	case string:
		text = fmt.Sprintf("%q", v)
	case nil:
		return "null"
	default:
		text = fmt.Sprint(v)
	}
	return shorten(text)
}

func shorten(text string) string {
	text = strings.ToValidUTF8(text, "�")
	if r := []rune(text); len(r) > excerptMost {
		return string(r[:excerptMost]) + "…"
	}
	return text
}

// hidden is a copy of a document without its secrets.
func hidden(v any) any {
	switch v := v.(type) {
	case map[string]any:
		out := make(map[string]any, len(v))
		for name, m := range v {
			if secret.Looks(name) {
				out[name] = secret.Mask
				continue
			}
			out[name] = hidden(m)
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, m := range v {
			out[i] = hidden(m)
		}
		return out
	}
	return v
}
