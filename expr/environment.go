package expr

import (
	"fmt"
	"sync"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/functions"
)

// base is the environment without variables. It is made once, as making it
// costs more than compiling an expression, and never changes.
var base = sync.OnceValues(func() (*cel.Env, error) {
	opts := []cel.EnvOption{
		cel.CrossTypeNumericComparisons(true),
		cel.DefaultUTCTimeZone(true),
		cel.ParserRecursionLimit(50),
		cel.ParserErrorRecoveryLimit(maxErrors),
		cel.ParserExpressionSizeLimit(maxText),
		cel.ExpressionNodeLimit(maxText),
		cel.RegexProgramSizeLimit(maxRegex),
	}
	for name, op := range map[string]functions.BinaryOp{
		strictAdd: add, strictSub: subtract, strictMul: multiply, strictDiv: divide,
	} {
		opts = append(opts, binary(name, cel.DynType, op))
	}
	for name, op := range map[string]functions.BinaryOp{
		strictEq: equal, strictNe: notEqual, strictIn: isIn,
		strictLt: less, strictLe: lessOrEqual, strictGt: greater, strictGe: greaterOrEqual,
	} {
		opts = append(opts, binary(name, cel.BoolType, op))
	}
	return cel.NewEnv(opts...)
})

func binary(name string, result *cel.Type, op functions.BinaryOp) cel.EnvOption {
	return cel.Function(name, cel.Overload(name+"_dyn", []*cel.Type{cel.DynType, cel.DynType}, result, cel.BinaryBinding(op)))
}

func environment(vars []string) (*cel.Env, error) {
	env, err := base()
	if err != nil {
		return nil, fmt.Errorf("making the expression language: %w", err)
	}
	opts := make([]cel.EnvOption, len(vars))
	for i, name := range vars {
		opts[i] = cel.Variable(name, cel.DynType)
	}
	return env.Extend(opts...)
}
