package datasync

import (
	"fmt"

	"github.com/segue-run/segue/driver"
	"github.com/segue-run/segue/runbook"
)

// Against refuses two syncs of which each would send the other what that had
// just brought: records that go the other way come to an end only where one is
// not newer for having gone.
func (p continuousParams) Against(earlier continuousParams) error {
	if p.From.String() != earlier.To.String() || p.To.String() != earlier.From.String() || p.apart(earlier) {
		return nil
	}
	if p.Overwrite || earlier.Overwrite {
		return &runbook.FieldError{
			Field: "overwrite", Remedy: "name in both the version that grows with each change of a record",
			Problem: fmt.Sprintf("both keep %s and %s in step, one each way, and nothing says which of two records is newer: they would go round for ever", p.From, p.To),
		}
	}
	for _, way := range []struct{ there, back continuousParams }{{earlier, p}, {p, earlier}} {
		if sample := grows(way.there, way.back); sample > 0 {
			return &runbook.FieldError{
				Field: "version", Remedy: "let version be the same both ways",
				Problem: fmt.Sprintf("sample %d of the sync from %s to %s is newer once it has come over and back: it would go round for ever", sample, way.there.From, way.there.To),
			}
		}
	}
	return nil
}

// apart reports whether the two are seen to be about different tables, or the
// like.
func (p continuousParams) apart(other continuousParams) bool {
	differ := func(a, b driver.Place) bool {
		x, y := a.Named("table"), b.Named("table")
		return x != "" && y != "" && x != y
	}
	return differ(p.Read, other.Write) || differ(p.Write, other.Read)
}

// grows is the number of the first sample that is newer when it is back than it
// was, 0 for none.
func grows(there, back continuousParams) int {
	out, err := there.mapping()
	in, err2 := back.mapping()
	if err != nil || err2 != nil {
		return 0 // it is said elsewhere
	}
	for i, s := range there.Samples {
		sample, _ := s.(map[string]any)
		given, _ := sample["given"].(map[string]any)
		was, has := given[back.Version]
		over, bad := out.Apply(given)
		if !has || bad != nil {
			continue
		}
		if is, bad := in.Apply(over); bad == nil && driver.Newer(is[back.Version], was) {
			return i + 1
		}
	}
	return 0
}
