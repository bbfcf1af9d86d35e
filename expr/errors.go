package expr

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	"cel.dev/cel-go/cel"
)

// An Error says what is wrong with an expression, and where in its text.
type Error struct {
	Line, Column int // from 1; columns count characters
	Problem      string
	Name         string // the name that is not known, if that is the problem
}

func (e *Error) Error() string { return fmt.Sprintf("%d:%d: %s", e.Line, e.Column, e.Problem) }

// Errors is what Compile returns.
type Errors []Error

func (e Errors) Error() string {
	lines := make([]string, len(e))
	for i := range e {
		lines[i] = e[i].Error()
	}
	return strings.Join(lines, "\n")
}

const maxErrors = 5

func errorsOf(issues *cel.Issues) Errors {
	var out Errors
	for _, err := range issues.Errors() {
		if len(out) == maxErrors {
			break
		}
		problem, name := plainly(err.Message)
		out = append(out, Error{max(1, err.Location.Line()), max(1, err.Location.Column()+1), problem, name})
	}
	if len(out) == 0 {
		out = Errors{{1, 1, issues.Err().Error(), ""}}
	}
	return out
}

var (
	undeclared = regexp.MustCompile(`^undeclared reference to '([^']*)'`)
	overload   = regexp.MustCompile(`^found no matching overload for '([^']*)' applied to '([^']*)'`)
)

// plainly says what CEL says in the words of one who writes runbooks.
func plainly(message string) (problem, name string) {
	if m := undeclared.FindStringSubmatch(message); m != nil {
		return "nothing is called " + m[1], m[1]
	}
	if m := overload.FindStringSubmatch(message); m != nil {
		return fmt.Sprintf("%s does not work on %s", operatorName(m[1]), m[2]), ""
	}
	message = strings.TrimPrefix(message, "Syntax error: ")
	if i := strings.Index(message, " expecting {"); i >= 0 {
		message = message[:i] + " here"
	}
	return "the expression is wrong: " + message, ""
}

func operatorName(s string) string { return strings.Trim(strings.TrimPrefix(s, "@"), "_") }

// readable takes the wrapping off an evaluation's error.
func readable(err error) error {
	for {
		inner := errors.Unwrap(err)
		switch {
		case inner == nil && err.Error() == "no such overload":
			return errors.New("a value is of the wrong kind")
		case inner == nil:
			return err
		}
		err = inner
	}
}
