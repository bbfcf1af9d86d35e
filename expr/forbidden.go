package expr

import (
	"regexp"

	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/types"
)

// forbidden finds what an expression may not hold although CEL would take it:
// null, since comparing with it is always unknown, and patterns that no
// evaluation could use.
func forbidden(a *ast.AST) Errors {
	var out Errors
	report := func(e ast.Expr, problem string) {
		at := a.SourceInfo().GetStartLocation(e.ID())
		if len(out) < maxErrors {
			out = append(out, Error{max(1, at.Line()), max(1, at.Column()+1), problem, ""})
		}
	}
	ast.PostOrderVisit(a.Expr(), ast.NewExprVisitor(func(e ast.Expr) {
		switch e.Kind() {
		case ast.LiteralKind:
			if e.AsLiteral() == types.NullValue {
				report(e, "null cannot be compared with: what is null is unknown; ask has(x.y), or let the source answer it (select y is null as missing)")
			}
		case ast.CallKind:
			call := e.AsCall()
			if args := call.Args(); call.FunctionName() == "matches" && len(args) > 0 && args[len(args)-1].Kind() == ast.LiteralKind {
				pattern, ok := args[len(args)-1].AsLiteral().(types.String)
				if !ok {
					return
				}
				if _, err := regexp.Compile(string(pattern)); err != nil {
					report(args[len(args)-1], "the pattern is wrong: "+err.Error())
				}
			}
		}
	}))
	return out
}
