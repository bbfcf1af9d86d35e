package datasync

import (
	"fmt"
	"time"

	"github.com/segue-run/segue/driver"
)

// mark says from where, in which version, a record came.
func mark(from string, version any) string {
	if t, ok := version.(time.Time); ok {
		version = t.UTC().Format(time.RFC3339Nano)
	}
	return fmt.Sprintf("%s@%v", from, version)
}

// came reports whether a record came from where it would go, and was not changed
// since: whoever changes it gives it another version, and leaves the mark.
func (f *flow) came(in, out driver.Record) bool {
	return f.p.Mark != "" && in[f.p.Mark] == mark(f.p.To.String(), out[f.p.Version])
}
