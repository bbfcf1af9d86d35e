package expr

import (
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/common/types/traits"
)

// equality compares values, whole lists and mappings included; a null, a NaN
// or a difference in kind anywhere within makes the answer an error.
type equality struct {
	looked int
	failed ref.Val
}

func (e *equality) fail(err ref.Val) ref.Val {
	e.failed = err
	return err
}

func (e *equality) equal(a, b ref.Val) ref.Val {
	if e.looked++; e.looked > maxCompare {
		return e.fail(types.NewErr("the values are too large to compare"))
	}
	if types.IsUnknownOrError(a) {
		return e.fail(a)
	}
	if types.IsUnknownOrError(b) {
		return e.fail(b)
	}
	if err := unfit("==", a, b); err != nil {
		return e.fail(err)
	}
	switch a := a.(type) {
	case traits.Lister:
		return e.lists(a, b.(traits.Lister))
	case traits.Mapper:
		return e.maps(a, b.(traits.Mapper))
	}
	return types.Equal(a, b)
}

func (e *equality) lists(a, b traits.Lister) ref.Val {
	same := a.Size() == b.Size()
	for i, j := a.Iterator(), b.Iterator(); i.HasNext() == types.True && j.HasNext() == types.True; {
		eq, ok := e.equal(i.Next(), j.Next()).(types.Bool)
		if !ok {
			return e.failed
		}
		same = same && bool(eq)
	}
	return types.Bool(same)
}

func (e *equality) maps(a, b traits.Mapper) ref.Val {
	same := a.Size() == b.Size()
	for it := a.Iterator(); it.HasNext() == types.True; {
		k := it.Next()
		other, found := b.Find(k)
		if !found {
			same = false
			continue
		}
		eq, ok := e.equal(a.Get(k), other).(types.Bool)
		if !ok {
			return e.failed
		}
		same = same && bool(eq)
	}
	return types.Bool(same)
}
