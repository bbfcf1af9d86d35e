package expr

import (
	"math"

	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/common/types/traits"
)

const (
	maxString  = 1 << 20 // bytes that + may build
	maxCompare = 1000    // elements that == looks at in lists and maps
)

// number returns a value as a fraction.
func number(v ref.Val) (float64, bool) {
	switch v := v.(type) {
	case types.Int:
		return float64(v), true
	case types.Uint:
		return float64(v), true
	case types.Double:
		return float64(v), true
	}
	return 0, false
}

// mixed returns two numbers as fractions when they are of different types.
func mixed(a, b ref.Val) (x, y float64, ok bool) {
	x, okX := number(a)
	y, okY := number(b)
	return x, y, okX && okY && a.Type() != b.Type()
}

func add(a, b ref.Val) ref.Val {
	if x, y, ok := mixed(a, b); ok {
		return types.Double(x + y)
	}
	left, ok := a.(traits.Adder)
	if !ok {
		return misfit("+", a, b)
	}
	if length(a)+length(b) > maxString {
		return types.NewErr("the expression builds too large a value")
	}
	return left.Add(b)
}

func length(v ref.Val) int64 {
	if s, ok := v.(traits.Sizer); ok {
		if n, ok := s.Size().(types.Int); ok {
			return int64(n)
		}
	}
	return 0
}

func subtract(a, b ref.Val) ref.Val {
	if x, y, ok := mixed(a, b); ok {
		return types.Double(x - y)
	}
	if left, ok := a.(traits.Subtractor); ok {
		return left.Subtract(b)
	}
	return misfit("-", a, b)
}

func multiply(a, b ref.Val) ref.Val {
	if x, y, ok := mixed(a, b); ok {
		return types.Double(x * y)
	}
	if left, ok := a.(traits.Multiplier); ok {
		return left.Multiply(b)
	}
	return misfit("*", a, b)
}

func divide(a, b ref.Val) ref.Val {
	x, okX := number(a)
	y, okY := number(b)
	switch {
	case !okX || !okY:
		return misfit("/", a, b)
	case y == 0:
		return types.NewErr("division by zero")
	}
	return types.Double(x / y)
}

func misfit(op string, a, b ref.Val) ref.Val {
	return types.NewErr("%s does not work on %s and %s", op, kindName(a), kindName(b))
}

// kindName names a value's kind for people.
func kindName(v ref.Val) string {
	switch v.Type() {
	case types.NullType:
		return "null"
	case types.IntType, types.UintType, types.DoubleType:
		return "a number"
	case types.StringType:
		return "text"
	case types.BoolType:
		return "true or false"
	case types.ListType:
		return "a list"
	case types.MapType:
		return "a mapping"
	}
	return "a " + v.Type().TypeName()
}

func isNaN(v ref.Val) bool {
	d, ok := v.(types.Double)
	return ok && math.IsNaN(float64(d))
}

// unfit returns an error unless two values can be compared.
func unfit(op string, a, b ref.Val) ref.Val {
	switch {
	case a.Type() == types.NullType || b.Type() == types.NullType:
		return types.NewErr("a value is null")
	case isNaN(a) || isNaN(b):
		return types.NewErr("a value is NaN")
	case kindName(a) != kindName(b):
		return misfit(op, a, b)
	}
	return nil
}

func compare(op string, a, b ref.Val, holds func(types.Int) bool) ref.Val {
	if err := unfit(op, a, b); err != nil {
		return err
	}
	left, ok := a.(traits.Comparer)
	if !ok {
		return misfit(op, a, b)
	}
	n, ok := left.Compare(b).(types.Int)
	if !ok {
		return misfit(op, a, b)
	}
	return types.Bool(holds(n))
}

func less(a, b ref.Val) ref.Val {
	return compare("<", a, b, func(n types.Int) bool { return n < 0 })
}

func lessOrEqual(a, b ref.Val) ref.Val {
	return compare("<=", a, b, func(n types.Int) bool { return n <= 0 })
}

func greater(a, b ref.Val) ref.Val {
	return compare(">", a, b, func(n types.Int) bool { return n > 0 })
}

func greaterOrEqual(a, b ref.Val) ref.Val {
	return compare(">=", a, b, func(n types.Int) bool { return n >= 0 })
}

func equal(a, b ref.Val) ref.Val { return (&equality{}).equal(a, b) }

func notEqual(a, b ref.Val) ref.Val {
	if eq, ok := equal(a, b).(types.Bool); ok {
		return !eq
	}
	return equal(a, b)
}

func isIn(a, b ref.Val) ref.Val {
	switch b := b.(type) {
	case traits.Mapper:
		_, found := b.Find(a)
		return types.Bool(found)
	case traits.Lister:
		eq, found := &equality{}, false
		for it := b.Iterator(); it.HasNext() == types.True; {
			same, ok := eq.equal(a, it.Next()).(types.Bool)
			if !ok {
				return eq.failed
			}
			found = found || bool(same)
		}
		return types.Bool(found)
	}
	return misfit("in", a, b)
}
