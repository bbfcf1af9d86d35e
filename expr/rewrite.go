package expr

import (
	"slices"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/types"
)

// Names of the strict operators; none of them can be written in an expression.
const (
	strictAdd = "@add"
	strictSub = "@sub"
	strictMul = "@mul"
	strictDiv = "@div"
	strictEq  = "@eq"
	strictNe  = "@ne"
	strictLt  = "@lt"
	strictLe  = "@le"
	strictGt  = "@gt"
	strictGe  = "@ge"
	strictIn  = "@isin"
)

// rewrite replaces calls within an expression, innermost first.
func rewrite(e ast.Expr, how func(ast.Expr)) {
	ast.PostOrderVisit(e, ast.NewExprVisitor(func(e ast.Expr) {
		if e.Kind() == ast.CallKind {
			how(e)
		}
	}))
}

// arithmetic is replaced before types are checked, since plain CEL refuses
// 2 * 1.5. Lists that macros build are left alone: CEL appends to them in place.
func arithmetic(e ast.Expr) {
	names := map[string]string{operators.Add: strictAdd, operators.Subtract: strictSub, operators.Multiply: strictMul, operators.Divide: strictDiv}
	call := e.AsCall()
	name, ok := names[call.FunctionName()]
	if !ok || slices.ContainsFunc(call.Args(), func(a ast.Expr) bool { return a.Kind() == ast.ListKind }) {
		return
	}
	e.SetKindCase(ast.NewExprFactory().NewCall(e.ID(), name, call.Args()...))
}

// comparison is replaced after types are checked, so that 'a' < 1 is still
// told when the runbook is read.
func comparison(e ast.Expr) {
	f := ast.NewExprFactory()
	call := e.AsCall()
	args := call.Args()
	switch call.FunctionName() {
	case operators.LogicalAnd: // a && b: a ? b : false
		e.SetKindCase(f.NewCall(e.ID(), operators.Conditional, args[0], args[1], f.NewLiteral(e.ID(), types.False)))
		return
	case operators.LogicalOr: // a || b: a ? true : b
		e.SetKindCase(f.NewCall(e.ID(), operators.Conditional, args[0], f.NewLiteral(e.ID(), types.True), args[1]))
		return
	}
	names := map[string]string{
		operators.Equals: strictEq, operators.NotEquals: strictNe, operators.In: strictIn,
		operators.Less: strictLt, operators.LessEquals: strictLe, operators.Greater: strictGt, operators.GreaterEquals: strictGe,
	}
	if name, ok := names[call.FunctionName()]; ok {
		e.SetKindCase(f.NewCall(e.ID(), name, args...))
	}
}

// plan makes a checked expression strict, and executable within limits.
func plan(env *cel.Env, checked *ast.AST) (cel.Program, error) {
	rewrite(checked.Expr(), comparison)
	strict := ast.NewAST(checked.Expr(), checked.SourceInfo())
	return env.PlanProgram(strict, cel.CostLimit(maxCost), cel.CostTracking(bySize{}), cel.InterruptCheckFrequency(16))
}

// consulted lists the variables that an expression uses, in order.
func consulted(a *ast.AST, vars []string) []string {
	var out []string
	for _, ref := range a.ReferenceMap() {
		if slices.Contains(vars, ref.Name) && !slices.Contains(out, ref.Name) {
			out = append(out, ref.Name)
		}
	}
	slices.Sort(out)
	return out
}
