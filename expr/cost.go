package expr

import (
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
)

// bySize makes operators cost what they build or look at, so that the cost
// limit bounds memory too.
type bySize struct{}

func (bySize) CallCost(function, _ string, args []ref.Val, result ref.Val) *uint64 {
	var size int64
	switch function {
	case strictAdd:
		size = length(result) / 10
	case strictEq, strictNe, strictIn, strictLt, strictLe, strictGt, strictGe:
		for _, a := range args {
			size += min(length(a), maxCompare) / 10
		}
	case "matches":
		size = 1
		for _, a := range args {
			size *= 1 + length(a)/10
		}
	default: // functions on text look at all of it
		for _, a := range args {
			if a.Type() == types.StringType || a.Type() == types.BytesType {
				size += length(a) / 10
			}
		}
	}
	cost := 1 + uint64(max(0, size)) // #nosec G115 -- not negative
	return &cost
}
