// Package expr evaluates the expressions of checks: CEL, answered in three
// values. What an expression looks at and does not find (a row that is not
// there, a null, a NaN, a type that does not fit) makes its verdict unknown,
// never pass, whatever the rest of the expression says.
//
// Plain CEL answers true to `error || true`, to `null != 5` and to
// `!(NaN > 5)`, and 0 to `5 / 100`. A gate must not. So the operators are
// replaced, once an expression is parsed, by strict ones:
//
//   - && and || look at the left side first, stop when it decides, and pass
//     an error on.
//   - ==, !=, in, <, <=, > and >= are errors on null, NaN and values of
//     different kinds. Whole numbers and fractions compare as numbers.
//   - +, - and * mix whole numbers and fractions; / divides exactly, and
//     dividing by zero is an error.
package expr

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"

	"github.com/segue-run/segue/evidence"
)

const (
	maxText  = 4096 // bytes of an expression
	maxCost  = 1_000_000
	maxTime  = time.Second // for one evaluation; only hostile ones come near
	maxRegex = 1000        // instructions of a compiled pattern
)

// An Expr is a compiled expression. It is safe for concurrent use.
type Expr struct {
	text string
	vars []string
	prog cel.Program
}

// Compile compiles an expression over variables, which are dynamically typed.
// The error is [Errors]. An expression must be able to be true or false, and
// must look at a variable.
func Compile(text string, vars []string) (*Expr, error) {
	return compile(text, vars, func(t *cel.Type) error {
		if !t.IsExactType(cel.BoolType) && !t.IsExactType(cel.DynType) {
			return fmt.Errorf("the expression gives %s, not true or false", t)
		}
		return nil
	})
}

func compile(text string, vars []string, fits func(*cel.Type) error) (*Expr, error) {
	if len(text) > maxText {
		return nil, Errors{{1, 1, fmt.Sprintf("the expression has %d bytes; it may have %d at most", len(text), maxText), ""}}
	}
	env, err := environment(vars)
	if err != nil {
		return nil, Errors{{1, 1, err.Error(), ""}}
	}
	parsed, issues := env.Parse(text)
	if issues.Err() != nil {
		return nil, errorsOf(issues)
	}
	root := parsed.NativeRep().Expr()
	if errs := forbidden(parsed.NativeRep()); len(errs) > 0 {
		return nil, errs
	}
	rewrite(root, arithmetic)
	checked, issues := env.Check(parsed)
	if issues.Err() != nil {
		return nil, errorsOf(issues)
	}
	if err := fits(checked.OutputType()); err != nil {
		return nil, Errors{{1, 1, err.Error(), ""}}
	}
	used := consulted(checked.NativeRep(), vars)
	if len(used) == 0 {
		return nil, Errors{{1, 1, "the expression looks at nothing: it uses none of its variables", ""}}
	}
	prog, err := plan(env, checked.NativeRep())
	if err != nil {
		return nil, Errors{{1, 1, err.Error(), ""}}
	}
	return &Expr{text: text, vars: used, prog: prog}, nil
}

// Text is the expression as written.
func (e *Expr) Text() string { return e.text }

// Vars lists the variables that the expression looks at, in order.
func (e *Expr) Vars() []string { return slices.Clone(e.vars) }

// Eval answers the expression. The verdict is Unknown, with an error that says
// why, when a variable that it uses is missing or null, holds a NaN anywhere,
// or when what it looks at within one is not there, null or of the wrong kind.
func (e *Expr) Eval(vars map[string]any) (evidence.Verdict, error) {
	ctx, cancel := context.WithTimeout(context.Background(), maxTime)
	defer cancel()
	out, err := e.eval(ctx, vars)
	if err != nil {
		return evidence.Unknown, err
	}
	switch out {
	case types.True:
		return evidence.Pass, nil
	case types.False:
		return evidence.Fail, nil
	}
	return evidence.Unknown, fmt.Errorf("the expression is %s, not true or false", kindName(out))
}

func (e *Expr) eval(ctx context.Context, vars map[string]any) (ref.Val, error) {
	input := make(map[string]any, len(e.vars))
	for _, name := range e.vars {
		v, ok := vars[name]
		if !ok || v == nil {
			return nil, fmt.Errorf("there is no %s", name)
		}
		val, err := convert(v)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		if val == types.NullValue {
			return nil, fmt.Errorf("there is no %s", name)
		}
		input[name] = val
	}
	out, _, err := e.prog.ContextEval(ctx, input)
	if err != nil {
		return nil, readable(err)
	}
	if types.IsUnknownOrError(out) {
		return nil, errors.New("the expression has no answer")
	}
	return out, nil
}
